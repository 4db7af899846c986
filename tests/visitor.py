"""A visitor without a browser: speaks the dashboard's websocket protocol, uploads a file, and notes every text it is sent."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

T = TypeVar("T")


def run(visit: Coroutine[Any, Any, T]) -> T:
    """What a visit returns; in a thread of its own, since a browser that other tests left open keeps a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, visit).result()


class Visitor:
    """One session on the page; an async context manager."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: WebSocketClientConnection
        self._listening: asyncio.Task[None]
        self._dropper = ""
        self.heard: list[str] = []
        """Every text frame that the server sent."""
        self.times: list[float] = []
        """When each came, by time.monotonic."""

    async def __aenter__(self) -> Visitor:
        page = await AsyncHTTPClient().fetch(self._address, request_timeout=300)
        token = re.search(r'"token":"([^"]+)"', page.body.decode())
        assert token is not None, "the page carries no session token"
        request = HTTPRequest("ws" + self._address.removeprefix("http") + "/ws", request_timeout=300)
        request.headers["Origin"] = self._address.rpartition("/")[0]
        self._connection = await websocket_connect(
            request, subprotocols=["bokeh", token.group(1)], max_message_size=500_000_000
        )
        self._listening = asyncio.create_task(self._listen())
        await self.wait_for('"ACK"')
        await self._send("PULL-DOC-REQ", {})
        document = await self.wait_for("FileDropper")
        dropper = re.search(r'"name":"[^"]*FileDropper","id":"([^"]+)"', document)
        assert dropper is not None, "the page has no drop zone"
        self._dropper = dropper.group(1)
        await self._event("document_ready", [])
        return self

    async def __aexit__(self, *_exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._connection.close()
        await asyncio.wait_for(self._listening, 60)

    async def upload(self, name: str, content: bytes) -> None:
        """Drop a file on the page."""
        chunk = {"type": "bytes", "data": base64.b64encode(gzip.compress(content, 1)).decode()}
        data = [["name", name], ["chunk", 1], ["total_chunks", 1], ["type", ""], ["data", chunk]]
        entries = [["model", {"id": self._dropper}], ["data", {"type": "map", "entries": data}]]
        await self._event("upload_event", entries)

    async def wait_for(self, text: str, seconds: float = 600.0) -> str:
        """The first text frame that holds `text`."""
        end, seen = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            while seen < len(self.heard):
                if text in self.heard[seen]:
                    return self.heard[seen]
                seen += 1
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{text!r} was not heard within {seconds:.0f} s")

    async def _event(self, name: str, entries: list[Any]) -> None:
        event = {"type": "event", "name": name, "values": {"type": "map", "entries": entries}}
        change = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
        await self._send("PATCH-DOC", {"events": [change]})

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        for part in ({"msgid": str(time.monotonic_ns()), "msgtype": kind}, {}, content):
            await self._connection.write_message(json.dumps(part))

    async def _listen(self) -> None:
        while (message := await self._connection.read_message()) is not None:
            if isinstance(message, str):
                self.heard.append(message)
                self.times.append(time.monotonic())
