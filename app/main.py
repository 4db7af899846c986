"""The dashboard, served by `panel serve app/main.py`: each visit gets a session of its own, all share one model."""

from functools import partial

import panel as pn

from app.page import theme
from app.page.cache import Preparations, analyse_request, devices, shared_model, shipped_bias, shipped_example
from app.page.jobs import WORKER
from app.page.session import FIRST_EXAMPLE, session
from cinn_core.files import example_paths

WORKER.submit(shipped_example, example_paths()[FIRST_EXAMPLE])  # with --warm before the first visitor
pn.extension("tabulator", "filedropper", raw_css=[theme.ROOT_CSS])
session(partial(analyse_request, Preparations()), shared_model, example_paths(), devices(), shipped_bias()).servable()
