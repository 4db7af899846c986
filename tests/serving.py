"""A page served in a process of its own, as `kiel serve` does it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.server.serve import MAIN, server_command

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Server:
    """A running server: the page's address, the process, its log, and the folder it has for temporary files."""

    address: str
    pid: int
    log: Path
    temporary: Path

    def get(self, endpoint: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an endpoint."""
        try:
            with urllib.request.urlopen(f"{self.address.rpartition('/')[0]}/{endpoint}", timeout=300) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def memory(self, what: str = "VmRSS") -> int:
        """Resident size [bytes] now, or with VmHWM at its peak."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])


@contextmanager
def served(script: Path, folder: Path, threads: int = 1) -> Iterator[Server]:
    """Serves a page, on so many threads, until the context ends; log and temporary files go to `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(script) if part == str(MAIN) else part for part in server_command(port, "127.0.0.1")]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    log, temporary = folder / f"{script.stem}.log", folder / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "TMPDIR": str(temporary)}
    environment["OMP_WAIT_POLICY"] = "PASSIVE"  # as `kiel serve` has it
    environment["KIEL_VERDICTS"] = f"sqlite:///{folder}/verdicts.sqlite"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}/{script.stem}"
    try:
        for _ in range(3000):
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(address, timeout=300).close()
                break
            except OSError:
                time.sleep(0.2)
        yield Server(address, server.pid, log, temporary)
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:  # busy
            server.kill()
            server.wait()
