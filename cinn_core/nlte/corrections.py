"""NLTE abundance corrections of lines, A(NLTE) - A(LTE) at equal equivalent width, and their comparison with published ones.

Published: Mg_3NLTE and a selection of MPIA's, both from the data folder.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..synthesis.departures import DepartureGrid
from .equilibrium import Physics, Solution
from .line_profile import equivalent_width, profile, wavelengths_about
from .lines import LineData, measured_as_one, read_line_data
from .runs import NlteStar, Outcome, load_solution, solve_stars, star_of_abundance

_ENHANCEMENTS = np.array([-0.8, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.8])
WITHIN_DEX = 0.05
"""Difference [dex] from a published correction up to which ours agrees with it."""
_MG_FILE, _ANCHORS_FILE = Path("Mg_3NLTE/mg1_corrections.csv"), Path("mpia_anchors/mpia_mafags_corrections_subset.csv")
_MG_LINES = {"516.7": 5167.322, "517.3": 5172.684, "518.4": 5183.604, "552.8": 5528.405, "571.1": 5711.088}
_ANCHOR_VMIC = 1.0
_NEAR_ANGSTROM = 0.1
_REACH = (250.0, 0.5, 0.5)
"""Largest distance [K, dex, dex] in Teff, log g and abundance of a published star from one that it is compared with."""
MG_METALLICITY = {5.0: -3.0, 6.0: -2.0, 7.0: -1.0, 7.6: 0.0}
"""[Fe/H] of the published models by A(Mg): the table does not give it; inferred from [Mg/Fe] = 0.4 of metal-poor stars."""
NO_TABLES: Mapping[str, DepartureGrid] = MappingProxyType({})


@dataclass(frozen=True)
class Correction:
    """NLTE correction of a line or of a blend of one multiplet.

    wavelength [air Angstrom], equivalent widths [mA] in NLTE and LTE, correction A_NLTE - A_LTE [dex].
    """

    wavelength: float
    nlte: float
    lte: float
    correction: float


def correction(solution: Solution, lines: Sequence[LineData], vmic: float) -> Correction:
    """NLTE correction of lines that are measured as one, at the abundance of the solution and vmic [km/s].

    A_LTE is where the LTE curve of growth, without departures, has the equivalent width of the NLTE profile. Raises
    SynthesisError where the line vanishes or the correction is beyond 0.8 dex.
    """
    wavelength = wavelengths_about(lines)
    nlte = equivalent_width(wavelength, profile(solution, lines, wavelength, vmic))
    growth = np.array(
        [equivalent_width(wavelength, profile(solution, lines, wavelength, vmic, True, e)) for e in _ENHANCEMENTS]
    )
    centre = float(np.mean([data.line.wavelength for data in lines]))
    if not growth[0] <= nlte <= growth[-1] or nlte <= 0:
        raise SynthesisError(f"The NLTE correction at {centre:.2f} Å is beyond 0.8 dex, or the line vanishes.")
    shift = float(np.interp(np.log(nlte), np.log(growth), _ENHANCEMENTS))
    lte = float(np.interp(0.0, _ENHANCEMENTS, growth))
    return Correction(centre, 1e3 * nlte, 1e3 * lte, -shift)


def corrections_of(solution: Solution, lines: Sequence[LineData]) -> list[Correction]:
    """NLTE corrections of all lines of an element at the vmic of the solution; lines that cannot be measured are left out."""
    out = []
    for together in measured_as_one(lines):
        try:
            out.append(correction(solution, together, solution.vmic))
        except SynthesisError:
            continue
    return out


def ground_level_b(solution: Solution, log_tau: float = -1.0) -> float:
    """Departure coefficient of the ground level at this log10 optical depth at 5000 Angstrom."""
    return float(solution.departures.on(np.array([log_tau]))[0, 0])


@dataclass(frozen=True)
class PublishedCorrection:
    """A published NLTE correction: source, star, line [air Angstrom], vmic [km/s], A_NLTE - A_LTE [dex]."""

    source: str
    star: NlteStar
    wavelength: float
    vmic: float
    correction: float


def published_corrections(nlte: Path, shift: float = 0.0) -> list[PublishedCorrection]:
    """Read the published corrections of the diagnostic lines of Mg (1D NLTE - 1D LTE of Mg_3NLTE), Mg 5711 and three Ca lines.

    `nlte` is the folder of that name in the data folder. `shift` [dex] is added to the [Fe/H] that is inferred for the
    rows of Mg_3NLTE, to show the effect of the inference. Raises DataError where a table cannot be read.
    """
    try:
        with (nlte / _MG_FILE).open() as file:
            magnesium = [row for row in csv.DictReader(file) if row["line_nm"] in _MG_LINES]
        with (nlte / _ANCHORS_FILE).open() as file:
            anchors = list(csv.DictReader(line for line in file if not line.startswith("#")))
    except (OSError, KeyError) as error:
        raise DataError(f"The published corrections in {nlte} cannot be read: {error}.") from error
    return [*(_magnesium(row, shift) for row in magnesium), *map(_anchor, anchors)]


def _magnesium(row: dict[str, str], shift: float) -> PublishedCorrection:
    abundance = float(row["A_Mg"])
    feh = MG_METALLICITY[abundance] + shift
    star = star_of_abundance("Mg", float(row["teff"]), float(row["logg"]), feh, abundance)
    return PublishedCorrection("Mg_3NLTE", star, _MG_LINES[row["line_nm"]], float(row["vmic"]), float(row["d1N_1L"]))


def _anchor(row: dict[str, str]) -> PublishedCorrection:
    star = NlteStar(row["element"], float(row["teff"]), float(row["logg"]), float(row["feh"]), 0.0)
    return PublishedCorrection("MPIA", star, float(row["wave_A"]), _ANCHOR_VMIC, float(row["delta"]))


def nearest_published(
    rows: list[PublishedCorrection], star: NlteStar, wavelength: float, vmic: float
) -> PublishedCorrection | None:
    """Published correction of a line [air Angstrom] at vmic [km/s] for the star nearest to this one; None where none is near."""

    def steps(row: PublishedCorrection) -> NDArray:
        a, b = row.star, star
        return np.abs([a.teff - b.teff, a.logg - b.logg, a.abundance - b.abundance]) / _REACH

    line = (r for r in rows if r.star.element == star.element and abs(r.wavelength - wavelength) < _NEAR_ANGSTROM)
    reached = [row for row in line if steps(row).max() <= 1]
    return min(reached, key=lambda row: (steps(row).sum(), abs(row.vmic - vmic)), default=None)


@dataclass(frozen=True)
class ComparedCorrection:
    """A published NLTE correction with ours [dex], or the reason why we have none."""

    published: PublishedCorrection
    ours: float | None
    reason: str = ""


def compare_corrections(
    rows: list[PublishedCorrection],
    folder: Path,
    data: Path,
    physics: Physics,
    processes: int = 1,
    report: Callable[[Outcome], None] = lambda outcome: None,
    tables: Mapping[str, DepartureGrid] = NO_TABLES,
) -> list[ComparedCorrection]:
    """Compare published corrections with ours; stars that `folder` does not hold are solved first.

    `data` holds synthesis/ and nlte/. For elements of `tables` departures are interpolated there, in place of those solved
    for the star. Raises DataError for missing files.
    """
    outcomes = solve_stars((row.star for row in rows), folder, data, physics, processes, report)
    failed = {outcome.star: outcome.reason for outcome in outcomes if outcome.reason}
    elements = sorted({row.star.element for row in rows})
    lines = {element: read_line_data(data / "synthesis", element) for element in elements}
    return list(_compared(rows, folder, physics, failed, lines, tables))


def _compared(
    rows: list[PublishedCorrection],
    folder: Path,
    physics: Physics,
    failed: dict[NlteStar, str],
    lines: dict[str, tuple[LineData, ...]],
    tables: Mapping[str, DepartureGrid],
) -> Iterator[ComparedCorrection]:
    for star in dict.fromkeys(row.star for row in rows):
        solution = None if star in failed else load_solution(star.file(folder, physics))
        if solution is not None and star.element in tables:
            solution = _interpolated(solution, star, tables[star.element])
        for row in (row for row in rows if row.star == star):
            near = [x for x in lines[star.element] if abs(x.line.wavelength - row.wavelength) < _NEAR_ANGSTROM]
            if solution is None or not near:
                yield ComparedCorrection(row, None, failed.get(star, f"There is no line at {row.wavelength} Å."))
                continue
            try:
                yield ComparedCorrection(row, correction(solution, near[:1], row.vmic).correction)
            except SynthesisError as error:
                yield ComparedCorrection(row, None, str(error))


def _interpolated(solution: Solution, star: NlteStar, grid: DepartureGrid) -> Solution:
    """A solution with departures interpolated in a grid, at its own depths."""
    own = solution.departures
    interpolated = grid.at(star.teff, star.logg, star.feh, star.abundance, held=True)
    return replace(solution, departures=replace(own, b=interpolated.on(own.log_tau)))


@dataclass(frozen=True)
class CorrectionAgreement:
    """Our NLTE corrections minus published ones [dex] over some rows: number within 0.05, median, rms, the largest.

    `lte` is the rms of the published corrections themselves, the error of LTE.
    """

    name: str
    rows: int
    within: int
    bias: float
    rms: float
    lte: float
    largest: float


def by_line(compared: list[ComparedCorrection]) -> list[CorrectionAgreement]:
    """Agreement of corrections line by line, for rows that have ours."""
    return _grouped(compared, lambda row: f"{row.source} {row.star.element} {row.wavelength:.0f}")


def by_temperature(compared: list[ComparedCorrection]) -> list[CorrectionAgreement]:
    """Agreement of corrections by Teff, for rows that have ours."""
    groups = sorted(compared, key=lambda x: (x.published.star.element, x.published.star.teff))
    return _grouped(groups, lambda row: f"{row.source} {row.star.element} {row.star.teff:.0f} K")


def _grouped(
    compared: list[ComparedCorrection], name: Callable[[PublishedCorrection], str]
) -> list[CorrectionAgreement]:
    groups: dict[str, list[tuple[float, float]]] = {}
    for x in compared:
        if x.ours is not None:
            groups.setdefault(name(x.published), []).append((x.ours, x.published.correction))
    return [_agreement(key, *np.array(pairs).T) for key, pairs in groups.items()]


def _agreement(name: str, ours: NDArray, published: NDArray) -> CorrectionAgreement:
    off = ours - published
    within = int((np.abs(off) <= WITHIN_DEX).sum())
    rms, lte = (float(np.sqrt(np.mean(x**2))) for x in (off, published))
    return CorrectionAgreement(
        name, off.size, within, float(np.median(off)), rms, lte, float(off[np.argmax(np.abs(off))])
    )


def count_within(compared: list[ComparedCorrection]) -> dict[str, int]:
    """Numbers of published rows of Mg and of Ca, and of those within 0.05 dex of ours, by name; a row without ours is not within."""
    out = {}
    for element in ("Mg", "Ca"):
        rows = [row for row in compared if row.published.star.element == element]
        within = [
            row for row in rows if row.ours is not None and abs(row.ours - row.published.correction) <= WITHIN_DEX
        ]
        out |= {f"{element.lower()}_n": len(rows), f"{element.lower()}_within_005": len(within)}
    return out
