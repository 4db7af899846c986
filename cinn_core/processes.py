"""Work over the processes of this machine or of a Ray cluster: results as they come, and a sentence where a process ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from queue import SimpleQueue
from typing import Any, TypeVar

from .errors import DataError

T = TypeVar("T")
R = TypeVar("R")

_WATCH_S = 0.5
_AHEAD, _AHEAD_IN_ORDER = 2, 64
"""Tasks that wait for a process to be free; in order for each process, so that one slow task does not stop the others."""


def nothing() -> None:
    """Begin a worker that needs no preparation."""


def spread(
    work: Callable[[T], R],
    items: Iterable[T],
    processes: int,
    begin: Callable[[], object] = nothing,
    in_order: bool = False,
) -> Iterator[R]:
    """Results of `work` for each item, as they come or in the items' order, from this process (1) or from others (more).

    `begin` is called first in each process, and not at all where there is no item. Items are taken as they are needed:
    memory does not grow with their number. Raises DataError where a process ends before its work is done: what is
    finished by then has been given.
    """
    rest = iter(items)
    first = list(islice(rest, 1))
    if not first:
        return
    if processes == 1:
        begin()
        yield from map(work, chain(first, rest))
    else:
        yield from in_processes(work, chain(first, rest), processes, begin, in_order)


def in_processes(
    work: Callable[[T], R],
    items: Iterable[T],
    processes: int,
    begin: Callable[[], object] = nothing,
    in_order: bool = False,
) -> Iterator[R]:
    """Results as those of `spread`, all from fresh processes, which end within a second of the run that started them.

    `begin` and `work` travel to the processes: functions of modules, or partials of such.
    """
    ahead = _AHEAD_IN_ORDER * processes if in_order else processes + _AHEAD
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (begin, os.getpid())) as workers:
        try:
            yield from few_ahead(items, lambda item: workers.submit(work, item), ahead, in_order)
        except BrokenProcessPool as problem:
            raise DataError(
                "One of the processes ended before its work was done (out of memory?); run the same command again to go on, "
                "with fewer --processes where memory is short."
            ) from problem
        finally:
            workers.shutdown(wait=False, cancel_futures=True)


def few_ahead(tasks: Iterable[T], submit: Callable[[T], Future[R]], ahead: int, in_order: bool = False) -> Iterator[R]:
    """Results of tasks as they come, or in the tasks' order, with no more than `ahead` of them under way."""
    running: list[Future[R]] = []
    for task in tasks:
        running.append(submit(task))
        while len(running) >= ahead:
            yield from _finished(running, in_order)
    while running:
        yield from _finished(running, in_order)


def _finished(running: list[Future[R]], in_order: bool) -> Iterator[R]:
    """Take at least one task that is done from those under way, first those that did not fail."""
    done = set(running[:1]) if in_order else wait(running, return_when=FIRST_COMPLETED).done
    for future in sorted(done, key=lambda one: one.exception() is not None):
        running.remove(future)
        yield future.result()


def _begin(begin: Callable[[], object], parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    begin()


def _end_with(parent: int) -> None:
    """End this process when its parent was killed; it would go on, or wait for ever."""
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


@contextmanager
def cluster(address: str, workers: int | None) -> Iterator[Any]:
    """Ray, connected to the cluster at an address, or to one of so many workers that "local" starts here; disconnected at the end.

    Raises DataError where Ray is not installed or there is no cluster.
    """
    try:
        import ray
    except ImportError as problem:
        raise DataError("Ray is not installed; `pip install -e '.[batch]'` in the checkout brings it.") from problem
    try:
        ray.init(None if address == "local" else address, num_cpus=workers if address == "local" else None,
                 include_dashboard=False, log_to_driver=False)  # fmt: skip
    except (ConnectionError, OSError, RuntimeError) as problem:
        raise DataError(f"There is no Ray cluster at {address} ({problem}).") from problem
    try:
        yield ray
    finally:
        ray.shutdown()


def on_actors(ray: Any, actors: list[Any], tasks: Iterable[Any]) -> Iterator[Any]:
    """Results of `actor.do(task)` as they come; an actor has one task at a time, so that nothing piles up.

    Raises DataError where an actor cannot begin, fails or ends.
    """
    idle: SimpleQueue[Any] = SimpleQueue()
    for actor in actors:
        idle.put(actor)

    def submit(task: Any) -> Future[Any]:
        actor = idle.get()
        future: Future[Any] = actor.do.remote(task).future()
        future.add_done_callback(lambda _: idle.put(actor))
        return future

    try:
        yield from few_ahead(tasks, submit, len(actors))
    except ray.exceptions.RayError as problem:
        last = str(problem).strip().splitlines()[-1]
        raise DataError(f"A process of the cluster ended ({last}); run the same command again to go on.") from problem
