"""Synthesis of a grid of stars drawn from the prior: in processes or on a Ray cluster, resumed where a run stopped."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..files import written
from ..prior import draw
from ..processes import cluster, on_actors, spread
from ..targets import SYNTHESIS_NAMES
from .engine import Engine, to_grid
from .grid_file import Chunk, encode_flux, indices_in, merge_chunks, open_grid_file, save_chunk, synthesis_labels

CHUNK_STARS = 10
MERGE_CHUNKS = 10
STARS_OF_SEED = 100_000
OpenEngine = Callable[[], Engine]
"""Opens the engine, once in every process: a function of a module or a partial of one, which can be sent to a process."""


@dataclass(frozen=True, eq=False)
class GridStar:
    """A synthesised star of a grid: labels (25,), flux (32483,) uint16 as `encode_flux` gives it, or the reason why it failed."""

    index: int
    labels: NDArray
    flux: NDArray | None
    reason: str = ""


RemoteSynthesis = Callable[[list[int], OpenEngine], Iterator[GridStar]]
"""Synthesises the stars of some indices on other machines and yields each when it is done."""


@dataclass(frozen=True)
class GridProgress:
    """Progress of a run: stars of the whole grid that are done and failed, seconds per star in this run, seconds left."""

    done: int
    failed: int
    total: int
    star_s: float
    left_s: float


def star_labels(index: int) -> NDArray:
    """Labels (25,) float32 of the star `index` = seed x 100000 + number: a draw from the prior with a seed of its own."""
    rng = np.random.default_rng(divmod(index, STARS_OF_SEED))
    return synthesis_labels(draw(1, rng))[0].astype(np.float32)


def make_grid(
    out: Path,
    seed: int,
    n_stars: int,
    open_engine: OpenEngine,
    processes: int = 1,
    report: Callable[[GridProgress], None] = lambda progress: None,
    remote: RemoteSynthesis | None = None,
) -> GridProgress:
    """Synthesise the stars 0..n_stars-1 of `seed` into the grid file `out`; stars that it already holds are kept.

    Every ten stars are written to a file in OUT.parts, every hundred merged into `out`: a run that is killed loses ten
    stars at most, and the next run goes on. Failed stars are listed in OUT.failures.csv and not tried again while they
    are in that table. `remote` synthesises on other machines, in any order. Raises DataError where `out` holds other
    stars or `n_stars` is too large, SynthesisError where none of the first ten stars can be synthesised.
    """
    if not 0 < n_stars <= STARS_OF_SEED:
        raise DataError(f"A seed has stars 0 to {STARS_OF_SEED - 1}; {n_stars} stars need further seeds.")
    engine = open_engine()
    open_grid_file(out, engine)
    parts, failures_file = parts_of(out), failures_of(out)
    parts.mkdir(exist_ok=True)
    merge_chunks(_chunks(parts), out)
    failures = read_failures(failures_file)
    indices = range(seed * STARS_OF_SEED, seed * STARS_OF_SEED + n_stars)
    tried = (indices_in(out) | set(failures)) & set(indices)
    missing = [index for index in indices if index not in tried]
    started, n_new = time.monotonic(), 0
    state = GridProgress(len(tried), len(set(failures) & tried), n_stars, float("nan"), float("nan"))
    synthesised = _synthesised(missing, engine, open_engine, processes, remote)
    try:
        for stars in _batches(synthesised, CHUNK_STARS):
            failed = {star.index: star for star in stars if star.flux is None}
            if not n_new and len(failed) == len(stars) == CHUNK_STARS:
                raise SynthesisError(f"None of the first {CHUNK_STARS} stars could be synthesised: {stars[0].reason}")
            if failed:
                failures |= failed
                _write_failures(failures, failures_file)
            _save_batch(stars, parts)
            if len(_chunks(parts)) >= MERGE_CHUNKS:
                merge_chunks(_chunks(parts), out)
            n_new += len(stars)
            star_s = (time.monotonic() - started) / n_new
            left_s = star_s * (len(missing) - n_new)
            state = GridProgress(len(tried) + n_new, len(set(failures) & set(indices)), n_stars, star_s, left_s)
            report(state)
    finally:
        merge_chunks(_chunks(parts), out)
    parts.rmdir()
    return state


def _synthesised(
    indices: list[int], engine: Engine, open_engine: OpenEngine, processes: int, remote: RemoteSynthesis | None
) -> Iterator[GridStar]:
    """Synthesise the stars in this process, in several or on other machines."""
    if remote is not None and indices:
        return remote(indices, open_engine)
    if processes == 1 or len(indices) < 2:
        return (synthesise_star(engine, index) for index in indices)
    return spread(_synthesise_in_worker, indices, processes, partial(_open_in_worker, open_engine), in_order=True)


def parts_of(out: Path) -> Path:
    """Folder of the chunks that are not merged into the grid file `out` yet."""
    return out.with_name(out.name + ".parts")


def failures_of(out: Path) -> Path:
    """Table of the stars that could not be synthesised for the grid file `out`."""
    return out.with_suffix(".failures.csv")


def _chunks(parts: Path) -> list[Path]:
    return sorted(parts.glob("*.npz"))


def _save_batch(stars: list[GridStar], parts: Path) -> None:
    """Write the stars of a batch that have a spectrum as one chunk."""
    done = [(star.labels, star.flux, star.index) for star in stars if star.flux is not None]
    if done:
        labels, flux, index = (np.array(column) for column in zip(*done, strict=True))
        save_chunk(Chunk(labels, flux, index), parts / f"stars-{index[0]:09d}.npz")


def _batches(stars: Iterable[GridStar], size: int) -> Iterator[list[GridStar]]:
    iterator = iter(stars)
    while batch := list(islice(iterator, size)):
        yield batch


def synthesise_star(engine: Engine, index: int) -> GridStar:
    """Synthesise the star of a grid with this index; where the engine fails, the star carries the reason."""
    labels = star_labels(index)
    try:
        return GridStar(index, labels, encode_flux(to_grid(*engine.synthesise(labels.astype(float)))))
    except SynthesisError as error:
        return GridStar(index, labels, None, " ".join(str(error).split()))


_WORKER_ENGINE: dict[str, Engine] = {}
"""Engine of a worker process, opened when the process starts."""


def _open_in_worker(open_engine: OpenEngine) -> None:
    _WORKER_ENGINE["engine"] = open_engine()


def _synthesise_in_worker(index: int) -> GridStar:
    return synthesise_star(_WORKER_ENGINE["engine"], index)


def stars_on_ray(indices: list[int], open_engine: OpenEngine, address: str, processes: int) -> Iterator[GridStar]:
    """Synthesise stars on the Ray cluster at `address`, one per core, and yield each when it is done.

    "local" starts a cluster of `processes` on this machine. Raises DataError where there is no cluster, or where its
    processes cannot open the engine or end at a star again and again.
    """
    workers = processes if address == "local" else None
    with cluster(address, workers) as ray:
        n = workers or int(ray.cluster_resources().get("CPU", 1))
        actor = ray.remote(num_cpus=1)(_StarActor)
        yield from on_actors(ray, partial(actor.remote, open_engine), min(n, len(indices)), indices)


class _StarActor:
    """A process of a Ray cluster that synthesises one star after the other."""

    def __init__(self, open_engine: OpenEngine) -> None:
        self.engine = open_engine()

    def do(self, index: int) -> GridStar:
        return synthesise_star(self.engine, index)


def read_failures(path: Path) -> dict[int, GridStar]:
    """Failed stars of a table by index; none where there is no table. Raises DataError for another file."""
    if not path.is_file():
        return {}
    with path.open(newline="") as f:
        try:
            rows = [
                GridStar(
                    int(row["index"]), np.array([float(row[name]) for name in SYNTHESIS_NAMES]), None, row["reason"]
                )
                for row in csv.DictReader(f)
            ]
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path} is not a table of failed stars; move it away.") from error
    return {star.index: star for star in rows}


def _write_failures(failures: dict[int, GridStar], path: Path) -> None:
    with written(path) as part, part.open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["index", "reason", *SYNTHESIS_NAMES])
        for index, star in sorted(failures.items()):
            writer.writerow([index, star.reason, *(f"{value:.6g}" for value in star.labels)])
