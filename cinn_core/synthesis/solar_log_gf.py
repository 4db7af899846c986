"""log gf for another physics: shifts with which the Sun's spectrum is what it was with the list calibrated in LTE on ATLAS9.

The calibrated log gf hold what LTE and ATLAS9 get wrong in the Sun. In a better physics the same lines are shifted until
the Sun's spectrum at R = 60 000 is as before: by Gauss-Newton steps over all calibrated lines at once. The derivatives
come from spectra in which lines more than a width apart are shifted together. Each shift has a normal prior, so that what
the spectrum says nothing about stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, identity
from scipy.sparse.linalg import spsolve

from .engine import Engine, grid_wavelength, labels_from, to_grid
from .line_lists import LineTable, read_lines

CALIBRATED_LIST, LABORATORY_LIST = "atoms.list.gz", "atoms_original.list.gz"
"""Line lists of DATA/synthesis: calibrated log gf, which contain the NLTE effect in the Sun, and those of the laboratory."""
SUN = {"teff": 5772.0, "logg": 4.44, "vmic": 1.0}
"""Labels of the Sun on which log gf were calibrated."""
_APART_ANGSTROM = 1.2  # lines of one spectrum of derivatives; a line reaches half of it to both sides
_TRIAL_DEX, _PRIOR_DEX, _FLUX_ERROR = 0.1, 0.3, 0.003
_LARGEST_DEX = 1.0
_SAME_DEX = 5e-4

Shifts = Mapping[tuple[str, float], float]
"""Shift of log gf [dex] by species ("Mg I") and wavelength as listed."""


def calibrated_keys(synthesis: Path) -> list[tuple[str, float]]:
    """Species and wavelengths, increasing, of the lines whose log gf were calibrated on the Sun.

    Those that the laboratory list has with another log gf, or lacks; `synthesis` is the folder of both lists. Raises
    DataError where one is missing.
    """
    own, laboratory = (read_lines(synthesis / name) for name in (CALIBRATED_LIST, LABORATORY_LIST))
    known: dict[tuple[str, float, float], list[float]] = {}
    for key, log_gf in zip(_rows(laboratory), laboratory.log_gf.tolist(), strict=True):
        known.setdefault(key, []).append(log_gf)
    moved = {
        key[:2]
        for key, log_gf in zip(_rows(own), own.log_gf.tolist(), strict=True)
        if min((abs(log_gf - other) for other in known.get(key, [])), default=1.0) > _SAME_DEX
    }
    return sorted(moved, key=lambda key: key[1])


def _rows(lines: LineTable) -> list[tuple[str, float, float]]:
    roman = [f"{symbol} {'I' * int(ion)}" for symbol, ion in (x.split() for x in lines.species.tolist())]
    return list(zip(roman, lines.wavelength.tolist(), lines.excitation.tolist(), strict=True))


def solar_log_gf(
    keys: list[tuple[str, float]],
    wanted: NDArray,
    open_shifted: Callable[[Shifts], Engine],
    steps: int = 3,
    report: Callable[[str], None] = lambda text: None,
) -> dict[tuple[str, float], float]:
    """Shifts of log gf [dex] of the lines `keys` with which an engine gives the Sun the flux `wanted` (32483,).

    `open_shifted` opens the engine with some shifts. The derivatives are taken once, without shifts: some twenty spectra.
    """
    sun, wavelength = labels_from(SUN), grid_wavelength()
    centres = np.array([key[1] for key in keys])

    def flux(shift: NDArray) -> NDArray:
        given = {key: round(float(x), 4) for key, x in zip(keys, shift, strict=True) if abs(x) > _SAME_DEX / 10}
        return to_grid(*open_shifted(given).synthesise(sun))

    start = flux(np.zeros(len(keys)))
    groups = _groups(centres)
    rows, columns, values = [], [], []
    for g in range(groups.max() + 1):
        report(f"Derivatives, spectrum {g + 1} of {groups.max() + 1}")
        change = (flux(np.where(groups == g, _TRIAL_DEX, 0.0)) - start) / _TRIAL_DEX
        for j in np.flatnonzero(groups == g):
            near = np.flatnonzero(np.abs(wavelength - centres[j]) < 0.5 * _APART_ANGSTROM)
            rows.append(near)
            columns.append(np.full(near.size, j))
            values.append(change[near])
    shape = (wavelength.size, len(keys))
    derivative = csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape)
    precision = derivative.T @ derivative / _FLUX_ERROR**2 + identity(len(keys)) / _PRIOR_DEX**2
    shift, now = np.zeros(len(keys)), start
    for step in range(steps):
        report(f"Step {step}: rms of the difference {np.std(now - wanted):.5f}")
        slope = derivative.T @ (wanted - now) / _FLUX_ERROR**2 - shift / _PRIOR_DEX**2
        shift = np.clip(shift + spsolve(precision.tocsc(), slope), -_LARGEST_DEX, _LARGEST_DEX)
        now = flux(shift)
    report(f"In the end: rms of the difference {np.std(now - wanted):.5f}")
    return {key: round(float(x), 4) for key, x in zip(keys, shift, strict=True)}


def _groups(centres: NDArray) -> NDArray:
    """Group (n,) of each line, wavelengths (n,) increasing, so that lines of one group lie apart."""
    last: list[float] = []
    out = np.empty(centres.size, int)
    for j, centre in enumerate(centres):
        free = [g for g, end in enumerate(last) if centre - end > _APART_ANGSTROM]
        if free:
            out[j] = free[0]
            last[free[0]] = centre
        else:
            out[j] = len(last)
            last.append(centre)
    return out
