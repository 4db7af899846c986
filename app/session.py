"""One visit to the page: a fresh state, the page bound to it, and the first star on its way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document

from cinn_core.errors import SpectrumError

from .inference import Analyse, infer
from .state import SessionState, Source
from .views.page import page

FIRST_EXAMPLE = "solar-twin"


def session(analyse: Analyse, examples: dict[str, Path]) -> pmui.Page:
    """The page of a new session, which starts with an example: the one of `?example=`, else the solar twin."""
    state, document = SessionState(), pn.state.curdoc

    def post(call: Callable[[], object]) -> None:
        document.add_next_tick_callback(lambda: at_once(document, call))

    def begin(make: Callable[[], Source]) -> None:
        try:
            state.load(make())
        except SpectrumError as error:
            state.warn(str(error))
        else:
            infer(state, analyse, post)

    def ask(make: Callable[[], Source]) -> None:
        post(lambda: begin(make))

    def first_star() -> None:
        asked = wanted_example()
        path = examples.get(asked, examples[FIRST_EXAMPLE])
        ask(lambda: Source(path, path.name))
        if asked not in examples:
            sentence = f"There is no example called {asked}; the examples are {', '.join(examples)}."
            post(lambda: state.warn(sentence))

    pn.state.onload(first_star)
    return page(state, examples, ask)


def wanted_example() -> str:
    """What the address asks for, as in `/main?example=metal-poor-giant`."""
    asked = pn.state.session_args.get("example", [])
    return asked[0].decode(errors="replace") if asked else FIRST_EXAMPLE


def at_once(document: Document, call: Callable[[], object]) -> None:
    """Make a call whose changes reach the browser together, and for which Bokeh takes stock of its models once."""
    with pn.io.hold(document), document.models.freeze():
        call()
