"""A batch on one machine: processes that read, prepare and, without a GPU, sample; every GPU samples what they prepared."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import torch

from ..errors import DataError, WeightsError
from ..files import asset_path
from ..inference.model import emulator_path, load_forward
from ..preparation.templates import Templates, make_templates
from ..processes import pool as pool_of
from ..weights import file_hash
from .plan import Plan, Settings, Shard
from .shard import Prepared, Work, finish_shard, make_work, prepare_shard, process_shard


@dataclass(frozen=True)
class Progress:
    """How far a batch is: spectra done of all, spectra a second in this run, seconds left at that rate."""

    done: int
    total: int
    per_second: float
    seconds_left: float


Report = Callable[[Progress], None]
_T = TypeVar("_T")
_R = TypeVar("_R")


class Meter:
    """Turns finished shards into progress."""

    def __init__(self, plan: Plan, report: Report) -> None:
        self._report, self._total, self._before = report, plan.n_items, plan.n_done()
        self._done, self._began = 0, time.monotonic()

    def add(self, n: int) -> None:
        self._done += n
        rate = self._done / max(time.monotonic() - self._began, 1e-9)
        done = self._before + self._done
        self._report(Progress(done, self._total, rate, (self._total - done) / rate))


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Holds the folder of a batch; DataError where another process does. A killed process lets go by itself."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as problem:
        raise DataError(f"The folder {folder} cannot be made or written ({problem.strerror}).") from problem
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise DataError(f"Another `kiel batch` is at work in {folder}; wait for it or stop it.") from problem
        yield


def weights_of(settings: Settings) -> dict[str, str]:
    """Hashes of the weights that a batch will use, for its manifest."""
    network = asset_path("weights", "network.safetensors") if settings.network is None else Path(settings.network)
    if not network.is_file():
        raise WeightsError(f"There are no weights {network}; check the name.")
    return {"emulator": file_hash(emulator_path()), "network": file_hash(network)}


def run_local(plan: Plan, device: str, processes: int, report: Report) -> None:
    """Does every open shard of a plan; raises DataError where the folder cannot be written or a process dies."""
    gpus = torch.cuda.device_count() if device != "cpu" and torch.cuda.is_available() else 0
    try:
        if gpus:
            _sample_apart(plan, [f"cuda:{i}" for i in range(gpus)], processes, report)
        else:
            _all_in_processes(plan, processes, report)
    except BrokenProcessPool as problem:
        raise DataError(
            "A process of this batch was killed (out of memory?); what is in the folder is whole. Run the same command "
            "again, with fewer --processes."
        ) from problem


def _all_in_processes(plan: Plan, processes: int, report: Report) -> None:
    meter = Meter(plan, report)
    shards = plan.open_shards()
    if processes == 1:
        work = make_work(plan.settings, "cpu")
        for shard in shards:
            meter.add(process_shard(work, plan, shard))
        return
    with pool_of(processes, partial(_begin_work, plan.without_items())) as pool:
        for _, n in _few_ahead(shards, processes + 2, lambda shard: pool.submit(_do_shard, shard)):
            meter.add(n)


def _sample_apart(plan: Plan, devices: list[str], processes: int, report: Report) -> None:
    """Preparation in processes, sampling in one thread a device."""
    meter = Meter(plan, report)
    free: SimpleQueue[Work] = SimpleQueue()
    for device in devices:
        free.put(make_work(plan.settings, device))

    def finish(shard: Shard, prepared: list[Prepared]) -> int:
        work = free.get()
        try:
            return finish_shard(work, plan, shard, prepared)
        finally:
            free.put(work)

    with pool_of(processes, _begin_templates) as pool, ThreadPoolExecutor(len(devices)) as samplers:
        ready = _few_ahead(plan.open_shards(), processes + 2, lambda shard: pool.submit(_prepare, shard))
        sampled = _few_ahead(ready, len(devices) + 1, lambda found: samplers.submit(finish, *found))
        for _, n in sampled:
            meter.add(n)


def _few_ahead(tasks: Iterator[_T], ahead: int, submit: Callable[[_T], Future[_R]]) -> Iterator[tuple[_T, _R]]:
    """Tasks and their results as they come, with no more than `ahead` under way: memory does not grow with the batch."""
    running: dict[Future[_R], _T] = {}
    for task in tasks:
        running[submit(task)] = task
        while len(running) >= ahead:
            yield from _finished(running)
    while running:
        yield from _finished(running)


def _finished(running: dict[Future[_R], _T]) -> Iterator[tuple[_T, _R]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), future.result()


_WORK: list[tuple[Work, Plan]] = []
_TEMPLATES: list[Templates] = []


def _begin_work(plan: Plan) -> None:
    torch.set_num_threads(1)
    _WORK.append((make_work(plan.settings, "cpu"), plan))


def _begin_templates() -> None:
    torch.set_num_threads(1)
    _TEMPLATES.append(make_templates(load_forward()))


def _do_shard(shard: Shard) -> int:
    work, plan = _WORK[0]
    return process_shard(work, plan, shard)


def _prepare(shard: Shard) -> list[Prepared]:
    return prepare_shard(shard, _TEMPLATES[0])
