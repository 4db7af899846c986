"""Health of the server: ready or not, its version, a log without anything of a visitor's, bombs and strangers refused."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys

import pytest
from serving import ROOT, served
from visitor import Visitor, run

from app.server.serve import server_command

SECRET = "a-name-nobody-else-may-read"


@pytest.fixture(scope="module")
def server(examples, tmp_path_factory):
    with served(ROOT / "tests" / "made_up_page.py", tmp_path_factory.mktemp("server")) as running:
        yield running


def test_version_names_kiel_and_the_hashes_of_the_weights(server):
    status, said = server.get("version")
    cards = {k: json.loads((ROOT / "assets" / "weights" / f"{k}.json").read_text()) for k in ("emulator", "network")}
    assert status == 200
    assert said["weights_sha256"] == {kind: card["sha256"] for kind, card in cards.items()}


def test_health_counts_the_sessions_and_is_well_only_with_a_model(server):
    async def visit() -> tuple[int, dict]:
        async with Visitor(server.address):
            return server.get("health")

    status, said = run(visit())
    assert said["sessions"] >= 1
    assert (status, said["status"]) in ((503, "loading"), (200, "ready"))


@pytest.mark.parametrize(("origin", "status"), [("http://elsewhere.example", 403), (None, 101)])
def test_page_of_another_origin_may_not_talk_to_the_server(server, origin, status):
    where = server.address.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(where, timeout=60)
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "bokeh",
    }
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": origin or f"http://{where}"}
    connection.request("GET", f"/{server.address.rpartition('/')[2]}/ws", headers=upgrade | key)
    assert connection.sock is not None
    assert connection.getresponse().status == status
    connection.close()


def test_log_is_json_lines_and_names_no_file_of_a_visitor(server):
    async def visit() -> None:
        async with Visitor(server.address) as visitor:
            await visitor.upload(f"{SECRET}.fits", b"bytes")
            await visitor.wait_for(f"Star of {SECRET}")
            await visitor.upload(f"refuse-{SECRET}.fits", b"bytes")
            await visitor.wait_for("holds no spectrum")

    run(visit())
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    outcomes = [line["outcome"] for line in lines if line["event"] == "analysis"]
    assert {"answered", "refused"} <= set(outcomes)
    assert SECRET not in server.log.read_text()


@pytest.mark.nightly
def test_ended_visits_are_not_kept():
    """But for the last: Panel keeps it until it collects garbage, seconds later."""
    script = ROOT / "tests" / "visits_in_turn.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "visits in memory:" in done.stdout, done.stderr
    assert int(done.stdout.split(":")[-1]) <= 1


def test_message_that_unpacks_to_gigabytes_is_refused(server):
    before = server.memory("VmHWM")

    async def visit() -> None:
        async with Visitor(server.address) as visitor:
            await visitor.upload("bomb.fits", bytes(300_000_000))
            await asyncio.sleep(2)

    run(visit())
    assert server.memory("VmHWM") < before + 250_000_000
    assert server.get("version")[0] == 200


def test_log_keeps_the_code_of_a_fault_and_not_its_words():
    script = (
        "import logging, app.server.health\n"
        "try: raise ValueError('secret')\n"
        "except ValueError: logging.getLogger('tornado.general').exception('about %s', 'secret')\n"
        "logging.getLogger('kiel').info('analysis', extra={'numbers': {'seconds': 1.5}})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    fault, event = map(json.loads, done.stderr.splitlines())
    assert fault["fault"] == "ValueError"
    assert fault["code"] == ["<string>:2 <module>"]
    assert event["seconds"] == 1.5
    assert "secret" not in done.stderr


def test_browsers_may_reach_the_page_only_under_the_names_it_is_told():
    command = server_command(5006, "0.0.0.0", ("kiel.example.org",))
    allowed = {command[i + 1] for i, part in enumerate(command) if part == "--allow-websocket-origin"}
    assert "kiel.example.org" in allowed
    assert "localhost:5006" in allowed
    assert not any("*" in origin for origin in allowed)


def test_what_bokeh_unpacks_is_bounded():
    script = (
        "import gzip, app.server.health\n"
        "from app.page import patches\n"
        "from bokeh.core import serialization\n"
        "patches.MAX_UPLOAD_BYTES = 1000\n"
        "assert serialization.gzip.decompress(gzip.compress(bytes(1000))) == bytes(1000)\n"
        "serialization.gzip.decompress(gzip.compress(bytes(1001)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "unpacks to more" in done.stderr
