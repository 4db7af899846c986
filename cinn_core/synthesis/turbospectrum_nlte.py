"""NLTE input of Turbospectrum: departure coefficients on its depths, model atoms, and line lists with level numbers.

bsyn_lu reads three files per element (Gerber et al. 2023, A&A 669, A43): one that names the others (NLTEINFOFILE), the
model atom, of which it uses the number of levels, and b of every level at exactly the depths of its own model. The line
list names the levels by their numbers, 0 for b = 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..refraction import air_to_vacuum_nm
from .abundances import abundances
from .departures import (
    NEAR_PER_CM,
    PER_CM_IN_EV,
    DepartureGrid,
    Departures,
    IronLevels,
    Level,
    find_term,
    match_energies,
    terms_in,
)
from .line_lists import SYMBOLS

INFO_FILE = "nlte.info"
_IRON = 26
_SPLIT_PER_CM = 400.0
"""Largest distance [1/cm] of a line's level from the mean energy of its term."""
_HEAD = re.compile(r"'\s*(\d+)\.\d+\s*'\s+(\d+)\s+(\d+)")
_ROW = re.compile(r"(\s*(\S+)\s+(\S+)\s+)(\S+)(.*?'[^']*'\s*'[^']*'\s+\S+\s+\S+)(?:\s+'([^']*)')?(.*)")
"""Parts of a line: wavelength and excitation, log gf, columns up to the equivalent width's error, comment, level numbers."""
_NAMED_TERMS = re.compile(r"LS:\S+ +(\S+) +LS:\S+ +(\S+)")
_POWERS = ("tau500", "tauross", "T", "logpe", "logpg", "xit", "rr", "logkapref")


@dataclass(frozen=True, eq=False)
class NlteElement:
    """An element in NLTE: its symbol and the grid that its departures come from."""

    symbol: str
    grid: DepartureGrid

    @property
    def number(self) -> int:
        """Atomic number."""
        return SYMBOLS.index(self.symbol) + 1


def write_nlte_inputs(elements: Sequence[NlteElement], labels: NDArray, log_tau: NDArray, folder: Path) -> None:
    """Write the three kinds of files for a star of labels (25,) into `folder`, where bsyn_lu runs.

    log_tau (n,) are babsma_lu's depths. Beyond a grid of departures its edge is used. Raises SynthesisError where the
    grid holds no model near.
    """
    listed = abundances(labels)
    for element in elements:
        abundance = listed[element.number]
        try:
            teff, logg, feh = (float(x) for x in labels[:3])
            departures = element.grid.at(teff, logg, feh, abundance, held=True)
        except DataError as error:
            raise SynthesisError(str(error)) from error
        (folder / f"{element.symbol}.atom").write_text(atom_text(element.symbol, departures.levels))
        (folder / f"{element.symbol}.b").write_text(departures_text(departures, abundance, log_tau))
    (folder / INFO_FILE).write_text(info_text([element.symbol for element in elements]))


def info_text(symbols: Sequence[str]) -> str:
    """Text that names model atom and departures of each element in NLTE; in quotes, because Fortran stops reading at a slash."""
    rows = [f"{SYMBOLS.index(x) + 1} '{x}' 'nlte' '{x}.atom' '{x}.b' 'ascii'" for x in symbols]
    first = "# the heading must not be the first line: bsyn_lu would take it for the path"
    return "\n".join([first, "# path for model atom files", "./", "# path for departure files", "./", *rows, ""])


def atom_text(symbol: str, levels: Sequence[Level]) -> str:
    """Text of a model atom in MULTI's format, levels only: energy [1/cm], weight, label, stage from 1; unknown energies are 0."""
    rows = [
        f"{np.nan_to_num(level.energy):.3f} {np.nan_to_num(level.weight, nan=1.0):.1f} '{level.label[:38]}' {level.ion + 1}"
        for level in levels
    ]
    return "\n".join([f"{symbol:2s}", "0.0 1.0", str(len(levels)), *rows, ""])


def departures_text(departures: Departures, abundance: float, log_tau: NDArray) -> str:
    """Text of b at depths log_tau (n,): eight lines that Turbospectrum skips, A(X), counts, depths, a row of b per depth."""
    rows = departures.on(log_tau).T
    head = [f"# {name:<15s} {1:10.6f} {1:10.6f} {1:10.6f}" for name in _POWERS]
    numbers = [f"{abundance:.3f}", str(len(log_tau)), str(len(departures.levels))]
    depths = [f"{x:.9f}" for x in log_tau]
    return "\n".join([*head, *numbers, *depths, *(" ".join(f"{b:.6E}" for b in row) for row in rows), ""])


def optical_depths(opacities: str) -> NDArray:
    """log10 optical depths (n,) at 5000 Angstrom from the text of babsma_lu's file of continuous opacities.

    Raises SynthesisError where it holds none.
    """
    _, _, rest = opacities.partition("'")
    words = iter(rest.partition("'")[2].split())
    try:
        n_depths, _, n_wavelengths = int(next(words)), next(words), int(next(words))
        list(islice(words, n_wavelengths))
        rows = [list(islice(words, 8 + 2 * n_wavelengths)) for _ in range(n_depths)]
        return np.log10([float(row[1]) for row in rows])
    except (ValueError, IndexError, StopIteration) as error:
        raise SynthesisError("babsma_lu's file of continuous opacities holds no optical depths.") from error


@dataclass(frozen=True)
class NumberedLineList:
    """Text of a line list with level numbers, the number of lines in NLTE, and the lines that stay in LTE ("Mg I 5167.322")."""

    text: str
    in_nlte: int
    in_lte: tuple[str, ...]


def with_level_numbers(
    text: str, elements: Sequence[NlteElement], log_gf_shift: Mapping[tuple[str, float], float] | None = None
) -> NumberedLineList:
    """Add the level numbers of the grids of some elements to a line list in Turbospectrum's format.

    Levels are found by the terms that the list names; where it names none, by energy. Grids whose levels are known by
    number alone are Turbospectrum's own: the numbers that the list holds remain. log_gf_shift [dex] by species ("Mg I")
    and wavelength as listed is added to log gf, also of elements in LTE.
    """
    by_number = {element.number: element for element in elements}
    iron = _iron_levels(by_number[_IRON].grid.levels) if _IRON in by_number else None
    shifts = log_gf_shift or {}
    out, in_lte, n = [], [], 0
    element: NlteElement | None = None
    symbol, ion, left = "", 1, 0
    for line in text.splitlines():
        head = _HEAD.match(line) if left == 0 else None
        if head:
            number, ion, left = int(head[1]), int(head[2]), int(head[3]) + 1
            element, symbol = by_number.get(number), SYMBOLS[number - 1] if number <= len(SYMBOLS) else ""
        elif left:
            left -= 1
            row = _ROW.fullmatch(line) if element or (shifts and symbol) else None
            if row:
                species = f"{symbol} {'I' * ion}"
                shift, rest = shifts.get((species, float(row[2])), 0.0), row[7]
                if element:
                    lower, upper = iron(row, ion) if iron and symbol == "Fe" else _levels(row, ion, element.grid.levels)
                    n += lower > 0
                    in_lte += [] if lower else [f"{species} {row[2]}"]
                    rest = f" {lower} {upper} 'x' 'x' 'x' 'x'"
                gf = f"{float(row[4]) + shift:.4f}" if shift else row[4]
                line = f"{row[1]}{gf}{row[5]} '{row[6] or 'x'}'{rest}"
        out.append(line)
    return NumberedLineList("\n".join(out) + "\n", n, tuple(in_lte))


def _levels(row: re.Match[str], ion: int, levels: Sequence[Level]) -> tuple[int, int]:
    """Numbers, from 1, of the lower and upper level of a row; 0, 0 where one of them is missing."""
    if not any(np.isfinite(level.energy) for level in levels):
        numbers = re.match(r"\s+(\d+)\s+(\d+)", row[7])
        listed = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
        return listed if all(0 < x <= len(levels) for x in listed) else (0, 0)
    wavelength, excitation = np.array([float(row[2])]), np.array([float(row[3])])
    lower, upper = terms_in(row[6] or "")
    matched = match_energies(wavelength, excitation, np.array([ion]), levels, NEAR_PER_CM)
    energy = float(excitation[0]) / PER_CM_IN_EV
    first, second = int(matched.lower[0]), int(matched.upper[0])
    if lower is not None:
        first = find_term(lower, energy, ion - 1, levels, _SPLIT_PER_CM)
    if upper is not None:
        second = find_term(upper, energy + 1e8 / float(wavelength[0]), ion - 1, levels, _SPLIT_PER_CM)
    return (first + 1, second + 1) if first >= 0 and second >= 0 else (0, 0)


def _iron_levels(levels: Sequence[Level]) -> Callable[[re.Match[str], int], tuple[int, int]] | None:
    """Function from a row of iron and its ion from 1 to the numbers, from 1, of its levels in the atom of terms and super-levels.

    The atom holds the low terms of Fe II alone: there the upper level has the b of the lower one, so that the line's
    source function is the Planck function. None for levels that are known by number alone.
    """
    if not any(np.isfinite(level.energy) for level in levels):
        return None
    iron, ions = IronLevels(levels), {level.ion for level in levels}

    def numbers(row: re.Match[str], ion: int) -> tuple[int, int]:
        if ion - 1 not in ions:
            return 0, 0
        names = _NAMED_TERMS.search(row[6] or "")
        low = float(row[3])
        high = low + PER_CM_IN_EV * 1e7 / float(air_to_vacuum_nm(np.array([float(row[2])]))[0])
        lower = iron.find(names[1] if names else "", low, ion - 1)
        upper = iron.find(names[2] if names else "", high, ion - 1) if ion == 1 else lower
        return lower + 1, upper + 1

    return numbers
