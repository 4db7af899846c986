"""Departure coefficients b(level, depth): interpolated in grids of any origin; and the levels that spectral lines join.

Codes and line lists name levels each in their own way: lines find theirs by term or by energy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..refraction import air_to_vacuum_nm
from .line_lists import LineTable

NODE_COLUMNS = ("teff", "logg", "feh", "abundance")
"""Columns of a grid's nodes: Teff [K], log g [cgs], [Fe/H], A(X)."""
_LOWEST_B = 1e-30  # keeps the logarithm finite where a grid holds zeros
_SAME_NODE = 1e-3  # nodes closer than this in a label are the same
PER_CM_IN_EV = 1.239841984e-4
NEAR_PER_CM = 40.0
"""Largest difference in energy [1/cm] of a matched level: line lists give three decimals of eV (8 / cm), terms are split by tens."""
_CLOSED_SHELLS = ("1s2", "2p6", "3p6")
_SHELL = re.compile(r"(\d{1,2}[spdfghik])(\d?(?![a-z]))", re.IGNORECASE)
_TERM = re.compile(r"(\d[SPDFGHIKL])(\*|O|E)?", re.IGNORECASE)
_NAMED_LEVEL = re.compile(r"\b([A-Z]{2}):([^ ]+) +([^ ]+)")


@dataclass(frozen=True)
class Level:
    """An energy level of an atom: label, energy above the neutral ground state [1/cm], statistical weight, ion (0 neutral).

    Published files that only number their levels leave energy and weight NaN.
    """

    label: str
    energy: float = float("nan")
    weight: float = float("nan")
    ion: int = 0


@dataclass(frozen=True, eq=False)
class Departures:
    """Departure coefficients b (n_levels, n_depths) = n_NLTE / n_LTE of one element in one model atmosphere.

    log_tau (n_depths,) is the log10 optical depth at 5000 Angstrom.

    n_LTE is the population at the same temperature and electron density (Wijbenga & Zwaan 1972). Raises DataError
    for shapes that do not agree, depths that do not increase and b that is negative or not finite.
    """

    element: str
    levels: tuple[Level, ...]
    log_tau: NDArray
    b: NDArray

    def __post_init__(self) -> None:
        if self.b.shape != (len(self.levels), self.log_tau.size):
            raise DataError(
                f"Departure coefficients of {self.element}: b has the shape {self.b.shape}, but there are "
                f"{len(self.levels)} levels and {self.log_tau.size} depths."
            )
        if not (np.isfinite(self.log_tau).all() and (np.diff(self.log_tau) > 0).all()):
            raise DataError(f"Departure coefficients of {self.element}: optical depths must increase inwards.")
        if not (np.isfinite(self.b).all() and (self.b >= 0).all()):
            raise DataError(f"Departure coefficients of {self.element} must be finite and not negative.")

    def on(self, log_tau: NDArray) -> NDArray:
        """Departure coefficients (n_levels, m) at log_tau (m,): log b linear in log tau, constant beyond the ends."""
        log_b = np.log(np.maximum(self.b, _LOWEST_B))
        return np.exp(np.stack([np.interp(log_tau, self.log_tau, row) for row in log_b]))

    def of(self, label: str) -> NDArray:
        """Departure coefficients (n_depths,) of the level with this label. Raises DataError where there is none."""
        matching = [i for i, level in enumerate(self.levels) if level.label == label]
        if not matching:
            raise DataError(
                f"{self.element} has no level {label}; there are {', '.join(x.label for x in self.levels)}."
            )
        return self.b[matching[0]]


@dataclass(frozen=True, eq=False)
class DepartureGrid:
    """A grid of departure coefficients of one element: nodes (n, 4) as NODE_COLUMNS; `load` reads the departures of node i."""

    element: str
    levels: tuple[Level, ...]
    nodes: NDArray
    load: Callable[[int], Departures]

    def at(self, teff: float, logg: float, feh: float, abundance: float, held: bool = False) -> Departures:
        """Departure coefficients at Teff [K], log g [cgs], [Fe/H] and A(X).

        log b is linear in the labels between the models around. Abundances are compared as A(X) - [Fe/H], because
        grids cover a range of [X/Fe] at every metallicity. Raises DataError outside the grid and in its holes; with
        `held` the labels are clipped to the grid, and models around that do not exist are left out.
        """
        axes = [_around(NODE_COLUMNS[k], self.nodes[:, k], value, held) for k, value in enumerate((teff, logg, feh))]
        parts = []
        for (t, a), (g, b), (f, c) in product(*axes):
            here = np.flatnonzero((np.abs(self.nodes[:, :3] - (t, g, f)) < _SAME_NODE).all(1))
            if not here.size and held:
                continue
            if not here.size:
                raise DataError(
                    f"The departure coefficients of {self.element} hold no model at Teff {t:.0f} K, log g {g:.1f}, "
                    f"[Fe/H] {f:+.2f}, needed for Teff {teff:.0f} K, log g {logg:.2f}, [Fe/H] {feh:+.2f}."
                )
            scaled = self.nodes[here, 3] - f
            for x, d in _around("A(X) - [Fe/H]", scaled, abundance - feh, held):
                parts.append((self.load(int(here[np.argmin(np.abs(scaled - x))])), a * b * c * d))
        total = sum(w for _, w in parts)
        if not total > 0:
            raise DataError(
                f"The departure coefficients of {self.element} hold no model near Teff {teff:.0f} K, log g {logg:.2f}."
            )
        log_tau = parts[0][0].log_tau
        log_b = sum(w / total * np.log(np.maximum(model.on(log_tau), _LOWEST_B)) for model, w in parts)
        return Departures(self.element, self.levels, log_tau, np.exp(log_b))


def _around(name: str, values: NDArray, value: float, held: bool) -> list[tuple[float, float]]:
    """Points of an axis on both sides of a value, with weights; points without weight are left out.

    Beyond the ends of the axis: the end where it is held, else DataError.
    """
    axis = np.unique(np.round(values, 6))
    value = float(np.clip(value, axis[0], axis[-1])) if held else value
    if not axis[0] - _SAME_NODE <= value <= axis[-1] + _SAME_NODE:
        raise DataError(
            f"{name} {value:g} is outside the departure coefficients, which cover {axis[0]:g} to {axis[-1]:g}."
        )
    if axis.size == 1:
        return [(float(axis[0]), 1.0)]
    i = int(np.clip(np.searchsorted(axis, value, side="right") - 1, 0, axis.size - 2))
    t = float(np.clip((value - axis[i]) / (axis[i + 1] - axis[i]), 0, 1))
    return [(float(x), w) for x, w in ((axis[i], 1 - t), (axis[i + 1], t)) if w > 0]


class Term(NamedTuple):
    """A term in LS coupling: the shells outside the closed ones, and its name with a star where it is odd: ("3s", "3p"), "1P*"."""

    shells: tuple[str, ...]
    name: str


def term_of(configuration: str, name: str) -> Term | None:
    """Term from a configuration (3p6.4s2, 3d4p, 2P6 3S 4D) and a name (1S, 3D*, 1PO, 1DE); None where they name none."""
    match = _TERM.match(name)
    shells: list[str] = []
    for text in re.split(r"[. ]+", configuration):
        if text.lower() not in _CLOSED_SHELLS:
            for shell, number in _SHELL.findall(text):
                shells += [shell.lower()] * int(number or 1)
    if match is None or not shells:
        return None
    return Term(tuple(shells), match[1].upper() + ("*" if match[2] in ("*", "O", "o") else ""))


def term_of_level(level: Level) -> Term | None:
    """Term of a level from its label: `MG I 2P6 3S 3P 1PO`, `3d4p-1F*`, `3s.3p 1P*`; None for other labels."""
    label = re.sub(r"^[A-Z][A-Za-z]? I+ ", "", level.label)
    configuration, _, name = label.replace("-", " ").rpartition(" ")
    return term_of(configuration, name)


def terms_in(text: str) -> tuple[Term | None, Term | None]:
    """Terms of the lower and upper level that a line's comment names, `Mg I LS:3s.3p 1P* LS:3s.4d 1D`.

    None for a level in another coupling, JK or JJ, which has no term.
    """
    levels = _NAMED_LEVEL.findall(text)
    terms = [term_of(configuration, name) if coupling == "LS" else None for coupling, configuration, name in levels]
    return (terms[0], terms[1]) if len(terms) == 2 else (None, None)


def find_term(term: Term | None, energy: float, ion: int, levels: Sequence[Level], farthest: float) -> int:
    """Index of the level of this term and ion (0 neutral) nearest in energy [1/cm], -1 where none is within `farthest`.

    A level that stands for a whole term lies away from the term's own levels by as much as those are split.
    """
    if term is None:
        return -1
    ground = _zero(ion, levels)
    same = [i for i, level in enumerate(levels) if level.ion == ion and term_of_level(level) == term]
    best = min(same, key=lambda i: abs(levels[i].energy - ground - energy), default=-1)
    return best if best >= 0 and abs(levels[best].energy - ground - energy) <= farthest else -1


IRON_IONS_EV = ((0.0, 0.0499), (7.9024, 0.0516))
"""Of Fe I and Fe II, energies [eV]: ground term above that of Fe I, and the mean of its sublevels above the lowest of them.

Levels of iron's model atom count from that mean, line lists from the lowest sublevel."""
_SAME_TERM_EV = 0.15


class IronLevels:
    """Levels of iron's atom of terms and super-levels, looked up by term and energy."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self._names = [level.label.split(" +")[0] for level in levels]
        self._ion = np.array([level.ion for level in levels])
        self._energy = np.array([level.energy for level in levels]) * PER_CM_IN_EV

    def find(self, term: str, energy: float, ion: int) -> int:
        """Index of the level that holds a term such as z5D* near an energy [eV] in the ion (0 neutral).

        Where no level of that name lies near it is the nearest in energy, which above 5.5 eV stands for many terms.
        """
        ground, mean = IRON_IONS_EV[ion]
        gap = np.where(self._ion == ion, np.abs(self._energy - ground - energy + mean), np.inf)
        ending = f"_{term.replace('*', 'o')}"
        near = np.flatnonzero(gap < _SAME_TERM_EV) if term else ()
        named = [k for k in near if self._names[k].endswith(ending)]
        return int(named[0]) if named else int(np.argmin(gap))


@dataclass(frozen=True, eq=False)
class Matches:
    """Levels that lines join: indices (n,) of the lower and the upper level of each line, -1 where there is none."""

    lower: NDArray
    upper: NDArray

    @property
    def in_lte(self) -> NDArray:
        """Indices (m,) of the lines that lack one of their levels."""
        return np.flatnonzero((self.lower < 0) | (self.upper < 0))


def match_lines(lines: LineTable, levels: Sequence[Level], near: float = NEAR_PER_CM) -> Matches:
    """Match lines to the levels of their ion nearest in energy, within `near` [1/cm]; levels without energy are left out.

    A level may stand for a whole term: then `near` must be as wide as the term is split.
    """
    return match_energies(lines.wavelength, lines.excitation, lines.ion, levels, near)


def match_energies(
    wavelength: NDArray, excitation: NDArray, ion: NDArray, levels: Sequence[Level], near: float = NEAR_PER_CM
) -> Matches:
    """Match lines (n,), given by air wavelength [Angstrom], excitation [eV] and ion from 1, to levels as `match_lines` does."""
    low = excitation / PER_CM_IN_EV
    high = low + 1e7 / air_to_vacuum_nm(wavelength)
    return Matches(_nearest(low, ion, levels, near), _nearest(high, ion, levels, near))


def _zero(ion: int, levels: Sequence[Level]) -> float:
    """Energy [1/cm] from which line lists count in an ion: its lowest level, in the neutral atom 0, below the mean of its ground term."""
    return min((level.energy for level in levels if level.ion == ion), default=0.0) if ion else 0.0


def _nearest(energy: NDArray, ion: NDArray, levels: Sequence[Level], near: float) -> NDArray:
    """Index of the level nearest to each energy (n,) [1/cm] above the ground state of its ion."""
    out = np.full(energy.size, -1)
    for charge in np.unique(ion):
        of_ion = [i for i, x in enumerate(levels) if x.ion == charge - 1 and np.isfinite(x.energy)]
        if not of_ion:
            continue
        here = np.flatnonzero(ion == charge)
        own = np.array([levels[i].energy for i in of_ion]) - _zero(int(charge) - 1, levels)
        distance = np.abs(energy[here, None] - own)
        best = distance.argmin(1)
        out[here] = np.where(distance.min(1) <= near, np.array(of_ion)[best], -1)
    return out
