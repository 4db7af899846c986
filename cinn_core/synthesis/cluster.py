"""Stars of a grid over a Ray cluster: every actor opens the synthesis code once, on a disk that all machines see."""

from __future__ import annotations

from collections.abc import Iterator

from ..batch.cluster import as_done, cluster
from ..errors import DataError
from .grid import OpenEngine, Star, synthesise_star


class StarActor:
    """A process of the cluster that synthesises one star after the other."""

    def __init__(self, open_engine: OpenEngine) -> None:
        self.engine = open_engine()

    def do(self, index: int) -> Star:
        return synthesise_star(self.engine, index)


def stars_on_ray(indices: list[int], open_engine: OpenEngine, address: str, processes: int) -> Iterator[Star]:
    """The stars as they are done, one a core of the cluster at an address; "local" starts one of `processes` here.

    Raises DataError where there is no cluster, or where one of its processes cannot open the code or ends.
    """
    workers = processes if address == "local" else None
    with cluster(address, workers) as ray:
        n = workers or int(ray.cluster_resources().get("CPU", 1))
        actor = ray.remote(num_cpus=1)(StarActor)
        actors = [actor.remote(open_engine) for _ in range(min(n, len(indices)))]
        try:
            yield from as_done(ray, actors, iter(indices))
        except ray.exceptions.RayError as problem:
            last = str(problem).strip().splitlines()[-1]
            raise DataError(
                f"A process of the cluster ended ({last}); run the same command again to go on."
            ) from problem
