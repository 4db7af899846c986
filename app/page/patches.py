"""Patches of Panel and Bokeh: every private part that the page relies on, each with the reason why it is touched.

Seen with Panel 1.9.4 and Bokeh 3.9.2; the tests of this module fail where a part is gone, or is mended upstream.

Queue. A change is queued where the page's socket is in use, and a task writes the queue. What was queued in the very
turn in which such a task ended was left in the queue until something else changed.

Lock. An event that comes while another change of the page waits to be taken in (they are collected for 50 ms) was
handled without the document's lock; the first figure that it changed then raised an error, and the rest was not done.

Models. Bokeh counts the models of a document anew after every change; `at_once` has it do so once for many.

Gzip. Bokeh unpacks what browsers send to whatever size it has; `bound_gzip` ends that at the largest upload.

Upload. Panel buffers an upload of any size; `SpectrumDropper` stops at the largest.

Busy. A page that is made follows, and is kept by, what all sessions share; `follow_busy` gives it one session's instead.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from typing import Any, ClassVar

import panel as pn
import param
from bokeh.core import serialization
from bokeh.document import Document
from panel.io import document as panel_document
from panel.reactive import Syncable
from panel.util import edit_readonly

from .visit import MAX_UPLOAD_BYTES

_write_once = panel_document._dispatch_msgs


def apply() -> None:
    """Have Panel write its queues with `write_queue`, and handle every event with the document's lock."""
    panel_document._dispatch_msgs = write_queue
    setattr(Syncable._event_coroutine, "lock", True)  # noqa: B010  (a function's attribute, which Panel looks for)


async def write_queue(document: Document) -> None:
    """Write what is queued for a document's page, and what was queued in the meantime."""
    await _write_once(document)
    while document in panel_document._WRITE_MSGS and document not in panel_document._WRITE_BLOCK:
        panel_document._WRITE_BLOCK[document] = True
        await _write_once(document)


def at_once(document: Document, call: Callable[[], object]) -> None:
    """Make a call after whose many changes Bokeh counts its models once, or not at all where none came or went.

    All changes are sent when the turn ends. Counting costs a tenth of a second for a page full of figures, and the
    freeze of Bokeh's own would do so for a line of text too. Raises what the call raises, with the models counted.
    """
    models, roots, requests = document.models, tuple(document.roots), []
    fault = None
    vars(models).update(invalidate=lambda: requests.append(True), recompute=lambda: None)  # in place of the methods
    with models.freeze():
        try:
            call()
        except Exception as error:  # raised in here it would leave the models frozen, and all that is new unseen
            fault = error
    del vars(models)["invalidate"], vars(models)["recompute"]
    if requests or roots != tuple(document.roots):
        models.recompute()
    if fault is not None:
        raise fault


def follow_busy(page: param.Parameterized, busy: Any) -> None:
    """Have a page show as busy what a reactive expression says."""
    with edit_readonly(page):
        page.busy = busy


def bound_gzip() -> None:
    """Have Bokeh unpack what browsers send with `BoundedGzip`."""
    serialization.gzip = BoundedGzip


class BoundedGzip:
    """Part of the module gzip that Bokeh needs; it unpacks what visitors send, so that a bomb has to end somewhere."""

    compress = staticmethod(gzip.compress)

    @staticmethod
    def decompress(data: bytes) -> bytes:
        """Unpack data; ValueError beyond the largest upload."""
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MAX_UPLOAD_BYTES + 1)
        if len(content) > MAX_UPLOAD_BYTES:
            raise ValueError("a message unpacks to more than the largest upload")
        return content


class SpectrumDropper(pn.widgets.FileDropper):
    """Drop zone that stops buffering an upload once it exceeds the limit, whatever the browser claims."""

    refused = param.String(doc="Name of the last upload that was too large.")

    _rename: ClassVar[dict[str, str | None]] = {"refused": None}

    def _process_event(self, event: Any) -> None:
        if event.event_name == "upload_event":
            name, first = event.data["name"], event.data["chunk"] == 1
            if first:
                self.refused = ""
                self._file_buffer.pop(name, None)
            elif name not in self._file_buffer:
                return  # the rest of an upload already refused
            buffered = sum(len(chunk) for chunks in self._file_buffer.values() for chunk in chunks)
            if buffered + len(event.data["data"]) > MAX_UPLOAD_BYTES:
                self._file_buffer.pop(name, None)
                self.refused = name
                return
        super()._process_event(event)
