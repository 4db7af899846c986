"""Work over processes: workers that end with the run that started them, results as they come, a dead worker in words."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from .errors import DataError

T = TypeVar("T")
R = TypeVar("R")

_WATCH_S = 0.5


def nothing() -> None:
    """What a worker begins with where nothing is wanted."""


def pool(processes: int, begin: Callable[[], object] = nothing) -> ProcessPoolExecutor:
    """A pool of fresh processes that each call `begin` first, and end within a second of the run that started them.

    `begin` and all work travel to the processes: functions of modules, or partials of such.
    """
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin, (begin, os.getpid()))


def spread(
    work: Callable[[T], R],
    items: Iterable[T],
    processes: int,
    begin: Callable[[], object] = nothing,
    in_order: bool = False,
) -> Iterator[R]:
    """What `work` makes of each item, as it comes or in the items' order; with one process here, and with none for nothing.

    Raises DataError where a process ends before its work is done: what is finished by then has been given.
    """
    items = list(items)
    if not items:
        return
    if processes == 1:
        begin()
        yield from map(work, items)
        return
    with pool(processes, begin) as workers:
        try:
            if in_order:
                yield from workers.map(work, items)
            else:
                yield from (future.result() for future in as_completed([workers.submit(work, item) for item in items]))
        except BrokenProcessPool as error:
            raise DataError(
                "One of the processes ended before its work was done (out of memory?); run the same command again to go on."
            ) from error
        finally:
            workers.shutdown(wait=False, cancel_futures=True)


def _begin(begin: Callable[[], object], parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    begin()


def _end_with(parent: int) -> None:
    """Ends this process when its parent was killed; it would go on, or wait for ever."""
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


@contextmanager
def cluster(address: str, workers: int | None) -> Iterator[Any]:
    """Ray, connected to the cluster at an address, or to one of so many workers that "local" starts here; let go of at the end.

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


def as_done(ray: Any, actors: list[Any], shards: Iterator[Any]) -> Iterator[Any]:
    """Results of `actor.do(shard)` as they come; an actor has one shard at a time, so that nothing piles up."""
    busy: dict[Any, Any] = {}
    idle = list(actors)
    while True:
        while idle and (shard := next(shards, None)) is not None:
            actor = idle.pop()
            busy[actor.do.remote(shard)] = actor
        if not busy:
            return
        (ready, *_), _ = ray.wait(list(busy), num_returns=1)
        idle.append(busy.pop(ready))
        yield ray.get(ready)
