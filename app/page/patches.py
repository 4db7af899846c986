"""Two mends of how Panel sends and receives, without which a page is silent, seldom, until somebody touches it again.

A change is queued where the page's socket is in use, and a task writes the queue. What was queued in the very turn in
which such a task ended was left in the queue until something else changed.

An event that comes while another change of the page waits to be taken in (they are collected for 50 ms) was handled
without the document's lock; the first figure that it changed then raised an error, and the rest was not done.
"""

from __future__ import annotations

import gzip
import io

from bokeh.document import Document
from panel.io import document as panel_document
from panel.reactive import Syncable

from .state import MAX_UPLOAD_BYTES

_write_once = panel_document._dispatch_msgs


async def write_queue(document: Document) -> None:
    """Write what is queued for a document's page, and what was queued in the meantime."""
    await _write_once(document)
    while document in panel_document._WRITE_MSGS and document not in panel_document._WRITE_BLOCK:
        panel_document._WRITE_BLOCK[document] = True
        await _write_once(document)


def mend() -> None:
    """Have Panel write its queues with `write_queue`, and handle every event with the document's lock."""
    panel_document._dispatch_msgs = write_queue
    setattr(Syncable._event_coroutine, "lock", True)  # noqa: B010  (a function's attribute, which Panel looks for)


class BoundedGzip:
    """What Bokeh needs of the module gzip; it unpacks what visitors send, so that a bomb has to end somewhere."""

    compress = staticmethod(gzip.compress)

    @staticmethod
    def decompress(data: bytes) -> bytes:
        """The unpacked data; ValueError beyond the largest upload."""
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MAX_UPLOAD_BYTES + 1)
        if len(content) > MAX_UPLOAD_BYTES:
            raise ValueError("a message unpacks to more than the largest upload")
        return content
