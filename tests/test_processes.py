"""Work over processes: every result once, in order where asked for, a dead worker in words, no worker left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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
    """An actor of a cluster that works in a thread; a task below zero fails, one that is `deadly` ends the actor."""

    def __init__(self, pool: ThreadPoolExecutor, deadly: tuple[int, ...] = (), begins: bool = True) -> None:
        self.pool, self.deadly, self.busy, self.most = pool, deadly, 0, 0
        self.do = SimpleNamespace(remote=lambda task: pool.submit(self._do, task))
        self.__ray_ready__ = SimpleNamespace(remote=lambda: pool.submit(self._begin, begins))

    def _begin(self, begins: bool) -> None:
        if not begins:
            raise FakeRayError("a long text\nno engine")

    def _do(self, task: int) -> int:
        self.busy += 1
        self.most = max(self.most, self.busy)
        time.sleep(0.001 * (task % 3))
        self.busy -= 1
        if task in self.deadly:
            raise FakeRayError("a long text\nworker died")
        if task < 0:
            raise FakeTaskError("a long text\nno such star")
        return task**2


class FakeRayError(Exception):
    """The error of a cluster."""


class FakeTaskError(FakeRayError):
    """What a task raised."""


def fake_wait(calls, timeout):
    """The first that is done, and the others."""
    done = wait(calls, timeout, FIRST_COMPLETED).done
    one = [call for call in calls if call in done][:1]
    return one, [call for call in calls if call not in one]


def fake_ray(killed: list[FakeActor]) -> SimpleNamespace:
    errors = SimpleNamespace(RayError=FakeRayError, RayTaskError=FakeTaskError)
    return SimpleNamespace(exceptions=errors, wait=fake_wait, get=lambda call: call.result(), kill=killed.append)


def test_actors_have_one_task_at_a_time_and_do_all():
    with ThreadPoolExecutor(8) as threads:
        actors = [FakeActor(threads) for _ in range(3)]
        given = iter(actors)
        assert sorted(on_actors(fake_ray([]), lambda: next(given), 3, range(40))) == [i**2 for i in range(40)]
    assert {actor.most for actor in actors} == {1}


def test_the_task_of_an_actor_that_ended_is_done_by_another_once():
    """Of two actors the first ends at any task; its replacement never begins, and the second does everything."""
    killed: list[FakeActor] = []
    with ThreadPoolExecutor(8) as threads:
        mortal = FakeActor(threads, deadly=tuple(range(9)))
        actors = iter([mortal, FakeActor(threads), FakeActor(threads, begins=False), FakeActor(threads)])
        assert sorted(on_actors(fake_ray(killed), lambda: next(actors), 2, range(9))) == [i**2 for i in range(9)]
    assert killed[0] is mortal


@pytest.mark.parametrize(
    ("actor", "told"),
    [({}, "no such star"), ({"deadly": (-1,)}, "worker died"), ({"begins": False}, "no engine")],
    ids=["task", "end", "begin"],
)
def test_what_fails_or_ends_again_and_again_is_told_in_words(actor, told):
    made = []
    with ThreadPoolExecutor(2) as threads:

        def make() -> FakeActor:
            made.append(FakeActor(threads, **actor))
            return made[-1]

        with pytest.raises(DataError, match=rf"{told}.*run the same command again"):
            list(on_actors(fake_ray([]), make, 1, [1, -1]))
    assert len(made) == (3 if actor else 1)


def test_a_cluster_that_gives_no_process_is_told_and_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr("cinn_core.processes._PATIENCE_S", 0.1)
    never = SimpleNamespace(__ray_ready__=SimpleNamespace(remote=Future))
    with pytest.raises(DataError, match="has given no process"):
        list(on_actors(fake_ray([]), lambda: never, 1, [1]))
    assert list(on_actors(fake_ray([]), lambda: never, 1, [])) == []


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
