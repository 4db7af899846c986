"""What the page is told arrives, however the messages come."""

from __future__ import annotations

import asyncio
from functools import partial
from queue import Queue
from types import SimpleNamespace

import panel as pn
import pytest
from bokeh.core.types import ID
from bokeh.document import Document
from bokeh.events import ButtonClick
from bokeh.models import Column, Div
from bokeh.server.session import ServerSession
from panel.io import document as panel_document
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from app.page import patches
from app.page.state import SessionState, Source
from app.page.uploads import Uploads


class Socket:
    """Of a kind that Panel is told how to write to."""


class Connection:
    """To a page; a message is the first of the events it is made of."""

    def __init__(self) -> None:
        self._socket = Socket()
        self.protocol = SimpleNamespace(create=lambda _kind, events: events[0])


@pytest.mark.parametrize("turns", range(4))
def test_what_is_queued_while_a_page_is_written_to_is_written_too(monkeypatch, turns):
    """`turns` of the event loop lie between the end of one write and the next change."""
    told = []

    async def scenario() -> None:
        document, connection, written = Document(), Connection(), asyncio.get_running_loop().create_future()
        monkeypatch.setitem(
            panel_document.extra_socket_handlers, Socket, lambda _connection, msg: told.append(msg) or [written]
        )
        panel_document.schedule_write_events(document, [connection], ["first"])
        await asyncio.sleep(0)
        assert told == ["first"]
        written.set_result(None)
        for _ in range(turns):
            await asyncio.sleep(0)
        panel_document.schedule_write_events(document, [connection], ["second"])
        panel_document.schedule_write_events(document, [connection], ["third"])
        for _ in range(10):
            await asyncio.sleep(0)
        assert document not in panel_document._WRITE_BLOCK  # what comes next need not be queued

    patches.apply()
    asyncio.run(scenario())
    assert told == ["first", "second", "third"]


def test_an_event_that_waits_for_another_change_may_change_figures():
    """Panel handles it in a callback of its own, where Bokeh raises unless the document is locked."""
    done = []

    async def scenario() -> None:
        document, figure, button = Document(), Div(text="before"), pn.widgets.Button()
        document.add_root(figure)
        session = ServerSession(ID("visit"), document, IOLoop.current())
        document._session_context = lambda: SimpleNamespace(session=session)

        def clicked(_event) -> None:
            figure.text = "after"
            done.append(figure.text)

        button.on_click(clicked)
        with set_curdoc(document):
            pn.state.execute(partial(button._event_coroutine, document, ButtonClick(None)), schedule=True)
        for _ in range(10):
            await asyncio.sleep(0)

    patches.apply()
    asyncio.run(scenario())
    assert done == ["after"]


def test_a_change_that_fails_leaves_the_page_able_to_show_what_is_new():
    document = Document()
    with pytest.raises(ZeroDivisionError):
        patches.at_once(document, lambda: 1 / 0)
    new = Div()
    document.add_root(new)
    assert new.document is document


def test_models_are_counted_once_a_turn_and_not_for_a_line_of_text(monkeypatch):
    document, text = Document(), Div()
    layout = Column(text)
    document.add_root(layout)
    counted = []
    recompute = type(document.models).recompute
    monkeypatch.setattr(type(document.models), "recompute", lambda models: (counted.append(1), recompute(models)))
    patches.at_once(document, lambda: setattr(text, "text", "now"))
    assert not counted
    new = Div(), Div()

    def show() -> None:
        for one in new:
            layout.children = [*layout.children, one]

    patches.at_once(document, show)
    assert len(counted) == 1
    assert all(one.document is document for one in new)
    root = Div()
    patches.at_once(document, lambda: document.add_root(root))
    assert root.document is document


def test_a_view_that_fails_does_not_keep_the_next_files_waiting(made_up):
    state, calls, shown = SessionState(), Queue(), []
    state.param.watch(lambda _event: 1 / 0, "stars")
    uploads = Uploads(state, lambda _request, _report: made_up, calls.put, shown.append)
    uploads.analyse_all(tuple(Source(name.encode(), name) for name in ("one.fits", "two.fits", "three.fits")))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            calls.get(timeout=60)()
    assert state.waiting == 0
    uploads.analyse_all((Source(b"four", "four.fits"),))
    assert [source.name for source in shown] == ["one.fits", "four.fits"]
