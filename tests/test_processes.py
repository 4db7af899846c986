"""Work over processes: every result once, in order where asked for, a dead worker in words, no worker left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from cinn_core.errors import DataError
from cinn_core.processes import spread

ROOT = Path(__file__).resolve().parents[1]


def squared(number: int) -> tuple[int, int]:
    return os.getpid(), number**2


def die(number: int) -> int:
    os._exit(number)


def note(folder: Path) -> None:
    (folder / str(os.getpid())).touch()


@pytest.mark.parametrize("processes", [1, 2])
def test_every_item_is_done_once_in_processes_that_began(tmp_path, processes):
    done = list(spread(squared, range(6), processes, partial(note, tmp_path)))
    assert sorted(square for _, square in done) == [0, 1, 4, 9, 16, 25]
    assert {pid for pid, _ in done} <= {int(path.name) for path in tmp_path.iterdir()}
    assert (os.getpid() in {pid for pid, _ in done}) is (processes == 1)


def test_results_come_in_order_where_it_is_asked_for():
    assert [square for _, square in spread(squared, range(6), 2, in_order=True)] == [0, 1, 4, 9, 16, 25]


def test_nothing_to_do_begins_nothing(tmp_path):
    assert list(spread(squared, [], 1, partial(note, tmp_path))) == []
    assert not list(tmp_path.iterdir())


def test_a_worker_that_ends_is_told_in_words():
    with pytest.raises(DataError, match="run the same command again"):
        list(spread(die, [3, 4], 2))


def test_workers_end_with_the_run_that_was_killed(tmp_path):
    script = f"from test_processes import *; list(spread(time.sleep, [600.0] * 2, 2, partial(note, Path({str(tmp_path)!r}))))"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    run = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 120
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [int(worker.name) for worker in tmp_path.iterdir()]
    assert len(workers) == 2
    run.send_signal(signal.SIGKILL)
    run.wait()
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
