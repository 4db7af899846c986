"""Runs files through the guarded process and judges what only the outside sees: time, memory, hangs, a changed file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .mutations import case
from .seeds import LAYOUTS, good_file, read_seeds, small_seeds
from .worker import MEMORY_BYTES, SECONDS

TESTS = Path(__file__).resolve().parents[1]
_LATE, _STARTING = 15.0, 600.0  # seconds
PATIENCE = 180.0
"""Seconds after which a process is held to hang, however busy the machine."""


@dataclass(frozen=True)
class Verdict:
    """What became of one input: outcome, sentence, what is wrong with it (or None), and what it cost."""

    outcome: str
    text: str
    finding: str | None
    seconds: float
    peak_bytes: int
    rv_kms: float | None = None
    flags: tuple[str, ...] = ()
    pixels: int = 0


class Sandbox:
    """One guarded process, started again where an input killed it; a context manager.

    Without a model it reads and starts in a second; `good` is the folder of the campaign's small good files; what is not
    there 15 s after `until` is given up without being a finding, for a run has to end when its time is over.
    """

    def __init__(self, model: bool = True, good: Path | None = None, until: float = float("inf")) -> None:
        self._good, self._late = good, until + _LATE
        self._arguments = [*(["--model"] if model else []), *([str(good.absolute())] if good else [])]
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="kiel-fuzz-")

    def __enter__(self) -> Sandbox:
        self._start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop()
        self._folder.cleanup()

    def try_bytes(self, data: bytes, name: str | None = None, *, depth: str = "analyse", **choice: Any) -> Verdict:
        """Try bytes written to a file of a plain name; `name` is what Kiel is told it is called."""
        path = Path(self._folder.name) / "input"
        path.write_bytes(data)
        return self.try_path(path, name, depth=depth, **choice)

    def try_path(self, path: Path, name: str | None = None, *, depth: str = "analyse", **choice: Any) -> Verdict:
        """Try a path, which may be anything the file system holds."""
        before = _fingerprint(path)
        answer = self._ask({"path": str(path), "name": name, "depth": depth, **choice})
        if answer["outcome"] == "late":
            return Verdict("late", "", None, 0.0, 0)
        finding = answer["finding"]
        if _fingerprint(path) != before:
            finding = "the input file was changed"
        elif answer["seconds"] > SECONDS:
            finding = finding or f"took {answer['seconds']:.1f} s"
        elif answer["peak"] > MEMORY_BYTES:
            finding = finding or f"took {answer['peak'] / 1e9:.2f} GB"
        return Verdict(
            answer["outcome"], answer["text"], finding, answer["seconds"], answer["peak"],
            answer.get("rv_kms"), tuple(answer.get("flags", ())), answer.get("pixels", 0),
        )  # fmt: skip

    def try_round(self, seed: int, first: int, stop: int, until: float, whole: float = 0.0) -> dict[str, Any]:
        """Cases `first` to `stop` of a campaign, or as many as are done at the time `until`; see `worker.one_round`."""
        at = Path(self._folder.name) / "at"
        at.write_text(f"{first} read")
        answer = self._ask({"round": [first, stop], "seed": seed, "until": until, "at": str(at), "whole": whole}, at)
        if answer["outcome"] == "round":
            return answer
        if answer["outcome"] == "late":
            return {"counts": {}, "findings": [], "next": stop}
        number, depth = at.read_text().split()
        one = case(int(number), seed, read_seeds(self._good) if self._good else small_seeds())
        if depth == "analyse" and one.layout in LAYOUTS:
            one = replace(one, good=good_file(one.layout)[0])
        finding = {
            "what": f"case {number}, {one.layout}, {depth}: {answer['finding']}",
            "name": f"{number}-{one.layout}",
            "data": base64.b64encode(one.data).decode(),
        }
        return {"counts": {f"{one.layout}|crashed, {depth}": 1}, "findings": [finding], "next": int(number) + 1}

    def _ask(self, question: dict[str, Any], alive: Path | None = None) -> dict[str, Any]:
        """Answer to a question; the file `alive`, where there is one, has to change while it is waited for."""
        process = self._process
        if process is None:
            return {"outcome": "late"}
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        began = time.time()
        heard: list[Any] = []
        while not heard and time.time() < self._late:
            heard, _, _ = select.select([process.stdout], [], [], 2.0)
            if time.time() - (began if alive is None else max(began, alive.stat().st_mtime)) > PATIENCE:
                break
        line = process.stdout.readline() if heard else ""
        if line:
            return json.loads(line)
        why = f"the process died ({process.poll()})" if heard else f"no answer within {PATIENCE:.0f} s"
        self._stop()
        if not heard and time.time() >= self._late:
            return {"outcome": "late"}
        self._start()
        return {"outcome": "crashed", "text": why, "finding": why, "seconds": PATIENCE, "peak": 0}

    def _start(self) -> None:
        path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.worker", *self._arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=self._folder.name,
        )  # fmt: skip
        assert self._process.stdout is not None
        wait = max(0.0, min(self._late - time.time(), _STARTING))
        if select.select([self._process.stdout], [], [], wait)[0]:
            assert self._process.stdout.readline() == "ready\n", "the guarded process did not start"
        else:
            self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _fingerprint(path: Path) -> tuple[object, ...]:
    """What must not change about an input: its bytes where it is a file of sensible size, its kind and time in any case."""
    if not path.exists():
        return ("missing",)
    state = path.stat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return (state.st_mode, state.st_mtime_ns if path.is_file() else None, content)
