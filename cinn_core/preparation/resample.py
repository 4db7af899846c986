"""Resampling from native pixels to those of 4MOST: gaps filled and remembered, resolving power lowered, flux conserved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ..errors import SpectrumError
from ..instrument import ARMS, FWHM_PER_SIGMA, RESOLVING_POWER, SPEED_OF_LIGHT_KMS, arm_coverage, fwhm_kms
from ..rebin import covered, log_edges, rebin
from ..stages import Step
from ..statistics import median

LOWEST_RESOLVING_POWER = 18_500.0
AS_IT_IS = 21_500.0
"""Up to this resolving power a spectrum counts as R = 20 000 already."""

MAX_BAD_SHARE = 0.08
"""An output pixel is missing when more than this share of its light (after smoothing) comes from bad native pixels."""

_FINE_KMS = 1.0


@dataclass(frozen=True, eq=False)
class Regular:
    """Native pixels without gaps: wavelength (n,), flux (..., n) with bad pixels interpolated, good (..., n) share 0 or 1."""

    wavelength: NDArray
    flux: NDArray
    good: NDArray


def remainder_fwhm(native_resolving_power: float) -> float:
    """FWHM [km/s] of the Gaussian that takes the native resolving power to 20 000; 0 where it is 20 000 already.

    Raises SpectrumError below R = 18 500: resolution cannot be added.
    """
    if native_resolving_power < LOWEST_RESOLVING_POWER:
        raise SpectrumError(
            f"This spectrum has resolving power {native_resolving_power:.0f}; the model needs at least {LOWEST_RESOLVING_POWER:.0f}, "
            "and resolution cannot be added. Load a spectrum of higher resolution."
        )
    if native_resolving_power <= AS_IT_IS:
        return 0.0
    return float(np.sqrt(fwhm_kms(RESOLVING_POWER) ** 2 - fwhm_kms(native_resolving_power) ** 2))


def without_gaps(wavelength: NDArray, flux: NDArray, good: NDArray) -> Regular:
    """Put pixels where the wavelengths (n,) jump, interpolate each flux (..., n) over its bad pixels, remember which they are."""
    step = np.diff(wavelength)
    usual = median(step)
    inserts = [
        (i, np.arange(wavelength[i] + usual, wavelength[i + 1] - 0.5 * usual, usual))
        for i in np.flatnonzero(step > 2.5 * usual)
    ]
    if inserts:
        at = np.concatenate([np.full(new.size, i + 1) for i, new in inserts])
        wavelength = np.insert(wavelength, at, np.concatenate([new for _, new in inserts]))
        flux, good = np.insert(flux, at, 0.0, axis=-1), np.insert(good, at, False, axis=-1)
    flux = np.array(flux, float)
    for row, known in zip(flux.reshape(-1, wavelength.size), good.reshape(-1, wavelength.size), strict=True):
        row[~known] = np.interp(wavelength[~known], wavelength[known], row[known])
    return Regular(wavelength, flux, good.astype(float))


def to_instrument(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float
) -> tuple[NDArray, NDArray]:
    """Flux (N_PIXELS,) at R = 20 000 and mask (N_PIXELS,) bool from native pixels (n,) at rest in air, arm by arm."""
    fwhm = remainder_fwhm(native_resolving_power)
    pieces = [_arm(wavelength, flux, good, arm.edges, fwhm) for arm in ARMS]
    return np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces])


def degrade_step(native_resolving_power: float, good: NDArray) -> Step:
    """Ledger's entry of `to_instrument`, with the coverage of its good pixels (N_PIXELS,)."""
    fwhm = remainder_fwhm(native_resolving_power)
    coverage = {f"coverage_{a.name}": float(c) for a, c in zip(ARMS, arm_coverage(good), strict=True)}
    reason = (
        f"Gaussian of FWHM {fwhm:.2f} km/s, the remainder from R = {native_resolving_power:.0f} to {RESOLVING_POWER:.0f}; "
        "then flux-conserving means in 0.1 Angstrom"
        if fwhm > 0
        else f"R = {native_resolving_power:.0f} is 4MOST's already: no smoothing; flux-conserving means in 0.1 Angstrom"
    )
    return Step("degrade and rebin", reason, {"fwhm_kms": fwhm, **coverage})


def _arm(wavelength: NDArray, flux: NDArray, good: NDArray, edges: NDArray, fwhm: float) -> tuple[NDArray, NDArray]:
    margin = 3.0
    near = (wavelength > edges[0] - margin) & (wavelength < edges[-1] + margin)
    if (near & good).sum() < 20:
        return np.ones(edges.size - 1), np.zeros(edges.size - 1, bool)
    native = without_gaps(wavelength[near], flux[near], good[near])
    if fwhm == 0:
        enough = covered(native.wavelength, native.good, edges) >= 1 - MAX_BAD_SHARE
        return rebin(native.wavelength, native.flux, edges), enough
    fine = log_edges(edges[0] - margin, edges[-1] + margin, _FINE_KMS)
    centre = 0.5 * (fine[1:] + fine[:-1])
    sigma = np.hypot(fwhm / FWHM_PER_SIGMA, _pixel_sigma_kms(native.wavelength)) / _FINE_KMS
    smooth, share = (
        gaussian_filter1d(values, sigma, mode="nearest", truncate=5.0)
        for values in (rebin(native.wavelength, native.flux, fine), covered(native.wavelength, native.good, fine))
    )
    return rebin(centre, smooth, edges), covered(centre, share, edges) >= 1 - MAX_BAD_SHARE


def _pixel_sigma_kms(wavelength: NDArray) -> float:
    """Width that `rebin` takes off a line, as a sigma [km/s]: it undoes the mean over the file's own pixel.

    A resolving power, stated or measured, is that of the lines as they are in the file, pixel included.
    """
    step = float(np.median(np.diff(wavelength)) / np.median(wavelength)) * SPEED_OF_LIGHT_KMS
    return step / np.sqrt(12.0)
