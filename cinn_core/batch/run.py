"""A batch over the processes of a machine, which sample too where it has no GPU, or over a Ray cluster."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch

from ..errors import DataError, ParametersError
from ..forward_model.forward import emulator_path
from ..inference.model import shipped_network_path
from ..parameters import file_hash
from ..preparation.templates import Templates, shipped_templates
from ..processes import cluster, few_ahead, in_processes, on_actors, spread
from .plan import BatchSettings, BatchShard, Plan, remove_unfinished
from .shard import Prepared, Work, finish_shard, make_work, prepare_shard, process_shard


@dataclass(frozen=True)
class Progress:
    """Progress of a batch: spectra done of all, spectra a second in this run, seconds left at that rate."""

    done: int
    total: int
    per_second: float
    seconds_left: float


Report = Callable[[Progress], None]


class Meter:
    """Progress of a batch from the spectra of each shard that is done."""

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
    """Lock the folder of a batch. A killed process leaves it free. Raises DataError where another process holds it."""
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


def parameter_hashes(settings: BatchSettings) -> dict[str, str]:
    """Hashes of the network's and the emulator's files that a batch will use, for its manifest."""
    network = shipped_network_path() if settings.network is None else Path(settings.network)
    if not network.is_file():
        raise ParametersError(f"There are no weights {network}; check the name.")
    return {"emulator": file_hash(emulator_path()), "network": file_hash(network)}


def run_local(plan: Plan, device: str, processes: int, report: Report) -> None:
    """Do every open shard of a plan on this machine.

    Raises DataError where the folder cannot be written or a process dies.
    """
    gpus = torch.cuda.device_count() if device != "cpu" and torch.cuda.is_available() else 0
    meter = Meter(plan, report)
    if gpus:
        _sample_apart(plan, [f"cuda:{i}" for i in range(gpus)], processes, meter)
        return
    begin = partial(_begin_work, plan.without_items(), None if processes == 1 else 1)
    for n in spread(_do_shard, plan.open_shards(), processes, begin):
        meter.add(n)


def _sample_apart(plan: Plan, devices: list[str], processes: int, meter: Meter) -> None:
    """Prepare in processes and sample in one thread for each device."""
    free: SimpleQueue[Work] = SimpleQueue()
    for device in devices:
        free.put(make_work(plan.settings, device))

    def finish(prepared: tuple[BatchShard, list[Prepared]]) -> int:
        work = free.get()
        try:
            return finish_shard(work, plan, *prepared)
        finally:
            free.put(work)

    with ThreadPoolExecutor(len(devices)) as samplers:
        prepared = in_processes(_prepare, plan.open_shards(), processes, _begin_templates)
        for n in few_ahead(prepared, lambda one: samplers.submit(finish, one), len(devices) + 1):
            meter.add(n)


def run_on_ray(plan: Plan, address: str, workers: int | None, report: Report) -> None:
    """Do every open shard over the Ray cluster at an address ("local" starts one here); its folder is on a disk that all see.

    Without a number of workers there is one for each GPU, or for each processor core where the cluster has no GPU. A shard
    whose process or machine ends is done again by another. Raises DataError where there is no cluster, or none of its
    processes is left.
    """
    with cluster(address, workers) as ray:
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        n = workers or gpus or int(resources.get("CPU", 1))
        options: dict[str, Any] = {"num_cpus": 1, "num_gpus": 1 if gpus else 0}
        actor = ray.remote(**options)(ShardActor)
        make_actor = partial(actor.remote, plan.without_items(), "cuda" if gpus else "cpu")
        meter = Meter(plan, report)
        for done in on_actors(ray, make_actor, n, plan.open_shards()):
            meter.add(done)
    remove_unfinished(plan.folder)


class ShardActor:
    """Process of a cluster that loads the model once, then does one shard after the other."""

    def __init__(self, plan: Plan, device: str) -> None:
        torch.set_num_threads(1)
        self.plan, self.work = plan, make_work(plan.settings, device)

    def do(self, shard: BatchShard) -> int:
        return process_shard(self.work, self.plan, shard)


_WORK: dict[str, tuple[Work, Plan]] = {}
_TEMPLATES: dict[str, Templates] = {}
"""Model and plan, or templates alone, of a worker process; loaded when it begins."""


def _begin_work(plan: Plan, threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)
    _WORK["worker"] = make_work(plan.settings, "cpu"), plan


def _begin_templates() -> None:
    torch.set_num_threads(1)
    _TEMPLATES["worker"] = shipped_templates()


def _do_shard(shard: BatchShard) -> int:
    work, plan = _WORK["worker"]
    return process_shard(work, plan, shard)


def _prepare(shard: BatchShard) -> tuple[BatchShard, list[Prepared]]:
    return shard, prepare_shard(shard, _TEMPLATES["worker"])
