"""Prints how many visits are in memory after three came and went; a process of its own, for what a process keeps."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from pathlib import Path

from panel.io.server import get_server
from visitor import Visitor

from app.page.state import SessionState

PAGE = Path(__file__).with_name("made_up_page.py")
VISITS = 3
PATIENCE_S = 60.0


async def visits(address: str) -> None:
    for _ in range(VISITS):
        async with Visitor(address) as visitor:
            await visitor.wait_for("Star of solar-twin")
            await asyncio.sleep(2)  # what is drawn after the star is there too


def main() -> None:
    """Serves the page from a thread, sessions ending half a second after their visitor."""
    running = {}

    def serve() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        server = running["server"] = get_server(
            {"page": str(PAGE)}, address="127.0.0.1", show=False, start=False,
            unused_session_lifetime_milliseconds=500, check_unused_sessions_milliseconds=200,
        )  # fmt: skip
        server.start()
        server.io_loop.start()

    threading.Thread(target=serve, daemon=True).start()
    while "server" not in running:
        time.sleep(0.1)
    asyncio.run(visits(f"http://127.0.0.1:{running['server'].port}/page"))
    while running["server"].get_sessions("/page"):
        time.sleep(0.1)
    deadline = time.monotonic() + PATIENCE_S  # for what was still being computed for them
    while (kept := visits_in_memory()) > 1 and time.monotonic() < deadline:
        time.sleep(0.5)
    print("visits in memory:", kept)


def visits_in_memory() -> int:
    gc.collect()
    return sum(isinstance(thing, SessionState) for thing in gc.get_objects())


if __name__ == "__main__":
    main()
