"""Which levels of a grid of departures the lines of a list join; lines that find none stay in LTE and are listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..synthesis.line_lists import LineTable
from .departures import Level
from .lines import air_to_vacuum_nm

PER_CM_IN_EV = 1.239841984e-4
NEAR_PER_CM = 40.0
"""Farthest a level may be [1/cm]: line lists give three decimals of eV (8 / cm), terms are split by tens."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Indices of levels (n,) below and above each line, -1 where there is none; `in_lte` (m,) lines without both."""

    lower: NDArray
    upper: NDArray

    @property
    def in_lte(self) -> NDArray:
        return np.flatnonzero((self.lower < 0) | (self.upper < 0))


def match_lines(lines: LineTable, levels: Sequence[Level], near: float = NEAR_PER_CM) -> Matches:
    """The nearest levels in energy, of the lines' ion, within `near` [1/cm]; levels without an energy match nothing.

    A level may stand for a whole term: then `near` must be as wide as the term is split.
    """
    return match_energies(lines.wavelength, lines.excitation, lines.ion, levels, near)


def match_energies(
    wavelength: NDArray, excitation: NDArray, ion: NDArray, levels: Sequence[Level], near: float = NEAR_PER_CM
) -> Matches:
    """The same for lines (n,) by their air wavelength [Angstrom], excitation [eV] and ion from 1."""
    low = excitation / PER_CM_IN_EV
    high = low + 1e7 / air_to_vacuum_nm(wavelength)
    return Matches(_nearest(low, ion, levels, near), _nearest(high, ion, levels, near))


def _nearest(energy: NDArray, ion: NDArray, levels: Sequence[Level], near: float) -> NDArray:
    """Index of the level nearest to each energy (n,) [1/cm] above the ground state of its ion."""
    out = np.full(energy.size, -1)
    for charge in np.unique(ion):
        of_ion = [i for i, x in enumerate(levels) if x.ion == charge - 1 and np.isfinite(x.energy)]
        if not of_ion:
            continue
        here = np.flatnonzero(ion == charge)
        own = np.array([levels[i].energy for i in of_ion])
        distance = np.abs(energy[here, None] - (own - own.min()))
        best = distance.argmin(1)
        out[here] = np.where(distance.min(1) <= near, np.array(of_ion)[best], -1)
    return out
