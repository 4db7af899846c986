"""The dashboard's page, one per session: `panel serve app/main.py`."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from app.inference import infer
from app.state import SessionState, Source
from app.views.page import page
from cinn_core.analyse import analyse, load_model
from cinn_core.assets import example_paths
from cinn_core.stages import Analysis

FIRST_EXAMPLE = "solar-twin"


def analyse_source(source: Source, report: Callable[[str], None]) -> Analysis:
    """Analyse one source with the model that all sessions of this process share."""
    model = pn.state.as_cached("kiel-model", load_model)
    return analyse(source.data, model, name=source.name, progress=report)


def serve() -> pmui.Page:
    """A fresh session: its own state, the page bound to it, and the first star on its way."""
    state, examples, document = SessionState(), example_paths(), pn.state.curdoc

    def post(call: Callable[[], None]) -> None:
        if document is None:
            call()
        else:
            document.add_next_tick_callback(call)

    async def run() -> None:
        await infer(state, analyse_source, post, pn.io.hold)

    async def first_star() -> None:
        wanted = pn.state.session_args.get("example", [FIRST_EXAMPLE.encode()])[0].decode(errors="replace")
        if wanted not in examples:
            state.warn(f"There is no example called {wanted}; choose {', '.join(examples)}.")
            wanted = FIRST_EXAMPLE
        state.load(Source(examples[wanted], examples[wanted].name))
        await run()

    pn.state.onload(first_star)
    return page(state, examples, run)


pn.extension("tabulator", "filedropper", notifications=False)
serve().servable()
