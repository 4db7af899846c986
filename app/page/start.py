"""Start of a session: a fresh state, the page bound to it, what the URL asks for, and the first star on its way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event

import panel as pn
import panel_material_ui as pmui
from tornado.ioloop import IOLoop

from cinn_core.errors import SpectrumError
from cinn_core.inference.bias import BiasCorrection
from cinn_core.inference.model import Model
from cinn_core.inference.selection import Corrections

from . import patches, theme
from .jobs import Analyse, Jobs, Post, run_analysis
from .session import Session, keep_results_current
from .state import SessionState
from .uploads import Uploads
from .url import PageLink, keep_url_current, read_url
from .views.page import page
from .visit import Source

FIRST_EXAMPLE = "solar-twin"


def start_session(
    analyse: Analyse,
    model: Callable[[], Model],
    examples: dict[str, Path],
    devices: tuple[str, ...] = ("auto", "cpu"),
    bias: BiasCorrection | None = None,
) -> pmui.Page:
    """Build the page of a new session, which starts with an example: the one of `?example=`, else the solar twin."""
    patches.apply()
    pn.state.curdoc.theme = theme.BOKEH
    login = pn.state.user if pn.state.user not in (None, "guest") else ""
    state, post = SessionState(corrections=Corrections(bias=bias), login=login, reviewer=login), post_to_document()

    def analyse_now(make: Callable[[], Source]) -> None:
        try:
            state.load(make())
        except SpectrumError as error:
            state.warn(str(error))
        else:
            run_analysis(state, analyse, post)

    def analyse_source(make: Callable[[], Source]) -> None:
        post(partial(analyse_now, make))

    def analyse_again() -> None:
        post(lambda: run_analysis(state, analyse, post))

    link = read_url(examples, FIRST_EXAMPLE)
    uploads = Uploads(state, analyse, post, lambda source: analyse_now(lambda: source))
    session = Session(state, Jobs(state, post), model, analyse_source, analyse_again, post, devices, examples, uploads)
    pn.state.onload(lambda: show_link(session, link))
    state.param.watch(
        lambda event: post(lambda: post(partial(state.settle, event.new))), "change"
    )  # after what is drawn
    keep_results_current(session)
    return page(session)


def post_to_document() -> Post:
    """The `post` of the present document: safe from any thread, without effect once its session has ended."""
    document, loop, ended = pn.state.curdoc, IOLoop.current(), Event()
    pn.state.on_session_destroyed(lambda _context: ended.set())

    def add(call: Callable[[], object]) -> None:
        if not ended.is_set():
            document.add_next_tick_callback(lambda: patches.at_once(document, call))

    # By way of the loop: a callback that another thread adds to a document being changed may be lost.
    return lambda call: loop.add_callback(add, call)


def show_link(session: Session, link: PageLink) -> None:
    """Show what the URL asks for; what does not exist gets a sentence."""
    path = session.examples[link.example]
    session.analyse_source(partial(Source, path, path.name))
    session.post(lambda: link.apply(session.state))
    if link.complaint:
        session.post(lambda: session.state.warn(link.complaint))
    keep_url_current(session.state, session.examples)
