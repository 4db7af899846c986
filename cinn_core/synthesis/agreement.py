"""Comparison of a synthesis code with a grid file: differences in flux, star by star, and the lines where they are largest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ..instrument import FWHM_PER_SIGMA, MODEL_FWHM_KMS, RESOLVING_POWER, fwhm_kms
from .abundances import SOLAR_ABUNDANCES
from .engine import GRID_STEP_KMS, Engine, to_grid
from .grid_file import Grid, synthesis_labels
from .line_lists import LineTable

_AGREES = 1e-4
_REACH_ANGSTROM, _APART_ANGSTROM, _CORE_ANGSTROM = 2.0, 1.0, 0.12
_HALPHA, _HALPHA_REACH = 6562.8, 15.0
_THETA = 1.0  # 5040 K / T at which lines are ranked by strength
_MOLECULE_DENSITY = {"MgH": 3.5, "C2": 2.5, "CN": 3.0}  # as A(X), about those of the Sun's line-forming layers


@dataclass(frozen=True)
class FluxAgreement:
    """Flux of one star, synthesised again, minus that of a grid file, as a fraction of the continuum.

    index and labels of the star; rms and largest |difference| at R = 60 000; `scatter`, the standard deviation of
    `difference` (m,), which is at R = 20 000; seconds of the synthesis.
    """

    index: int
    teff: float
    logg: float
    feh: float
    rms: float
    largest: float
    scatter: float
    seconds: float
    difference: NDArray


@dataclass(frozen=True)
class WorstLine:
    """A wavelength [Angstrom] where two codes differ: mean |difference| over stars, the strongest line there, likely reason."""

    wavelength: float
    mean_difference: float
    species: str
    reason: str


def agreements(engine: Engine, grid: Grid, n_stars: int) -> Iterator[FluxAgreement]:
    """Synthesise again `n_stars` stars, spread evenly over a grid, and compare each with the grid.

    Fluxes of a grid file are multiples of 1/50 000, so that a perfect match has an rms of 0.0006 %.
    """
    rows = np.unique(np.linspace(0, len(grid) - 1, min(n_stars, len(grid))).round().astype(int))
    labels, flux = synthesis_labels(grid.labels), grid.normalised()[rows].astype(float)
    for i, expected in zip(rows, flux, strict=True):
        started = time.perf_counter()
        difference = to_grid(*engine.synthesise(labels[i])) - expected
        seconds = time.perf_counter() - started
        rms, largest = float(np.sqrt(np.mean(difference**2))), float(np.abs(difference).max())
        teff, logg, feh = (float(value) for value in labels[i, :3])
        smooth = at_instrument_resolution(difference, grid.wavelength)
        scatter = float(smooth.std())
        yield FluxAgreement(int(grid.index[i]), teff, logg, feh, rms, largest, scatter, seconds, smooth)


def at_instrument_resolution(flux: NDArray, wavelength: NDArray) -> NDArray:
    """Spectrum (m,) of a grid on `wavelength` (m,) [Angstrom], degraded from R = 60 000 to 20 000, window by window."""
    fwhm = float(np.sqrt(fwhm_kms(RESOLVING_POWER) ** 2 - MODEL_FWHM_KMS**2))
    cuts = [0, *(np.flatnonzero(np.diff(wavelength) > 1.0) + 1), wavelength.size]
    sigma = fwhm / FWHM_PER_SIGMA / GRID_STEP_KMS
    return np.concatenate([gaussian_filter1d(flux[a:b], sigma, mode="nearest") for a, b in pairwise(cuts)])


def worst_lines(rows: Sequence[FluxAgreement], wavelength: NDArray, lines: LineTable, n: int = 12) -> list[WorstLine]:
    """The `n` wavelengths, 1 Angstrom apart, of the largest mean |difference| over stars, each with its strongest line.

    Fewer where the difference is below 0.01 % elsewhere: there the codes agree.
    """
    mean = np.mean([np.abs(row.difference) for row in rows], 0)
    out: list[WorstLine] = []
    for i in np.argsort(-mean):
        if len(out) == n or mean[i] < _AGREES:
            break
        if all(abs(wavelength[i] - worst.wavelength) > _APART_ANGSTROM for worst in out):
            species, reason = _strongest_line(float(wavelength[i]), lines)
            out.append(WorstLine(float(wavelength[i]), float(mean[i]), species, reason))
    return out


def _strongest_line(at: float, lines: LineTable) -> tuple[str, str]:
    """The line with the largest opacity at a wavelength, and what is known to differ between codes in its core or wing."""
    if abs(at - _HALPHA) < _HALPHA_REACH:
        return "H I", "hydrogen: tables of Stark and self-broadening of its own in each code"
    near = lines.between(at - _REACH_ANGSTROM, at + _REACH_ANGSTROM)
    if not len(near):
        return "", "continuum"
    molecule = [species.split()[0] for species in near.species]
    amount = [
        _MOLECULE_DENSITY.get(name, SOLAR_ABUNDANCES.get(int(number), 0.0))
        for name, number in zip(molecule, near.number, strict=True)
    ]
    distance = near.wavelength - at
    opacity = near.log_gf + amount - _THETA * near.excitation - np.log10(distance**2 + _CORE_ANGSTROM**2)
    first = int(np.argmax(opacity))
    species = f"{near.species[first]} {near.wavelength[first]:.2f}"
    if molecule[first] in _MOLECULE_DENSITY:
        return species, "molecule: dissociation energy and partition functions of its own in each code"
    if abs(distance[first]) > _CORE_ANGSTROM:
        return species, "wing: broadening by collisions with hydrogen and helium of its own in each code"
    if near.waals[first] == 0:
        return species, "no van der Waals constant in the list: Unsöld's approximation, here without the list's factor"
    return species, "core: ionisation and partition functions, and the layers high up, of its own in each code"
