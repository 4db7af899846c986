"""The dashboard, served by `panel serve app/main.py`: each visit gets a session of its own, all share one model."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

from app.session import session
from app.state import Source
from cinn_core.analyse import analyse, load_model
from cinn_core.assets import example_paths
from cinn_core.stages import Analysis


def analyse_source(source: Source, report: Callable[[str], None]) -> Analysis:
    """Analyse one source with the model that this process loads once."""
    report("Loading the model")
    model = pn.state.as_cached("kiel-model", load_model)
    return analyse(source.data, model, name=source.name, progress=report)


pn.extension("tabulator", "filedropper")
session(analyse_source, example_paths()).servable()
