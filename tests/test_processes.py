"""Work over processes: every result once, in order where asked for, a dead worker in words, no worker left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from cinn_core.errors import DataError
from cinn_core.processes import few_ahead, on_actors, spread

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


class FakeActor:
    """An actor of a cluster, `do.remote(task)` of which is done in a thread; it counts what it has under way at once."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool, self.busy, self.most = pool, 0, 0
        self.do = SimpleNamespace(remote=lambda task: SimpleNamespace(future=lambda: pool.submit(self._do, task)))

    def _do(self, task: int) -> int:
        self.busy += 1
        self.most = max(self.most, self.busy)
        time.sleep(0.001 * (task % 3))
        self.busy -= 1
        if task < 0:
            raise FakeRayError("a long text\nworker died")
        return task**2


class FakeRayError(Exception):
    """The error of a cluster."""


FAKE_RAY = SimpleNamespace(exceptions=SimpleNamespace(RayError=FakeRayError))


def test_actors_have_one_task_at_a_time_and_do_all():
    with ThreadPoolExecutor(8) as threads:
        actors = [FakeActor(threads) for _ in range(3)]
        assert sorted(on_actors(FAKE_RAY, actors, range(40))) == [i**2 for i in range(40)]
    assert {actor.most for actor in actors} == {1}


def test_an_actor_that_fails_is_told_in_words():
    with ThreadPoolExecutor(2) as threads, pytest.raises(DataError, match=r"worker died.*run the same command again"):
        list(on_actors(FAKE_RAY, [FakeActor(threads)], [1, -1]))


def test_tasks_are_taken_only_as_they_are_needed():
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    with ThreadPoolExecutor(2) as threads:
        results = few_ahead(tasks(), lambda i: threads.submit(pow, i, 2), 5, in_order=True)
        assert [next(results) for _ in range(3)] == [0, 1, 4]
        assert len(taken) == 7
