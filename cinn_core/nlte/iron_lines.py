"""Lines of iron: their data and levels in the model atom, equivalent widths and curves of growth from a solution."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..synthesis.departures import IRON_IONS_EV, PER_CM_IN_EV, IronLevels
from ..synthesis.solar_log_gf import LABORATORY_LIST
from .equilibrium import Solution
from .line_profile import equivalent_width, profile, wavelengths_about
from .lines import LineData, NlteLine

_KELVIN_PER_EV = 11604.518
_HC_EV_ANGSTROM = 12398.42
_GROWTH = np.array([-1.5, -1.1, -0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.1, 1.5])
_HALF_WIDTH_ANGSTROM = 2.5
_ROW = re.compile(
    r"\s*(\d+\.\d+)\s+(\S+)\s+(\S+)\s+(\S+)\s+\S+\s+(\S+)\s+(\S+)?.*?'Fe (I+) +LS:(\S+) (\S+) LS:(\S+) (\S+)'"
)


@dataclass(frozen=True)
class IronLine:
    """A line of iron: ion 0 or 1, air wavelength [Angstrom], energies [eV] of its levels in the ion, log gf, damping, terms."""

    ion: int
    wavelength: float
    low_ev: float
    high_ev: float
    log_gf: float
    radiative: float
    waals: float
    terms: tuple[str, str]


def read_iron_lines(synthesis: Path) -> list[IronLine]:
    """Lines of Fe I and Fe II of the laboratory list in the folder `synthesis`, with the terms that their comments name."""
    path = synthesis / LABORATORY_LIST
    lines, out = gzip.decompress(path.read_bytes()).decode("latin-1").splitlines(), []
    for text in lines:
        match = _ROW.match(text)
        if match:
            wavelength, low = float(match[1]), float(match[2])
            radiative = float(match[5 + (0 if "E" in match[5] else 1)] or 1e8)
            high = low + _HC_EV_ANGSTROM / (wavelength * 1.00028)
            out.append(
                IronLine(
                    len(match[7]) - 1, wavelength, low, high, float(match[3]), float(np.log10(radiative)),
                    float(match[4]), (match[9], match[11]),
                )
            )  # fmt: skip
    if not out:
        raise DataError(f"{path} holds no lines of iron with their terms.")
    return out


def widths(
    solution: Solution, line: IronLine, vmic: float, enhancements: Sequence[float] | NDArray, in_lte: bool = False
) -> NDArray:
    """Equivalent widths [mA] of a line alone at enhancements [dex] of the abundance, departures as in the solution."""
    levels = solution.departures.levels
    iron = IronLevels(levels)
    low = iron.find(line.terms[0], line.low_ev, line.ion)
    high = iron.find(line.terms[1], line.high_ev, line.ion) if line.ion == 0 else low
    ground, mean = IRON_IONS_EV[line.ion]
    shift = line.low_ev - mean + ground - levels[low].energy * PER_CM_IN_EV
    own = replace(solution, lte=solution.lte * np.exp(-shift * _KELVIN_PER_EV / solution.temperature))
    data = LineData(
        NlteLine("Fe", line.wavelength, levels[low].label, levels[high].label),
        line.log_gf,
        line.radiative,
        0.0,
        line.waals,
    )
    offsets = (wavelengths_about([data]) - line.wavelength) * (_HALF_WIDTH_ANGSTROM / 12.0)
    at = line.wavelength + offsets
    return np.array(
        [1e3 * equivalent_width(at, profile(own, [data], at, vmic, in_lte, float(e))) for e in enhancements]
    )


def abundance_of(growth: NDArray, width: float) -> float:
    """Enhancement [dex] at which a curve of growth (13,) on _GROWTH has a width; NaN beyond its ends."""
    if not growth[0] < width < growth[-1]:
        return float("nan")
    return float(np.interp(np.log(width), np.log(growth), _GROWTH))


def growth(solution: Solution, line: IronLine, vmic: float, in_lte: bool = False) -> NDArray:
    """Curve of growth (13,) [mA] of a line."""
    return widths(solution, line, vmic, _GROWTH, in_lte)
