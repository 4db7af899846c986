"""Runs of the statistical equilibrium for many stars: one file per star in a folder, in processes, resumable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..files import write_arrays
from ..processes import spread
from ..synthesis.abundances import ATOMIC_NUMBER, abundances, metallicity
from ..synthesis.atmosphere import AtmosphereSource
from ..synthesis.departure_files import DepartureTable
from ..synthesis.departures import DepartureGrid, Departures, Level
from ..synthesis.engine import OwnInputs, labels_from
from ..synthesis.structure import open_atmospheres
from .equilibrium import Physics, Solution, solve
from .iron import IronPhysics, solve_iron
from .opacity import Blanketing

_ALPHA = ("o_fe", "mg_fe", "si_fe", "ca_fe", "ti_fe")
_ALPHA_OF_POOR_STARS, _POOR = 0.4, -1.0
_IRON, _NO_BACKGROUND = 26, -99.0
_LEAST_B = 1e-32
_FAR = (750.0, 1.0, 1.0)  # in Teff [K], log g, [Fe/H]
TABLE_LOG_TAU = np.arange(-5.0, 1.51, 0.25)
"""Depths of the compact tables: log10 optical depth at 5000 Angstrom."""
_ARRAYS = ("height", "temperature", "electrons", "hydrogen", "lte", "wavelength", "opacity")


@dataclass(frozen=True)
class NlteStar:
    """An element in a star: Teff [K], log g [cgs], [Fe/H], and [X/Fe] of the element beyond that of the alpha elements."""

    element: str
    teff: float
    logg: float
    feh: float
    ratio: float

    def labels(self) -> NDArray:
        """Labels (25,) at vmic 1 km/s; [alpha/Fe] rises from 0 at [Fe/H] = 0 to 0.4 at -1, as in MARCS's standard models."""
        alpha = dict.fromkeys(_ALPHA, _ALPHA_OF_POOR_STARS * float(np.clip(self.feh / _POOR, 0, 1)))
        name = f"{self.element.lower()}_fe"
        own = {} if self.element == "Fe" else {name: alpha.get(name, 0.0) + self.ratio}
        return labels_from({"teff": self.teff, "logg": self.logg, "feh": self.feh, **alpha, **own})

    @property
    def abundance(self) -> float:
        """A(X) of the element."""
        return abundances(self.labels())[_IRON if self.element == "Fe" else ATOMIC_NUMBER[self.element.lower()]]

    def file(self, folder: Path, physics: Physics) -> Path:
        """File of its solution in a folder."""
        name = f"{self.element}-{self.teff:.0f}-{self.logg:.2f}-{self.feh:+.2f}-{self.ratio:+.2f}-{physics.name}.npz"
        return folder / name


def star_of_abundance(element: str, teff: float, logg: float, feh: float, abundance: float) -> NlteStar:
    """Star of this Teff [K], log g [cgs] and [Fe/H] in which the element has this A(X)."""
    ordinary = NlteStar(element, teff, logg, feh, 0.0)
    return NlteStar(element, teff, logg, feh, round(abundance - ordinary.abundance, 3))


@dataclass(frozen=True)
class Outcome:
    """Outcome for one star: solved where `reason` is empty, else the reason of the failure."""

    star: NlteStar
    reason: str = ""


def save_solution(solution: Solution, path: Path) -> None:
    """Write a solution, whole or not at all."""
    departures = solution.departures
    arrays = {
        "element": departures.element,
        "b": departures.b,
        "log_tau": departures.log_tau,
        "labels": [level.label for level in departures.levels],
        "levels": [(level.energy, level.weight, level.ion) for level in departures.levels],
        "numbers": [solution.abundance, solution.vmic, solution.iterations],
    }
    write_arrays(path, arrays | {name: getattr(solution, name) for name in _ARRAYS}, compressed=True)


def load_solution(path: Path) -> Solution:
    """Read a solution. Raises DataError where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            rows = zip(file["labels"].tolist(), file["levels"].tolist(), strict=True)
            levels = tuple(Level(label, energy, weight, int(ion)) for label, (energy, weight, ion) in rows)
            departures = Departures(str(file["element"]), levels, file["log_tau"], file["b"])
            abundance, vmic, iterations = file["numbers"].tolist()
            arrays = {name: file[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} holds no solution of the statistical equilibrium: {error}.") from error
    return Solution(departures, abundance, vmic, iterations=int(iterations), **arrays)


def solve_stars(
    stars: Iterable[NlteStar],
    folder: Path,
    data: Path,
    physics: Physics,
    processes: int = 1,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Solve all stars that `folder` does not hold yet; `data` is the data folder with synthesis/ and nlte/.

    A run that is killed loses the stars in progress; the next one goes on. Stars without a model atmosphere or without
    convergence are returned with the reason. Raises DataError for missing files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unique = list(dict.fromkeys(stars))
    outcomes = [Outcome(star) for star in unique if star.file(folder, physics).is_file()]
    missing = [star for star in unique if not star.file(folder, physics).is_file()]
    done = spread(partial(_solve_one, folder=folder, data=data, physics=physics), missing, processes)
    for outcome in done:
        outcomes.append(outcome)
        report(outcome)
    return outcomes


def collect_table(element: str, folder: Path, physics: Physics, onto: DepartureTable | None = None) -> DepartureTable:
    """Collect all solutions of an element with this physics in a compact table, added to the table `onto` if there is one.

    Stars that only `onto` has get, on the structure of these solutions, the change of log b of those that both have,
    interpolated and held at its edge, or that of the nearest. Raises DataError where there are no solutions, or `onto` is
    of another element.
    """
    files = sorted(folder.glob(f"{element}-*-{physics.name}.npz"))
    if not files:
        raise DataError(f"{folder} holds no solution of {element} with the physics {physics.name}.")
    nodes, b = [], []
    for file in files:
        solution = load_solution(file)
        nodes.append([*_parameters(file), solution.abundance])
        b.append(solution.departures.on(TABLE_LOG_TAU))
    card: dict[str, object] = {
        "physics": physics.name,
        "solutions": len(files),
        "code": "Lightweaver, ATLAS9",
        "s": physics.s,
    }
    table = DepartureTable(element, solution.departures.levels, np.array(nodes), TABLE_LOG_TAU, np.stack(b), card)
    return table if onto is None else _joined(_completed(table, onto), onto, physics.s)


def _joined(table: DepartureTable, onto: DepartureTable, s: float) -> DepartureTable:
    """The stars of `onto` and those of a table on the structure s."""
    before = np.zeros(len(onto.nodes)) if onto.structures is None else onto.structures
    solutions = [int(str(one.card.get("solutions", len(one.nodes)))) for one in (onto, table)]
    return replace(
        onto,
        nodes=np.concatenate([onto.nodes, table.nodes]),
        b=np.concatenate([onto.b, table.b]),
        card={**table.card, "solutions": sum(solutions), "s": sorted({*before.tolist(), s})},
        structures=np.concatenate([before, np.full(len(table.nodes), s)]),
    )


def _completed(table: DepartureTable, onto: DepartureTable) -> DepartureTable:
    """A table with the stars that only `onto` has too: their b there times the change of b that the common stars have."""
    if onto.element != table.element or onto.levels != table.levels or not np.array_equal(onto.log_tau, table.log_tau):
        raise DataError(f"The solutions of {table.element} have other levels or depths than the table to add them to.")
    place = {tuple(node): i for i, node in enumerate(np.round(onto.nodes, 3).tolist())}
    keys = [tuple(node) for node in np.round(table.nodes, 3).tolist()]
    own = [i for i, key in enumerate(keys) if key in place]
    missing = [i for key, i in place.items() if key not in keys]
    if not own or not missing:
        return table
    rest = onto.nodes[missing].tolist()
    before = np.maximum(onto.b[[place[keys[i]] for i in own]], _LEAST_B)
    change = replace(table, nodes=table.nodes[own], b=table.b[own] / before).grid()
    filled = np.stack([onto.b[i] * _near(change, *node) for i, node in zip(missing, rest, strict=True)])
    return replace(table, nodes=np.concatenate([table.nodes, onto.nodes[missing]]), b=np.concatenate([table.b, filled]))


def _near(change: DepartureGrid, teff: float, logg: float, feh: float, abundance: float) -> NDArray:
    """Change of b (levels, depths) between the stars around, held at the edge; that of the nearest star where none are around."""
    try:
        return change.at(teff, logg, feh, abundance, held=True).b
    except DataError:
        away = (change.nodes[:, :3] - (teff, logg, feh)) / _FAR
        return change.load(int((away**2).sum(1).argmin())).b


def _parameters(file: Path) -> list[float]:
    """Teff, log g and [Fe/H] of a solution from its file name, as `NlteStar.file` gives it."""
    match = re.match(r"[A-Z][a-z]?-(\d+)-([\d.]+)-([+-][\d.]+)-", file.name)
    if match is None:
        raise DataError(f"{file} is not named as solutions are.")
    return [float(number) for number in match.groups()]


@cache
def _atmospheres(folder: Path, s: float) -> AtmosphereSource:
    return open_atmospheres(folder, OwnInputs(s=s))


def _solve_one(star: NlteStar, folder: Path, data: Path, physics: Physics) -> Outcome:
    atmospheres, labels = _atmospheres(data / "synthesis", physics.s), star.labels()
    try:
        if star.element == "Fe":
            model = atmospheres.at(star.teff, star.logg, metallicity(labels))
            background = _NO_BACKGROUND if physics.blanketing is Blanketing.OFF else 0.0
            solution = solve_iron(labels, model, data / "nlte", IronPhysics(physics.hydrogen, background))
        else:
            solution = solve(star.element, labels, atmospheres, data / "nlte", physics)
    except SynthesisError as error:
        return Outcome(star, str(error))
    save_solution(solution, star.file(folder, physics))
    return Outcome(star)
