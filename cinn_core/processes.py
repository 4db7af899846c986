"""Work over the processes of this machine or of a Ray cluster: results as they come, and a sentence where a process ends."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, TypeVar

from .errors import DataError

T = TypeVar("T")
R = TypeVar("R")

_WATCH_S = 0.5
_AHEAD, _AHEAD_IN_ORDER = 2, 64
"""Tasks that wait for a process to be free; in order for each process, so that one slow task does not stop the others."""
_TRIES = 3
"""Processes of a cluster that may end at one task, or may not begin one after the other."""
_PATIENCE_S = 600.0
_BEGIN = object()


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
        ray.init(address, num_cpus=workers if address == "local" else None,
                 include_dashboard=False, log_to_driver=False)  # fmt: skip
    except (ConnectionError, OSError, RuntimeError) as problem:
        raise DataError(f"There is no Ray cluster at {address} ({problem}).") from problem
    try:
        yield ray
    finally:
        ray.shutdown()


@dataclass(frozen=True, eq=False)
class _Call:
    """What an actor was asked: a task, and how many processes that task has ended; or to begin, and how many could not."""

    actor: Any
    task: Any
    ends: int


def on_actors(ray: Any, make_actor: Callable[[], Any], n: int, tasks: Iterable[Any]) -> Iterator[Any]:
    """Results of `actor.do(task)` by n actors as they come; an actor has one task at a time, so that nothing piles up.

    An actor has its first task once it has begun. One that ends, with its process or its machine, is replaced where the
    cluster has room, and its task is done again. Raises DataError where a task fails or has ended three processes, where
    three actors in a row could not begin, and where the cluster gives none for ten minutes.
    """
    rest, ready, queue = iter(tasks), deque[Any](), deque[tuple[Any, int]]()
    asked: dict[Any, _Call] = {}

    def begin(ends: int) -> None:
        actor = make_actor()
        asked[actor.__ray_ready__.remote()] = _Call(actor, _BEGIN, ends)

    for _ in range(n):
        begin(0)
    while True:
        queue.extend((task, 0) for task in islice(rest, max(0, max(1, len(ready)) - len(queue))))
        while ready and queue:
            actor, (task, ends) = ready.popleft(), queue.popleft()
            asked[actor.do.remote(task)] = _Call(actor, task, ends)
        working = any(call.task is not _BEGIN for call in asked.values())
        if not working and not queue:
            return
        call, result = _answer(ray, asked, None if working else _PATIENCE_S)
        if isinstance(result, Exception):
            ray.kill(call.actor)
            if call.task is not _BEGIN:
                queue.append((call.task, call.ends + 1))
            begin(call.ends + 1 if call.task is _BEGIN else 0)
            continue
        ready.append(call.actor)
        if call.task is not _BEGIN:
            yield result


def _answer(ray: Any, asked: dict[Any, _Call], patience_s: float | None) -> tuple[_Call, Any]:
    """Take from the calls one that is done, with its result, or the error of a process that ended and may be replaced."""
    done, _ = ray.wait(list(asked), timeout=patience_s)
    if not done:
        raise DataError("The cluster has given no process for ten minutes; run the same command again to go on.")
    call = asked.pop(done[0])
    try:
        return call, ray.get(done[0])
    except ray.exceptions.RayError as problem:
        if call.ends + 1 < _TRIES and not isinstance(problem, ray.exceptions.RayTaskError):
            return call, problem
        last = str(problem).strip().splitlines()[-1]
        raise DataError(f"A process of the cluster ended ({last}); run the same command again to go on.") from problem
