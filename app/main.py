"""The dashboard, served by `panel serve app/main.py`: each visit gets a session of its own, all share one model."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

from app.inference import WORKER
from app.session import session
from app.state import Source
from cinn_core.analyse import Model, analyse, load_model
from cinn_core.assets import example_paths
from cinn_core.stages import Analysis


def shared_model() -> Model:
    """The model that this process loads once."""
    return pn.state.as_cached("kiel-model", load_model)


def analyse_source(source: Source, report: Callable[[str], None]) -> Analysis:
    """Analyse one source, on the worker."""
    report("Loading the model")
    return analyse(source.data, shared_model(), name=source.name, progress=report)


WORKER.submit(shared_model)  # with --warm it is in memory before the first visitor
pn.extension("tabulator", "filedropper")
session(analyse_source, example_paths()).servable()
