"""Dashboard, served by `panel serve app/main.py`: each visitor gets a session, all share one model."""

from functools import partial

import panel as pn

from app.page import theme
from app.page.cache import Preparations, analyse_request, devices, shared_model, shipped_bias, shipped_example
from app.page.jobs import WORKER
from app.page.start import FIRST_EXAMPLE, start_session
from cinn_core.files import example_paths

WORKER.submit(shipped_example, example_paths()[FIRST_EXAMPLE])  # with --warm before the first visitor
pn.extension("tabulator", "filedropper", raw_css=[theme.ROOT_CSS])
analyse = partial(analyse_request, Preparations())
start_session(analyse, shared_model, example_paths(), devices(), shipped_bias()).servable()
