"""Multiplets, the lines between terms: one line of a model atom with a profile of several components.

A term is one level of the model atoms: its population is shared among the sublevels by weight. With a multiplet as one
single line its whole opacity would be at one wavelength, too optically thick to lose the photons that separate lines lose.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from math import factorial, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import wofz

from ..errors import DataError
from . import load_lightweaver

_LIGHT = 2.99792458e8
_TYPICAL_SPEED = 3e3  # m/s, Lightweaver's unit of wavelengths about a line
_WIDEST = 10.0  # ratio of the gap of two terms to their splitting below which a line is not split: far infrared
_RESOLVED = 0.3  # in units of that speed: a line with components closer than this is not split
LETTERS = "SPDFGHIKL"
"""Letters of the orbital quantum numbers L from 0."""


@dataclass(frozen=True)
class SplitTerm:
    """A term with its sublevels: multiplicity 2S + 1, orbital L, and energies [1/cm] of the sublevels by J."""

    multiplicity: int
    orbital: int
    energies: Mapping[float, float]

    @property
    def mean(self) -> float:
        """Mean energy [1/cm] of the sublevels, weighted by 2J + 1."""
        total = sum((2 * j + 1) * energy for j, energy in self.energies.items())
        return total / sum(2 * j + 1 for j in self.energies)


def read_terms(path: Path) -> dict[str, SplitTerm]:
    """Read the terms with more than one sublevel, by names as 3s3p-3P*, from a list of NIST's levels.

    Raises DataError for a file that is missing or not such a list.
    """
    sublevels: dict[str, dict[float, float]] = {}
    try:
        with path.open() as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if row["J"].replace("/", "").isdigit() and row["Term"][:1].isdigit():
                    shells = [
                        shell for shell in row["Configuration"].split(".") if not shell.startswith(("2p6", "3p6"))
                    ]
                    name = f"{''.join(shells)}-{row['Term']}"
                    sublevels.setdefault(name, {})[_number(row["J"])] = float(row["Level (cm-1)"].strip(" []()?"))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} is not a list of NIST's levels: {error}.") from error
    terms = {}
    for name, energies in sublevels.items():
        term = name.rsplit("-", 1)[1]
        if len(energies) > 1 and len(term) > 1 and term[1] in LETTERS:
            terms[name] = SplitTerm(int(term[0]), LETTERS.index(term[1]), energies)
    return terms


def _number(text: str) -> float:
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def split_lines(atom: Any, terms: Mapping[int, SplitTerm], singles: Mapping[int, tuple[int, int]]) -> None:
    """Replace the lines of Lightweaver's AtomicModel between split levels by multiplets.

    terms: level -> its term; singles: level -> (2S + 1, L) of terms that are not split by a measurable amount.
    Lines between different multiplicities do not change.
    """
    atom.lines = [_split(atom, line, terms, singles) for line in atom.lines]


def _split(atom: Any, line: Any, terms: Mapping[int, SplitTerm], singles: Mapping[int, tuple[int, int]]) -> Any:
    lower, upper = (_term(k, terms, singles) for k in (line.i, line.j))
    if lower is None or upper is None or lower.multiplicity != upper.multiplicity or lower.multiplicity == 1:
        return line
    if abs(lower.orbital - upper.orbital) > 1:
        return line
    gap = atom.levels[line.j].E - atom.levels[line.i].E
    shift, strength = components(lower, upper)
    if gap < _WIDEST * np.abs(shift).max():
        return line
    ratio = gap / (gap + shift)  # of wavelengths
    if np.ptp(ratio) * _LIGHT < _RESOLVED * _TYPICAL_SPEED:
        return line
    return _multiplet_class()(
        j=line.j, i=line.i, f=line.f, type=line.type, broadening=line.broadening, ratio=ratio, strength=strength,
        quadrature=_wavelengths(line.quadrature, ratio, 1e7 / gap),
    )  # fmt: skip


def _term(level: int, terms: Mapping[int, SplitTerm], singles: Mapping[int, tuple[int, int]]) -> SplitTerm | None:
    if level in terms:
        return terms[level]
    if level not in singles:
        return None
    multiplicity, orbital = singles[level]
    spin = (multiplicity - 1) / 2
    return SplitTerm(
        multiplicity, orbital, {j: 0.0 for j in np.arange(abs(orbital - spin), orbital + spin + 1).tolist()}
    )


def components(lower: SplitTerm, upper: SplitTerm) -> tuple[NDArray, NDArray]:
    """Shifts (k,) [1/cm] from the multiplet's mean wavenumber and shares (k,) of its strength, in LS coupling.

    S(J, J') goes as (2J + 1)(2J' + 1) {L J S; J' L' 1}^2 (Condon & Shortley 1935).
    """
    spin = (lower.multiplicity - 1) / 2
    shifts, shares = [], []
    for j, low in lower.energies.items():
        for k, high in upper.energies.items():
            share = (2 * j + 1) * (2 * k + 1) * six_j(lower.orbital, j, spin, k, upper.orbital, 1) ** 2
            if share > 0:
                shifts.append((high - upper.mean) - (low - lower.mean))
                shares.append(share)
    return np.array(shifts), np.array(shares) / sum(shares)


def six_j(a: float, b: float, c: float, d: float, e: float, f: float) -> float:
    """Wigner's 6j symbol {a b c; d e f} by Racah's formula; zero where a triangle does not close."""
    triads = ((a, b, c), (a, e, f), (d, b, f), (d, e, c))
    if any(not abs(x - y) <= z <= x + y or (x + y + z) % 1 for x, y, z in triads):
        return 0.0
    front = sqrt(float(np.prod([_triangle(*triad) for triad in triads])))
    sums = [round(x + y + z) for x, y, z in triads]
    pairs = [round(a + b + d + e), round(b + c + e + f), round(c + a + f + d)]
    total = 0.0
    for t in range(max(sums), min(pairs) + 1):
        below = np.prod([float(factorial(t - x)) for x in sums]) * np.prod([float(factorial(x - t)) for x in pairs])
        total += (-1) ** t * factorial(t + 1) / float(below)
    return front * total


def _triangle(a: float, b: float, c: float) -> float:
    top = factorial(round(a + b - c)) * factorial(round(a - b + c)) * factorial(round(b + c - a))
    return top / factorial(round(a + b + c) + 1)


def _wavelengths(quadrature: Any, ratio: NDArray, centre_nm: float) -> Any:
    """Wavelengths around every component, as many as the single line had; offsets from the mean wavelength."""
    from lightweaver.atomic_model import TabulatedQuadrature

    quadrature.setup(None)
    about = quadrature.doppler_units(None) * _TYPICAL_SPEED / _LIGHT
    points = np.unique(np.round((ratio[:, None] * (1 + about) - 1).ravel(), 8))
    return TabulatedQuadrature((centre_nm * points).tolist())


def _multiplet_class() -> Any:
    """Class of a Lightweaver line whose profile is the sum of its components; defined when needed, as Lightweaver is optional."""
    load_lightweaver()
    from lightweaver.atomic_model import LineProfileResult, VoigtLine

    @dataclass(eq=False)
    class Multiplet(VoigtLine):
        ratio: Any = None
        strength: Any = None

        def __repr__(self) -> str:
            return f"{super().__repr__()[:-1]}, components={len(self.ratio)})"

        def __hash__(self) -> int:
            return hash(repr(self))

        def compute_phi(self, state: Any) -> Any:
            speed = self.atom.vBroad(state.atmos) if state.vBroad is None else state.vBroad
            damping, elastic = self.damping(state.atmos, state.eqPops, vBroad=speed)
            wavelength = np.asarray(state.wavelength)[:, None]
            phi = np.zeros((wavelength.shape[0], speed.size))
            for ratio, share in zip(self.ratio, self.strength, strict=True):
                offset = (wavelength / (ratio * self.lambda0) - 1) * _LIGHT / speed
                phi += share * wofz(offset + 1j * damping).real / (np.sqrt(np.pi) * speed)
            rays = state.vlosMu.shape[0]
            whole = np.broadcast_to(phi[:, None, None, :], (phi.shape[0], rays, 2, phi.shape[1]))
            return LineProfileResult(phi=np.ascontiguousarray(whole), aDamp=damping, Qelast=elastic)

    return Multiplet
