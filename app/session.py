"""One visit to the page: a fresh state, the page bound to it, and the first star on its way."""

from __future__ import annotations

import asyncio
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

    def on_turn(call: Callable[[], object]) -> None:
        document.add_next_tick_callback(lambda: at_once(document, call))

    def begin(make: Callable[[], Source]) -> None:
        loop = asyncio.get_running_loop()
        try:
            state.load(make())
        except SpectrumError as error:
            state.warn(str(error))
        else:
            # By way of the loop: a callback that another thread adds to a document being changed may be lost.
            infer(state, analyse, lambda call: loop.call_soon_threadsafe(on_turn, call))

    def ask(make: Callable[[], Source]) -> None:
        on_turn(lambda: begin(make))

    def first_star() -> None:
        asked = wanted_example()
        path = examples.get(asked, examples[FIRST_EXAMPLE])
        ask(lambda: Source(path, path.name))
        if asked not in examples:
            sentence = f"There is no example called {asked}; the examples are {', '.join(examples)}."
            on_turn(lambda: state.warn(sentence))

    pn.state.onload(first_star)
    return page(state, examples, ask)


def wanted_example() -> str:
    """What the address asks for, as in `/main?example=metal-poor-giant`."""
    asked = pn.state.session_args.get("example", [])
    return asked[0].decode(errors="replace") if asked else FIRST_EXAMPLE


def at_once(document: Document, call: Callable[[], object]) -> None:
    """Make a call for whose many changes Bokeh takes stock of its models once; they leave together when the turn ends."""
    with document.models.freeze():
        call()
