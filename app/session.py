"""One visit to the page: a fresh state, the page bound to it, and the first star on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from .inference import Analyse, infer
from .state import SessionState, Source
from .views.page import page

FIRST_EXAMPLE = "solar-twin"


def session(analyse: Analyse, examples: dict[str, Path]) -> pmui.Page:
    """The page of a new session, which starts with an example: the one of `?example=`, else the solar twin."""
    state, document = SessionState(), pn.state.curdoc

    def post(call: Callable[[], None]) -> None:
        document.add_next_tick_callback(call)

    async def run() -> None:
        await infer(state, analyse, post, one_update)

    async def first_star() -> None:
        asked = wanted_example()
        path = examples.get(asked, examples[FIRST_EXAMPLE])
        state.load(Source(path, path.name))
        await run()
        if asked not in examples:
            state.warn(f"There is no example called {asked}; the examples are {', '.join(examples)}.")

    pn.state.onload(first_star)
    return page(state, examples, run)


def wanted_example() -> str:
    """What the address asks for, as in `/main?example=metal-poor-giant`."""
    asked = pn.state.session_args.get("example", [])
    return asked[0].decode(errors="replace") if asked else FIRST_EXAMPLE


@contextmanager
def one_update() -> Iterator[None]:
    """The block's changes reach the browser together, and Bokeh takes stock of its models once."""
    with pn.io.hold(), pn.state.curdoc.models.freeze():
        yield
