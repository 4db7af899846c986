"""Patches of Panel and Bokeh: each does what it says, and is still needed; without it, the same case goes wrong."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import panel as pn
import panel_material_ui as pmui
import param
import pytest
from bokeh.core import serialization
from bokeh.core.types import ID
from bokeh.document import Document
from bokeh.events import ButtonClick
from bokeh.io import doc
from bokeh.models import Column, Div
from bokeh.server.session import ServerSession
from panel.io import document as panel_document
from panel.io.state import set_curdoc
from panel.reactive import Syncable
from panel.util import edit_readonly
from tornado.ioloop import IOLoop
from visitor import run

from app.page import patches


class Socket:
    """Socket of a kind that Panel is told how to write to."""


class Connection:
    """Connection to a page; a message is the first of the events it is made of."""

    def __init__(self) -> None:
        self._socket = Socket()
        self.protocol = SimpleNamespace(create=lambda _kind, events: events[0])


def sent(monkeypatch, turns: int) -> tuple[list[str], bool]:
    """Messages sent of three changes, `turns` of the event loop after the end of the first write; whether writing stays blocked."""
    messages, blocked = [], []

    async def scenario() -> None:
        document, connection, written = Document(), Connection(), asyncio.get_running_loop().create_future()
        monkeypatch.setitem(
            panel_document.extra_socket_handlers, Socket, lambda _connection, msg: messages.append(msg) or [written]
        )
        panel_document.schedule_write_events(document, [connection], ["first"])
        await asyncio.sleep(0)
        assert messages == ["first"]
        written.set_result(None)
        for _ in range(turns):
            await asyncio.sleep(0)
        panel_document.schedule_write_events(document, [connection], ["second"])
        panel_document.schedule_write_events(document, [connection], ["third"])
        for _ in range(10):
            await asyncio.sleep(0)
        blocked.append(document in panel_document._WRITE_BLOCK)

    run(scenario())
    return messages, blocked[0]


@pytest.mark.parametrize("turns", range(4))
def test_what_is_queued_while_a_page_is_written_to_is_written_too(monkeypatch, turns):
    patches.apply()
    assert sent(monkeypatch, turns) == (["first", "second", "third"], False)  # what comes next need not be queued


def test_panel_alone_still_leaves_a_change_in_its_queue(monkeypatch):
    patches.apply()
    monkeypatch.setattr(panel_document, "_dispatch_msgs", patches._write_once)
    assert any(len(sent(monkeypatch, turns)[0]) < 3 for turns in range(4))


def changes_a_figure() -> bool:
    """Whether an event that waits for another change can change a figure.

    Panel handles it in a callback of its own, where Bokeh raises unless the document is locked.
    """
    document, figure, button, done = Document(), Div(text="before"), pn.widgets.Button(), []

    async def scenario() -> None:
        document.add_root(figure)
        session = ServerSession(ID("session"), document, IOLoop.current())
        document._session_context = lambda: SimpleNamespace(session=session)

        def clicked(_event: object) -> None:
            figure.text = "after"
            done.append(figure.text)

        button.on_click(clicked)
        with set_curdoc(document):
            pn.state.execute(partial(button._event_coroutine, document, ButtonClick(None)), schedule=True)
        for _ in range(10):
            await asyncio.sleep(0)

    run(scenario())
    return done == ["after"]


def test_an_event_that_waits_for_another_change_may_change_figures():
    patches.apply()
    assert changes_a_figure()


def test_panel_alone_still_handles_such_an_event_without_the_lock(monkeypatch):
    patches.apply()
    monkeypatch.delattr(Syncable._event_coroutine, "lock")
    monkeypatch.setattr(doc, "_PATCHED_CURDOCS", [])  # in which Bokeh leaves a document whose callback raised
    assert not changes_a_figure()


def counts_of(monkeypatch, change: Callable[[Document, Column, Div], object]) -> int:
    """Number of times that Bokeh counts the models of a document with a line of text while a change is made."""
    document, text = Document(), Div()
    layout = Column(text)
    document.add_root(layout)
    counts = []
    recompute = type(document.models).recompute
    with monkeypatch.context() as patch:
        patch.setattr(type(document.models), "recompute", lambda models: (counts.append(1), recompute(models)))
        change(document, layout, text)
    return len(counts)


def test_models_are_not_counted_for_a_line_of_text(monkeypatch):
    def change(document: Document, _layout: Column, text: Div) -> None:
        patches.at_once(document, lambda: setattr(text, "text", "now"))

    assert counts_of(monkeypatch, change) == 0


def test_models_are_counted_once_for_many_that_come(monkeypatch):
    new = Div(), Div()

    def change(document: Document, layout: Column, _text: Div) -> None:
        def show() -> None:
            for one in new:
                layout.children = [*layout.children, one]

        patches.at_once(document, show)
        assert all(one.document is document for one in new)

    assert counts_of(monkeypatch, change) == 1


def test_a_root_that_comes_belongs_to_the_document():
    document, root = Document(), Div()
    patches.at_once(document, lambda: document.add_root(root))
    assert root.document is document


def test_bokeh_alone_still_counts_models_for_a_line_of_text(monkeypatch):
    def change(document: Document, _layout: Column, text: Div) -> None:
        with document.models.freeze():
            text.text = "now"

    assert counts_of(monkeypatch, change) > 0


def test_a_change_that_fails_leaves_the_page_able_to_show_what_is_new():
    document = Document()
    with pytest.raises(ZeroDivisionError):
        patches.at_once(document, lambda: 1 / 0)
    new = Div()
    document.add_root(new)
    assert new.document is document


def unpacked(content: bytes) -> bytes:
    """Bytes as Bokeh reads them from a browser's message."""
    message = {"type": "bytes", "data": base64.b64encode(gzip.compress(content)).decode()}
    return serialization.Deserializer().decode(message)


def test_messages_unpack_to_the_largest_upload_and_no_further(monkeypatch):
    monkeypatch.setattr(serialization, "gzip", gzip)
    monkeypatch.setattr(patches, "MAX_UPLOAD_BYTES", 1000)
    patches.bound_gzip()
    assert unpacked(bytes(1000)) == bytes(1000)
    with pytest.raises(ValueError, match="largest upload"):
        unpacked(bytes(1001))


def test_bokeh_alone_still_unpacks_without_a_bound(monkeypatch):
    monkeypatch.setattr(serialization, "gzip", gzip)
    assert len(unpacked(bytes(2 * patches.MAX_UPLOAD_BYTES))) == 2 * patches.MAX_UPLOAD_BYTES


class Work(param.Parameterized):
    """Work of one session."""

    busy = param.Boolean(default=False)


def test_a_page_is_busy_with_its_own_session():
    work, page = Work(), pmui.Page()
    patches.follow_busy(page, work.param.busy.rx())
    assert not page.busy
    work.busy = True
    assert page.busy


def test_a_page_alone_still_follows_what_all_sessions_share():
    page = pmui.Page()
    assert not page.busy
    with edit_readonly(pn.state):
        pn.state.busy = True
        assert page.busy
        pn.state.busy = False


class Chunk:
    """Event of one piece of an upload, as FileDropper gets it."""

    event_name = "upload_event"

    def __init__(self, name: str, chunk: int, size: int, total: int = 3) -> None:
        self.data = {"name": name, "chunk": chunk, "total_chunks": total, "type": "", "data": bytes(size)}


def test_upload_beyond_the_limit_is_dropped_while_it_arrives(monkeypatch):
    monkeypatch.setattr(patches, "MAX_UPLOAD_BYTES", 100)
    dropper = patches.SpectrumDropper()
    for number in (1, 2, 3):
        dropper._process_event(Chunk("huge.fits", number, 60))
    assert dropper.refused == "huge.fits"
    assert dropper.value == {}
    assert dropper._file_buffer == {}


def test_upload_within_the_limit_arrives_whole():
    dropper = patches.SpectrumDropper()
    for number in (1, 2, 3):
        dropper._process_event(Chunk("fine.fits", number, 60))
    assert dropper.refused == ""
    assert len(dropper.value["fine.fits"]) == 180


def test_panel_alone_still_buffers_an_upload_beyond_its_limit():
    """The limit of Panel's own is one that the browser keeps, or does not."""
    dropper = pn.widgets.FileDropper(max_file_size="100B")
    for number in (1, 2, 3):
        dropper._process_event(Chunk("huge.fits", number, 60))
    assert len(dropper.value["huge.fits"]) == 180
