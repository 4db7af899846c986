"""Twenty people at once: all are answered, in the order in which they asked, and nobody sees anything of anybody else's."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path

import pytest
from astropy.io import fits
from serving import Server, served
from visitor import Visitor, run

from app.server.serve import MAIN

VISITORS = 20
MEMORY_BYTES = 3 * 1024**3
"""What the server may take at most, libraries and model included."""
EXPIRY_S = 100
"""A session left alone ends after 60 s, looked for every 10 s."""


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    with served(MAIN, tmp_path_factory.mktemp("load")) as running:
        for _ in range(600):
            if running.get("health")[0] == 200:
                break
            time.sleep(0.5)
        yield running


def star(path: Path, name: str) -> bytes:
    """An example's bytes, its star called `name`."""
    buffer = io.BytesIO()
    with fits.open(path) as hdus:
        for hdu in hdus:
            if "OBJECT" in hdu.header:
                hdu.header["OBJECT"] = name
        hdus.writeto(buffer)
    return buffer.getvalue()


async def everybody(server: Server, examples: dict[str, Path]) -> list[tuple[float, float, list[str]]]:
    """When each visitor asked and was answered, and all that they were sent."""
    paths = list(examples.values())

    async def one(i: int) -> tuple[float, float, list[str]]:
        async with Visitor(server.address) as visitor:
            await everybody_inside.wait()
            await asyncio.sleep(0.3 * i)
            asked = time.monotonic()
            await visitor.upload(f"file-of-{i:02}.fits", star(paths[i % len(paths)], f"Star of {i:02}"))
            await visitor.wait_for(f"Star of {i:02}", 1200)
            answered = visitor.times[next(k for k, text in enumerate(visitor.heard) if f"Star of {i:02}" in text)]
            await everybody_answered.wait()  # whoever is done stays and would see what the others get
            return asked, answered, visitor.heard

    everybody_inside, everybody_answered = asyncio.Barrier(VISITORS), asyncio.Barrier(VISITORS)
    return await asyncio.gather(*(one(i) for i in range(VISITORS)))


@pytest.mark.nightly
@pytest.mark.timeout(1500)
def test_twenty_visitors_are_all_answered_in_order_and_see_nothing_of_each_other(server, examples, capsys):
    before = server.memory()
    visits = run(everybody(server, examples))
    after, peak = server.memory(), server.memory("VmHWM")
    first = visits[0][0]
    with capsys.disabled():
        print("\nvisitor   asked s   answered s   waited s")
        for i, (asked, answered, _) in enumerate(visits):
            print(f"{i:7}   {asked - first:7.1f}   {answered - first:10.1f}   {answered - asked:8.1f}")
        print(f"memory: {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after, {peak / 1e6:.0f} MB at its peak")
    order = sorted(range(VISITORS), key=lambda i: visits[i][1])
    # uploads begun 0.3 s apart may arrive the other way round; what has arrived is answered first come, first served
    assert all(abs(place - i) <= 1 for place, i in enumerate(order)), order
    for i, (_, _, heard) in enumerate(visits):
        for j in set(range(VISITORS)) - {i}:
            assert not any(f"file-of-{j:02}" in text or f"Star of {j:02}" in text for text in heard)
    assert peak < MEMORY_BYTES
    assert "file-of" not in server.log.read_text()
    for _ in range(EXPIRY_S):
        if server.get("health")[1]["sessions"] == 0:
            break
        time.sleep(1)
    assert server.get("health")[1]["sessions"] == 0
    assert not [path for path in server.temporary.rglob("*") if path.is_file()]
