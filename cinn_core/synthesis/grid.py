"""Grids of physical spectra: stars drawn from the prior, over processes, resumed where an earlier run stopped."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..prior import draw
from ..processes import as_done, cluster, spread
from ..targets import SYNTHESIS_NAMES
from .engine import Engine, to_grid
from .grid_file import Chunk, encode_flux, indices_in, merge, open_grid, save_chunk, synthesis_labels

CHUNK_STARS = 10
MERGE_CHUNKS = 10
STARS_OF_SEED = 100_000

OpenEngine = Callable[[], Engine]
"""Makes the engine, once in every process; a module's function or a partial of one, so that it can travel there."""


@dataclass(frozen=True, eq=False)
class Star:
    """One star as it comes from the engine: flux (32483,) uint16, or the reason why there is none."""

    index: int
    labels: NDArray
    flux: NDArray | None
    reason: str = ""


Elsewhere = Callable[[list[int], OpenEngine], Iterator[Star]]
"""Makes the stars of some indices, as they are done."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: stars of the whole grid that are done and failed, seconds a star in this run, seconds left."""

    done: int
    failed: int
    total: int
    star_s: float
    left_s: float


def star_labels(index: int) -> NDArray:
    """Labels (25,) float32 of the star `index` = seed x 100000 + number: its own draw from the prior, whatever the rest."""
    rng = np.random.default_rng(divmod(index, STARS_OF_SEED))
    return synthesis_labels(draw(1, rng))[0].astype(np.float32)


def make_grid(
    out: Path,
    seed: int,
    n_stars: int,
    open_engine: OpenEngine,
    processes: int = 1,
    report: Callable[[Progress], None] = lambda progress: None,
    elsewhere: Elsewhere | None = None,
) -> Progress:
    """Synthesises the stars 0..n_stars-1 of `seed` into the grid file `out`; those it already holds are kept.

    Every ten stars go to a file of their own in OUT.parts, every hundred into `out`: a run that is killed loses ten
    stars at most, and the next one goes on. Stars that fail are listed in OUT.failures.csv and not tried again while
    they stand there. `elsewhere` makes them on other machines, in whatever order. Raises DataError or SynthesisError
    when nothing can be made at all.
    """
    if not 0 < n_stars <= STARS_OF_SEED:
        raise DataError(f"A seed has stars 0 to {STARS_OF_SEED - 1}; {n_stars} stars need further seeds.")
    engine = open_engine()
    open_grid(out, engine)
    parts, failures_file = parts_of(out), failures_of(out)
    parts.mkdir(exist_ok=True)
    merge(_chunks(parts), out)
    failures = read_failures(failures_file)
    wanted = range(seed * STARS_OF_SEED, seed * STARS_OF_SEED + n_stars)
    tried = (indices_in(out) | set(failures)) & set(wanted)
    missing = [index for index in wanted if index not in tried]
    started, here = time.monotonic(), 0
    state = Progress(len(tried), len(set(failures) & tried), n_stars, float("nan"), float("nan"))
    synthesised = _synthesised(missing, engine, open_engine, processes, elsewhere)
    try:
        for stars in _batches(synthesised, CHUNK_STARS):
            failed = {star.index: star for star in stars if star.flux is None}
            if not here and len(failed) == len(stars) == CHUNK_STARS:
                raise SynthesisError(f"None of the first {CHUNK_STARS} stars could be synthesised: {stars[0].reason}")
            if failed:
                failures |= failed
                _write_failures(failures, failures_file)
            _save(stars, parts)
            if len(_chunks(parts)) >= MERGE_CHUNKS:
                merge(_chunks(parts), out)
            here += len(stars)
            star_s = (time.monotonic() - started) / here
            left_s = star_s * (len(missing) - here)
            state = Progress(len(tried) + here, len(set(failures) & set(wanted)), n_stars, star_s, left_s)
            report(state)
    finally:
        merge(_chunks(parts), out)
    parts.rmdir()
    return state


def _synthesised(
    indices: list[int], engine: Engine, open_engine: OpenEngine, processes: int, elsewhere: Elsewhere | None
) -> Iterator[Star]:
    """The stars, made here, in several processes or elsewhere."""
    if elsewhere is not None and indices:
        return elsewhere(indices, open_engine)
    if processes == 1 or len(indices) < 2:
        return (synthesise_star(engine, index) for index in indices)
    return spread(_work, indices, processes, partial(_open, open_engine), in_order=True)


def parts_of(out: Path) -> Path:
    """The folder of the chunks that are not in the grid file yet."""
    return out.with_name(out.name + ".parts")


def failures_of(out: Path) -> Path:
    """The table of the stars that could not be synthesised."""
    return out.with_suffix(".failures.csv")


def _chunks(parts: Path) -> list[Path]:
    return sorted(parts.glob("*.npz"))


def _save(stars: list[Star], parts: Path) -> None:
    """Writes those stars of a batch that have a spectrum as one chunk."""
    made = [(star.labels, star.flux, star.index) for star in stars if star.flux is not None]
    if made:
        labels, flux, index = (np.array(column) for column in zip(*made, strict=True))
        save_chunk(Chunk(labels, flux, index), parts / f"stars-{index[0]:09d}.npz")


def _batches(stars: Iterable[Star], size: int) -> Iterator[list[Star]]:
    iterator = iter(stars)
    while batch := list(islice(iterator, size)):
        yield batch


def synthesise_star(engine: Engine, index: int) -> Star:
    """One star of a grid; what the engine refuses is kept as the reason."""
    labels = star_labels(index)
    try:
        return Star(index, labels, encode_flux(to_grid(*engine.synthesise(labels.astype(float)))))
    except SynthesisError as error:
        return Star(index, labels, None, " ".join(str(error).split()))


_WORKER: dict[str, Engine] = {}
"""The engine of a worker process, made when it starts."""


def _open(open_engine: OpenEngine) -> None:
    _WORKER["engine"] = open_engine()


def _work(index: int) -> Star:
    return synthesise_star(_WORKER["engine"], index)


def read_failures(path: Path) -> dict[int, Star]:
    """The failed stars of a table by index; none where there is no table."""
    if not path.is_file():
        return {}
    with path.open(newline="") as f:
        try:
            rows = [
                Star(int(row["index"]), np.array([float(row[name]) for name in SYNTHESIS_NAMES]), None, row["reason"])
                for row in csv.DictReader(f)
            ]
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path} is not a table of failed stars; move it away.") from error
    return {star.index: star for star in rows}


def _write_failures(failures: dict[int, Star], path: Path) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["index", "reason", *SYNTHESIS_NAMES])
        for index, star in sorted(failures.items()):
            writer.writerow([index, star.reason, *(f"{value:.6g}" for value in star.labels)])
    os.replace(part, path)


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
