"""Stars synthesised in another physics than the grid's: a structure s, a second shape, iron's departures of a strength n.

The grid of spectra is in LTE on ATLAS9. Each of its stars is synthesised once more with a physics drawn for it: a structure
between ATLAS9 and STAGGER's mean, iron, magnesium and calcium in NLTE on it, lithium in 3D NLTE, and log gf that give
the Sun at s = 1 and n = 1 the spectrum it had. What is kept is the change of the flux: the emulator learns it
(`physics_change.py`). Stars that cost hours ship packed, in steps of the flux, and are not made again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SynthesisError
from ..files import asset_path, contents_sha256, write_arrays, write_text
from ..prior import STRUCTURE_RANGE
from ..processes import spread
from ..random_streams import Stream, stream
from ..synthesis.engine import labels_from, to_grid
from ..synthesis.grid_file import FLUX_SCALE, Grid
from ..synthesis.solar_log_gf import SUN, Shifts, calibrated_keys, solar_log_gf
from ..synthesis.star_physics import SOLAR_PHYSICS, PhysicsEngines, StarPhysics, open_engines
from ..synthesis.structure import SECOND_RANGE
from ..targets import SYNTHESIS_COLUMNS

STRENGTH_RANGE = (0.0, 2.5)
"""Strengths n of iron's departures that stars are synthesised with."""
_LARGEST_SECOND = 2.5
_INPUTS_FILE, _STARS_FOLDER = "inputs.json", "stars"
_PACKED_FOLDER = "physics_stars"
_STEP = 2e-3
"""Step of the packed change: 0.06 % rms of the continuum, uncorrelated between pixels, a fifth of what a star can be predicted to."""


def physics_of(index: int) -> StarPhysics:
    """The physics drawn for the star of an index of the grid: s and n uniform, the second shape normal."""
    rng = stream(Stream.STAR_PHYSICS, 0, index)
    s, strength = rng.uniform(*STRUCTURE_RANGE), rng.uniform(*STRENGTH_RANGE)
    largest = min(_LARGEST_SECOND, SECOND_RANGE[1])
    return StarPhysics(float(s), float(np.clip(rng.standard_normal(), -largest, largest)), float(strength))


@dataclass(frozen=True)
class PhysicsSources:
    """Inputs of a run: tables of departures (one an element), Turbospectrum's programs, data folder, folder of the run."""

    tables: tuple[Path, ...]
    programs: Path
    data: Path
    run: Path

    def digest(self) -> str:
        """SHA-256 of the tables, of the structure and of lithium together."""
        lithium = (asset_path("nlte", name) for name in ("Li.npz", "Li_3d.npz"))
        return contents_sha256([*sorted(self.tables), asset_path("structure.npz"), *lithium])


def _open(sources: PhysicsSources, shifts: Shifts, scratch: Path) -> PhysicsEngines:
    return open_engines(sources.tables, sources.programs, sources.data, shifts, scratch)


def shifts_of_run(sources: PhysicsSources, report: Callable[[str], None] = lambda text: None) -> Shifts:
    """The Sun's shifts of log gf, kept in the run's folder, or those that ship. DataError where the folder is of other tables."""
    path, digest = sources.run / _INPUTS_FILE, sources.digest()
    if path.is_file():
        inputs = json.loads(path.read_text())
        if inputs["sha256"] != digest:
            raise DataError(f"{sources.run} holds stars of other tables of departures; name another folder.")
        return {(species, wavelength): shift for species, wavelength, shift in inputs["shifts"]}
    sources.run.mkdir(parents=True, exist_ok=True)
    packed = shipped_stars(digest)
    if packed:
        _save_shifts(path, digest, packed.shifts)
        return packed.shifts
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as scratch:
        own = Path(scratch)
        engines = _open(sources, {}, own)
        wanted = to_grid(*replace(engines.line.plain, windows=engines.numbered.windows).synthesise(labels_from(SUN)))
        shifts = solar_log_gf(
            calibrated_keys(sources.data / "synthesis"),
            wanted,
            lambda given: _open(sources, given, own / "shifted").at(SOLAR_PHYSICS),
            report=report,
        )
    _save_shifts(path, digest, shifts)
    return shifts


def _save_shifts(path: Path, digest: str, shifts: Shifts) -> None:
    rows = [[*key, shift] for key, shift in shifts.items()]
    write_text(path, json.dumps({"sha256": digest, "shifts": rows}, indent=0))


@dataclass(frozen=True, eq=False)
class PhysicsStars:
    """Stars: index (n,), labels (n, 25), physics (n, 3) as StarPhysics, change of the flux over continuum (n, 32483)."""

    index: NDArray
    labels: NDArray
    physics: NDArray
    change: NDArray


@dataclass(frozen=True, eq=False)
class PackedStars:
    """Stars that ship, and the Sun's shifts of log gf that they were made with."""

    stars: PhysicsStars
    shifts: Shifts


def pack_stars(stars: PhysicsStars, digest: str, shifts: Shifts, path: Path) -> None:
    """Write stars made from inputs of a digest, their change in steps of 0.002; some 8 kB a star, whole or not at all."""
    card = {"sha256": digest, "step": _STEP, "shifts": [[*key, shift] for key, shift in shifts.items()]}
    change = np.rint(stars.change / _STEP).astype(np.int16)
    arrays = {"index": stars.index, "labels": stars.labels, "physics": stars.physics, "change": change}
    write_arrays(path, arrays | {"card": np.array(json.dumps(card))}, compressed=True)


def shipped_stars(digest: str, folder: Path | None = None) -> PackedStars | None:
    """The stars in the files of assets/physics_stars that were made from inputs of this digest; None where there are none."""
    parts, shifts = [], {}
    for path in sorted((folder or asset_path(_PACKED_FOLDER)).glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            card = json.loads(str(file["card"]))
            if card["sha256"] == digest:
                change = file["change"] * np.float32(card["step"])
                parts.append(PhysicsStars(file["index"], file["labels"], file["physics"], change))
                shifts = {(species, wavelength): shift for species, wavelength, shift in card["shifts"]}
    return PackedStars(joined(parts), shifts) if parts else None


def joined(parts: Sequence[PhysicsStars]) -> PhysicsStars:
    """Several sets of stars as one, in the order of their indices."""
    columns = [np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return PhysicsStars(*(column[order] for column in columns))


def make_physics_stars(
    sources: PhysicsSources,
    grid: Grid,
    n: int,
    processes: int = 1,
    report: Callable[[str], None] = lambda text: None,
) -> PhysicsStars:
    """The first n stars of the grid in the physics drawn for each; those that ship, and those in the run's folder, are kept.

    Stars without a model atmosphere or departures near are left out and reported.
    """
    shifts = shifts_of_run(sources, report)
    folder = sources.run / _STARS_FOLDER
    folder.mkdir(exist_ok=True)
    chosen = grid.index[:n].tolist()
    packed = shipped_stars(sources.digest())
    ship = set(packed.stars.index.tolist()) if packed else set()
    missing = [i for i in range(len(chosen)) if chosen[i] not in ship and not _file(folder, chosen[i]).is_file()]
    report(f"{len(chosen) - len(missing)} of {len(chosen)} stars are there already")
    stars = ((chosen[i], grid.labels[i, SYNTHESIS_COLUMNS], grid.flux[i]) for i in missing)
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as scratch:
        begin = partial(_start, sources, shifts, Path(scratch))
        for done, (index, reason) in enumerate(spread(partial(_make, folder=folder), stars, processes, begin), 1):
            if reason:
                report(f"star {index}: {reason}")
            elif done % 10 == 0:
                report(f"{done} of {len(missing)} stars")
    own = [i for i in chosen if i not in ship and _file(folder, i).is_file()]
    parts = [read_physics_stars(sources.run, own)] if own or not packed else []
    return joined([*parts, _among(packed.stars, chosen)] if packed else parts)


def _among(stars: PhysicsStars, indices: ArrayLike, others: bool = False) -> PhysicsStars:
    """The stars whose index is among some, or the others."""
    keep = np.isin(stars.index, indices, invert=others)
    return PhysicsStars(*(column[keep] for column in vars(stars).values()))


def not_shipped(stars: PhysicsStars, digest: str) -> PhysicsStars:
    """The stars that are not among those that ship."""
    packed = shipped_stars(digest)
    return _among(stars, packed.stars.index, others=True) if packed else stars


def read_physics_stars(run: Path, indices: Iterable[int]) -> PhysicsStars:
    """The stars of these indices that a run holds; DataError where there is none."""
    rows: list[Mapping[str, NDArray]] = []
    for i in indices:
        path = _file(run / _STARS_FOLDER, i)
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                rows.append({"index": np.array(i), **{name: file[name] for name in ("labels", "physics", "change")}})
    if not rows:
        raise DataError(f"{run} holds no star.")
    index, labels, physics, change = (
        np.stack([row[x] for row in rows]) for x in ("index", "labels", "physics", "change")
    )
    return PhysicsStars(index, labels, physics, change.astype(np.float32))


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:09d}.npz"


_ENGINES: dict[str, PhysicsEngines] = {}
"""The engines of a process."""


def _start(sources: PhysicsSources, shifts: Shifts, scratch: Path) -> None:
    _ENGINES["all"] = _open(sources, shifts, scratch / str(os.getpid()))


def _make(star: tuple[int, NDArray, NDArray], folder: Path) -> tuple[int, str]:
    index, labels, before = star
    physics = physics_of(index)
    try:
        flux = to_grid(*_ENGINES["all"].at(physics).synthesise(labels))
    except SynthesisError as error:
        return index, " ".join(str(error).split())
    arrays = {
        "labels": labels,
        "physics": np.array([physics.s, physics.second, physics.strength]),
        "change": (flux - before / FLUX_SCALE).astype(np.float16),
    }
    write_arrays(_file(folder, index), arrays, compressed=True)
    return index, ""
