"""What a real spectrum adds to a simulated one: errors of velocity, resolution, continuum and model, and missing pixels."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..instrument import ARMS, LITHIUM_ANGSTROM, N_PIXELS, SPEED_OF_LIGHT_KMS, TELLURIC_OXYGEN, WAVELENGTH, arm_slices
from .model_error import HALPHA_BUMP_ANGSTROM, HALPHA_BUMP_SHARE, halpha_bumps, shipped_model_error

VELOCITY_ERROR_KMS = 1.0
RESOLVING_POWER_RANGE = (18_500.0, 21_500.0)
CONTINUUM_ERROR = 0.01
CONTINUUM_ORDER = 9
RIPPLE_ERROR, RIPPLE_ANGSTROM = 0.003, 8.0
"""Error of the continuum that echelle orders and hand-drawn normalisations leave at the scale of a few Angstrom: typical
rms, as fits of real spectra show it in pixels without lines, and correlation length (sigma of a Gaussian)."""
RIPPLE_RANGE = (0.5, 2.0)
"""Size of a star's ripples in units of that, log-uniform."""
MODEL_ERROR_RANGE = (0.7, 2.0)
"""Size of a star's model error in units of the one measured on real stars, log-uniform: others may be fitted worse."""
DILUTION, SATURATION = 0.01, 0.04
"""Errors common to all lines of a star, standard deviations: scattered light as a share of every line's depth, and what
cores formed high up (NLTE, three-dimensional motions) add to deep lines and take from shallow ones."""
LITHIUM_GAP_SHARE = 0.1
"""Share of incomplete patterns with a narrow gap right at the lithium line, so that the network learns to say so."""
_MAX_VELOCITY_KMS = 300.0


def continuum_errors(n: int, rng: np.random.Generator) -> NDArray:
    """Smooth factors (n, N_PIXELS) around 1 with an rms of 1 %: Legendre series of order 9 in each arm."""
    out = np.empty((n, N_PIXELS), np.float32)
    for part in arm_slices():
        x = np.linspace(-1, 1, part.stop - part.start)
        shapes = np.polynomial.legendre.legvander(x, CONTINUUM_ORDER)
        scale = np.sqrt(2 * np.arange(CONTINUUM_ORDER + 1) + 1) * 0.75 ** np.arange(CONTINUUM_ORDER + 1)
        scale *= CONTINUUM_ERROR / np.sqrt((scale**2 / (2 * np.arange(CONTINUUM_ORDER + 1) + 1)).sum())
        out[:, part] = 1 + (rng.standard_normal((n, CONTINUUM_ORDER + 1)) * scale) @ shapes.T
    return out


@cache
def ripple_shapes() -> NDArray:
    """Shapes (m, N_PIXELS) float32, Gaussians a correlation length apart in each arm; unit normal amplitudes give unit variance."""
    rows = []
    for part, arm in zip(arm_slices(), ARMS, strict=True):
        centres = np.arange(arm.low - 2 * RIPPLE_ANGSTROM, arm.high + 2 * RIPPLE_ANGSTROM, RIPPLE_ANGSTROM)
        shapes = np.zeros((centres.size, N_PIXELS), np.float32)
        shapes[:, part] = np.exp(-0.5 * ((WAVELENGTH[part] - centres[:, None]) / RIPPLE_ANGSTROM) ** 2)
        shapes[:, part] /= np.sqrt((shapes[:, part] ** 2).sum(0))
        rows.append(shapes)
    return np.concatenate(rows)


def normalisation_errors(flux: NDArray, rng: np.random.Generator) -> NDArray:
    """Factors (n, N_PIXELS) that normalising leaves in spectra (n, N_PIXELS): smooth ones, ripples, bumps at Halpha."""
    n = len(flux)
    ripple = RIPPLE_ERROR * np.exp(rng.uniform(*np.log(RIPPLE_RANGE), (n, 1)))
    amplitudes = (ripple * rng.standard_normal((n, len(ripple_shapes())))).astype(np.float32)
    shares = rng.normal(0, HALPHA_BUMP_SHARE, (len(HALPHA_BUMP_ANGSTROM), n, 1)).astype(np.float32)
    return continuum_errors(n, rng) * (1 + amplitudes @ ripple_shapes() + (shares * halpha_bumps(flux)).sum(0))


def model_errors(flux: NDArray, rng: np.random.Generator) -> NDArray:
    """Error (n, N_PIXELS) of the forward model for spectra (n, N_PIXELS).

    What was measured on real stars, in each star of another size, and what all lines of a star share: dilution and
    saturation.
    """
    n = len(flux)
    size = np.exp(rng.uniform(*np.log(MODEL_ERROR_RANGE), (n, 1))).astype(np.float32)
    amplitudes = rng.standard_normal((2, n, 1)).astype(np.float32)
    return size * shipped_model_error().draw(flux, rng) + (amplitudes * shared_line_errors(flux)).sum(0)


def shared_line_errors(flux: NDArray) -> NDArray:
    """One standard deviation (2, n, N_PIXELS) of dilution and of saturation in spectra (n, N_PIXELS)."""
    depth = 1 - flux
    return np.stack([DILUTION * depth, SATURATION * (depth - 0.3) * depth])


def draw_good_pixels(rng: np.random.Generator) -> NDArray:
    """A pattern of good pixels (N_PIXELS,): a quarter complete, the others such as real files leave.

    These lack the pixels that the model error masks, have gaps and cut ends.
    """
    good = np.ones(N_PIXELS, bool)
    if rng.random() < 0.25:
        return good
    good &= ~shipped_model_error().masked
    if rng.random() < 0.9:
        shift = 1 + rng.uniform(-1, 1) * _MAX_VELOCITY_KMS / SPEED_OF_LIGHT_KMS
        good &= ~((WAVELENGTH > TELLURIC_OXYGEN[0] * shift) & (WAVELENGTH < TELLURIC_OXYGEN[1] * shift))
    if rng.random() < LITHIUM_GAP_SHARE:
        good &= np.abs(WAVELENGTH - LITHIUM_ANGSTROM - rng.normal(0, 0.5)) > np.exp(rng.uniform(np.log(0.5), np.log(8)))
    if rng.random() < 0.3:
        return good
    for part, arm in zip(arm_slices(), ARMS, strict=True):
        wavelength = WAVELENGTH[part]
        for _ in range(rng.choice([0, 1, 2, 3], p=[0.5, 0.3, 0.1, 0.1])):
            centre, width = rng.uniform(arm.low, arm.high), np.exp(rng.uniform(np.log(0.5), np.log(60)))
            good[part] &= np.abs(wavelength - centre) > width / 2
        if rng.random() < 0.25:
            cut = rng.uniform(0, 0.6) * (arm.high - arm.low)
            good[part] &= wavelength > arm.low + cut if rng.random() < 0.4 else wavelength < arm.high - cut
    if rng.random() < 0.3:
        good &= rng.random(N_PIXELS) > np.exp(rng.uniform(np.log(1e-4), np.log(0.03)))
    if rng.random() < 0.1:
        good[arm_slices()[rng.integers(len(ARMS))]] = False
    return good if good.mean() > 0.1 else np.ones(N_PIXELS, bool)
