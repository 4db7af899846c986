"""Diagnostic lines of Li, Na, Mg, Si and Ca: the levels of the model atoms that they join, and their atomic data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..synthesis.line_lists import read_lines
from ..synthesis.solar_log_gf import LABORATORY_LIST

MASSES = {"Li": 6.94, "Na": 22.990, "Mg": 24.305, "Si": 28.085, "Ca": 40.078, "Fe": 55.845}
"""Atomic masses [u]."""
_NEAR_ANGSTROM = 0.01

_LI = ("Li I 1S2 2S 2SE", "Li I 1S2 2P 2PO")
_MG_TRIPLET = ("MG I 2P6 3S 3P 3PO", "MG I 2P6 3S 4S 3SE")
_MG_SINGLET = "MG I 2P6 3S 3P 1PO"


@dataclass(frozen=True)
class NlteLine:
    """A diagnostic line: element, air wavelength [Angstrom], labels of its lower and upper level in the model atom."""

    element: str
    wavelength: float
    lower: str
    upper: str


LINES: tuple[NlteLine, ...] = (
    *(NlteLine("Li", x, *_LI) for x in (6707.764, 6707.915, 6707.921, 6708.072)),
    *(NlteLine("Mg", x, *_MG_TRIPLET) for x in (5167.322, 5172.684, 5183.604)),
    NlteLine("Mg", 5528.405, _MG_SINGLET, "MG I 2P6 3S 4D 1DE"),
    NlteLine("Mg", 5711.088, _MG_SINGLET, "MG I 2P6 3S 5S 1SE"),
    *(NlteLine("Na", x, "3p 2P*", "4d 2D") for x in (5682.633, 5688.205)),
    *(NlteLine("Na", x, "3p 2P*", "5s 2S") for x in (6154.226, 6160.747)),
    NlteLine("Si", 5684.484, "3s2.3p.4s 3P*", "3s2.3p.5p 3S"),
    *(NlteLine("Si", x, "3s2.3p.4s 3P*", "3s2.3p.5p 3P") for x in (5665.555, 5690.425, 5701.104, 5708.399)),
    NlteLine("Si", 6331.956, "3s2.3p.4s 1P*", "3s2.3p.5p 1P"),
    NlteLine("Ca", 5188.844, "4s4p-1P*", "4s5d-1D"),
    NlteLine("Ca", 5349.465, "3d4s-1D", "3d4p-1F*"),
    *(NlteLine("Ca", x, "3d4s-3D", "3d4p-3D*") for x in (5581.965, 5588.749, 5590.114, 5594.462, 5601.277)),
    *(NlteLine("Ca", x, "4s4p-3P*", "4s5s-3S") for x in (6102.723, 6122.217, 6162.173)),
    NlteLine("Ca", 6169.563, "3d4s-3D", "4s5p-3P*"),
    *(NlteLine("Ca", x, "3d4s-3D", "3d4p-3F*") for x in (6439.075, 6462.567, 6493.781)),
    NlteLine("Ca", 6449.808, "3d4s-3D", "3d4p-1D*"),
    NlteLine("Ca", 6717.681, "3d4s-1D", "4s5p-1P*"),
)
"""Diagnostic lines; levels of the model atoms are terms, so that lines of a multiplet share them."""


@dataclass(frozen=True)
class LineData:
    """Atomic data of a diagnostic line: log gf with the isotope's share; radiative, Stark and van der Waals damping as in LineTable."""

    line: NlteLine
    log_gf: float
    radiative: float
    stark: float
    waals: float


def lines_of(element: str) -> tuple[NlteLine, ...]:
    """Diagnostic lines of one element."""
    return tuple(line for line in LINES if line.element == element)


def measured_as_one(lines: Sequence[LineData]) -> list[list[LineData]]:
    """Groups of lines with one equivalent width: each line alone, the four of lithium at 6708 Angstrom together."""
    lithium = [data for data in lines if data.line.element == "Li"]
    return [[data] for data in lines if data.line.element != "Li"] + ([lithium] if lithium else [])


def read_line_data(synthesis: Path, element: str) -> tuple[LineData, ...]:
    """Read the data of an element's diagnostic lines from the laboratory list in the folder `synthesis`.

    Raises DataError where the list or a line is missing.
    """
    table = read_lines(synthesis / LABORATORY_LIST)
    out = []
    for line in lines_of(element):
        same = table.species == f"{element} 1"
        near = np.flatnonzero(same & (np.abs(table.wavelength - line.wavelength) < _NEAR_ANGSTROM))
        if not near.size:
            raise DataError(f"{LABORATORY_LIST} holds no line of {element} I at {line.wavelength} Å.")
        k = near[np.argmin(np.abs(table.wavelength[near] - line.wavelength))]
        numbers = (table.log_gf[k], table.radiative[k], table.stark[k], table.waals[k])
        out.append(LineData(line, *(float(x) for x in numbers)))
    return tuple(out)
