"""One visit to the page: a fresh state, the page bound to it, what the address asks for, and the first star on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event

import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document

from cinn_core.errors import SpectrumError
from cinn_core.inference.bias import BiasCorrection
from cinn_core.inference.model import Model
from cinn_core.inference.selection import Offer

from . import patches, theme
from .context import Visit, keep_current
from .jobs import Analyse, Jobs, Post, infer
from .state import SessionState, Source
from .uploads import Receiver
from .url import Wanted, follow, wanted
from .views.page import page

FIRST_EXAMPLE = "solar-twin"


def session(
    analyse: Analyse,
    model: Callable[[], Model],
    examples: dict[str, Path],
    devices: tuple[str, ...] = ("auto", "cpu"),
    bias: BiasCorrection | None = None,
) -> pmui.Page:
    """The page of a new session, which starts with an example: the one of `?example=`, else the solar twin."""
    patches.mend()
    state, document = SessionState(offer=Offer(bias=bias)), pn.state.curdoc
    document.theme = theme.BOKEH

    over = Event()
    pn.state.on_session_destroyed(lambda _context: over.set())

    def on_turn(call: Callable[[], object]) -> None:
        if not over.is_set():  # what was computed for a visit that ended meanwhile has nowhere to go
            document.add_next_tick_callback(lambda: at_once(document, call))

    def post() -> Post:
        # By way of the loop: a callback that another thread adds to a document being changed may be lost.
        loop = asyncio.get_running_loop()
        return lambda call: loop.call_soon_threadsafe(on_turn, call)

    def begin(make: Callable[[], Source]) -> None:
        try:
            state.load(make())
        except SpectrumError as error:
            state.warn(str(error))
        else:
            infer(state, analyse, post())

    def ask(make: Callable[[], Source]) -> None:
        on_turn(lambda: begin(make))

    def again() -> None:
        on_turn(lambda: infer(state, analyse, post()))

    asked = wanted(examples, FIRST_EXAMPLE)
    intake = Receiver(state, analyse, post, lambda source: begin(lambda: source))
    visit = Visit(state, Jobs(state, post), model, ask, again, on_turn, devices, examples, intake)
    pn.state.onload(lambda: first_star(visit, asked, on_turn))
    keep_current(visit)
    return page(visit)


def first_star(visit: Visit, asked: Wanted, on_turn: Callable[[Callable[[], object]], None]) -> None:
    """Show what the address asks for; what it asks for in vain gets a sentence."""
    path = visit.examples[asked.example]
    visit.ask(partial(Source, path, path.name))
    on_turn(lambda: asked.apply(visit.state))
    if asked.complaint:
        on_turn(lambda: visit.state.warn(asked.complaint))
    follow(visit.state, visit.examples)


def at_once(document: Document, call: Callable[[], object]) -> None:
    """Make a call for whose many changes Bokeh takes stock of its models once, or not at all where none came or went.

    What changes leaves together when the turn ends. Taking stock costs a tenth of a second for a page full of figures,
    and the freeze of Bokeh's own would do so for a line of text too.
    """
    models, roots, asked = document.models, tuple(document.roots), []
    fault = None
    vars(models).update(invalidate=lambda: asked.append(True), recompute=lambda: None)  # in place of the methods
    with models.freeze():
        try:
            call()
        except Exception as error:  # raised in here it would leave the models frozen, and all that is new unseen
            fault = error
    del vars(models)["invalidate"], vars(models)["recompute"]
    if asked or roots != tuple(document.roots):
        models.recompute()
    if fault is not None:
        raise fault
