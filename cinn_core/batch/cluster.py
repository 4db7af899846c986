"""The same batch over a Ray cluster: actors hold the weights and do shards; the folder is on a disk that all of them see."""

from __future__ import annotations

from typing import Any

from ..processes import as_done, cluster
from .plan import Plan, Shard
from .run import Meter, Report
from .shard import make_work, process_shard


class ShardActor:
    """A process of the cluster: loads the model once, then does one shard after the other."""

    def __init__(self, plan: Plan, device: str) -> None:
        import torch

        torch.set_num_threads(1)
        self.plan, self.work = plan, make_work(plan.settings, device)

    def do(self, shard: Shard) -> int:
        return process_shard(self.work, self.plan, shard)


def run_on_ray(plan: Plan, address: str, workers: int | None, report: Report) -> None:
    """Does every open shard over the cluster at an address ("local" starts one here); an actor gets its next shard when done.

    Without a number of workers there is one a GPU, or one a processor core where the cluster has no GPU.
    """
    with cluster(address, workers) as ray:
        has = ray.cluster_resources()
        gpus = int(has.get("GPU", 0))
        n = workers or gpus or int(has.get("CPU", 1))
        options: dict[str, Any] = {"num_cpus": 1, "num_gpus": 1 if gpus else 0}
        actor = ray.remote(**options)(ShardActor)
        actors = [actor.remote(plan.without_items(), "cuda" if gpus else "cpu") for _ in range(n)]
        meter = Meter(plan, report)
        for done in as_done(ray, actors, plan.open_shards()):
            meter.add(done)
