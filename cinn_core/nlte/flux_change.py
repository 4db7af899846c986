"""Change of a star's spectrum by NLTE: NLTE - LTE flux of the lines of Li, Mg and Ca at R = 60 000, with Turbospectrum.

Blends are included. The two spectra differ in source function and opacity of the lines whose levels are in the tables of
departures, and in log gf: those of most Mg and Ca lines were calibrated on the Sun in LTE, so that they contain the NLTE
effect in the Sun, and in NLTE it would be counted twice. In the NLTE spectrum each of them is therefore shifted until the
line has in the Sun the equivalent width that it has in LTE as calibrated (`solar_shifts`). The fit of the observed Sun
does not change, and lines of other stars change by the difference of their NLTE effect from that in the Sun. In the Sun
itself the shape of the profiles changes: cores are deeper, flanks shallower. Lines with laboratory log gf (Li, the Mg
triplet) change by their whole NLTE effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..synthesis.engine import at_resolution, grid_wavelength, labels_from
from ..synthesis.line_lists import read_lines
from ..synthesis.solar_log_gf import CALIBRATED_LIST, LABORATORY_LIST, SUN, Shifts
from ..synthesis.turbospectrum import Turbospectrum

WINDOWS: dict[str, tuple[tuple[float, float], ...]] = {
    "Mg": ((5153.0, 5209.0), (5525.0, 5532.0), (5709.0, 5714.0)),
    "Ca": (
        (5259.5, 5272.5), (5347.5, 5351.5), (5510.5, 5515.0), (5579.5, 5605.0), (5714.0, 5719.0), (6096.0, 6109.0),
        (6118.0, 6127.0), (6154.5, 6173.0), (6436.0, 6443.0), (6447.0, 6458.0), (6460.0, 6474.0), (6491.0, 6502.0),
        (6506.5, 6511.0), (6570.5, 6575.0), (6715.0, 6720.0),
    ),
    "Li": ((6705.0, 6711.0),),
}  # fmt: skip
"""Air wavelengths [Angstrom] in which the lines of an element change; those of the Mg triplet hold Ca 5189 too, Li's Ca 6710."""
_MARGIN_ANGSTROM = 1.0
_LINE_ANGSTROM = (0.2, 1.2)  # half the width over which a line's equivalent width in the Sun is taken, see `_widths`
_TRIAL_DEX, _LARGEST_DEX, _STEPS = 0.1, 0.5, 1
_MEASURABLE_ANGSTROM = 5e-5  # change of equivalent width by the trial shift; the log gf of weaker lines does not change


@dataclass(frozen=True)
class CalibratedLine:
    """A line with calibrated log gf: species ("Ca I"), air wavelength [Angstrom], log gf calibrated and of the laboratory."""

    species: str
    wavelength: float
    log_gf: float
    laboratory: float


def calibrated_lines(synthesis: Path, elements: tuple[str, ...] = ("Mg", "Ca")) -> tuple[CalibratedLine, ...]:
    """Neutral lines of some elements, by wavelength, whose log gf differ between the calibrated and the laboratory list.

    `synthesis` is the folder of the line lists. Raises DataError where one is missing.
    """
    own, original = (read_lines(synthesis / name) for name in (CALIBRATED_LIST, LABORATORY_LIST))
    out = []
    for element in elements:
        listed = original.species == f"{element} 1"
        for i in np.flatnonzero(own.species == f"{element} 1"):
            near = listed & (np.abs(original.wavelength - own.wavelength[i]) < 5e-4)
            same = original.log_gf[near & (np.abs(original.excitation - own.excitation[i]) < 5e-4)]
            if same.size and np.abs(same - own.log_gf[i]).min() > 5e-4:
                laboratory = float(same[np.argmin(np.abs(same - own.log_gf[i]))])
                out.append(CalibratedLine(f"{element} I", float(own.wavelength[i]), float(own.log_gf[i]), laboratory))
    return tuple(sorted(out, key=lambda line: line.wavelength))


def windows_of(elements: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    """Windows of some elements in order of wavelength [air Angstrom]."""
    return tuple(sorted(window for element in elements for window in WINDOWS[element]))


def in_windows(elements: tuple[str, ...]) -> NDArray:
    """Mask (32483,) of the wavelengths of the grid in the windows of some elements."""
    wavelength = grid_wavelength()
    return np.any([(wavelength >= low) & (wavelength <= high) for low, high in windows_of(elements)], 0)


def restrict_to_windows(engine: Turbospectrum, elements: tuple[str, ...]) -> Turbospectrum:
    """The engine restricted to the windows of some elements, which takes a third of the time."""
    segments: list[tuple[float, float]] = []
    for low, high in ((a - _MARGIN_ANGSTROM, b + _MARGIN_ANGSTROM) for a, b in windows_of(elements)):
        if segments and low <= segments[-1][1]:
            segments[-1] = (segments[-1][0], high)
        else:
            segments.append((low, high))
    return replace(engine, windows=((segments[0][0], segments[-1][1]),), segments=tuple(segments))


def flux_change(labels: NDArray, lte: Turbospectrum, nlte: Turbospectrum) -> NDArray:
    """NLTE - LTE flux over continuum (32483,) on the grid's wavelengths at R = 60 000, 0 outside the windows.

    labels (25,); both engines are those of `restrict_to_windows`, the NLTE one with the shifts of `solar_shifts`. Raises
    SynthesisError where a spectrum or the departures are missing.
    """
    lte_wavelength, lte_flux = lte.synthesise(labels)
    wavelength, flux = nlte.synthesise(labels)
    same = np.array_equal(wavelength, lte_wavelength)
    difference = flux - (lte_flux if same else np.interp(wavelength, lte_wavelength, lte_flux))
    grid, elements = grid_wavelength(), tuple(element.symbol for element in nlte.nlte)
    out = np.zeros(grid.size)
    windows = in_windows(elements)
    cuts = [0, *(np.flatnonzero(np.diff(wavelength) > 0.5 * _MARGIN_ANGSTROM) + 1), wavelength.size]
    for part in (slice(a, b) for a, b in pairwise(cuts)):
        inside = windows & (grid > wavelength[part][0]) & (grid < wavelength[part][-1])
        out[inside] = at_resolution(wavelength[part], difference[part], grid[inside])
    return out


def solar_shifts(
    lines: tuple[CalibratedLine, ...], lte: Turbospectrum, in_nlte: Callable[[Shifts], Turbospectrum]
) -> dict[tuple[str, float], float]:
    """Shifts of log gf [dex] that give calibrated lines in the NLTE Sun the equivalent widths of the LTE Sun.

    `in_nlte` opens the NLTE engine with some shifts. Secant steps, all lines at once; within 0.5 dex. Lines outside the
    windows and lines in LTE, without levels, have no shift; lines that are not measurable in the Sun have 0.
    """
    sun = labels_from(SUN)
    first = in_nlte({})
    shifted = [
        line
        for line in lines
        if f"{line.species} {line.wavelength:.3f}" not in first.in_lte
        and any(low < line.wavelength < high for low, high in windows_of(tuple(x.symbol for x in first.nlte)))
    ]
    keys = [(line.species, line.wavelength) for line in shifted]
    lte_width = _widths(shifted, *lte.synthesise(sun))
    shift, width = np.zeros(len(shifted)), _widths(shifted, *first.synthesise(sun))
    step = np.full(len(shifted), _TRIAL_DEX)
    measurable = np.ones(len(shifted), bool)
    for i in range(1 + _STEPS):
        new_width = _widths(shifted, *in_nlte(dict(zip(keys, shift + step, strict=True))).synthesise(sun))
        change = new_width - width
        if i == 0:
            measurable = change > _MEASURABLE_ANGSTROM
        changes = np.abs(change) > 1e-7
        further = np.where(changes, step * (lte_width - new_width) / np.where(changes, change, 1.0), 0.0)
        shift, width = shift + step, new_width
        step = np.clip(shift + further, -_LARGEST_DEX, _LARGEST_DEX) - shift
    shift = np.where(measurable, shift + step, 0.0)
    return {key: round(float(x), 4) for key, x in zip(keys, shift, strict=True)}


def _widths(lines: list[CalibratedLine], wavelength: NDArray, flux: NDArray) -> NDArray:
    """Equivalent widths (n,) [Angstrom] of the lines, each integrated half way to the next line, 1.2 Angstrom at most."""
    out = []
    centres = np.array([line.wavelength for line in lines])
    for line in lines:
        apart = np.abs(centres - line.wavelength)
        half = 0.5 * np.min(apart, where=apart > 0, initial=2 * _LINE_ANGSTROM[1])
        near = np.abs(wavelength - line.wavelength) < max(half, _LINE_ANGSTROM[0])
        out.append(np.trapezoid(1 - flux[near], wavelength[near]))
    return np.array(out)
