"""Differences of real spectra from simulated ones: errors of velocity, resolution, continuum, model and emulator; missing pixels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..instrument import ARMS, LITHIUM_ANGSTROM, N_PIXELS, SPEED_OF_LIGHT_KMS, TELLURIC_OXYGEN, WAVELENGTH, arm_slices
from ..targets import COLUMN, EMULATOR_COLUMNS
from .emulator import Emulator
from .forward import ForwardModel
from .kernels import emulator_inputs
from .model_error import HALPHA_BUMP_ANGSTROM, HALPHA_BUMP_SHARE, halpha_bumps, shipped_model_error
from .physics_change import PhysicsChange

VELOCITY_ERROR_KMS = 1.0
RESOLVING_POWER_RANGE = (18_500.0, 21_500.0)
CONTINUUM_ERROR = 0.01
CONTINUUM_ORDER = 9
RIPPLE_ERROR, RIPPLE_ANGSTROM = 0.003, 8.0
"""Error of the continuum at the scale of a few Angstrom, from echelle orders and normalisation by hand: typical rms, as in
fits of real spectra in pixels without lines, and correlation length (sigma of a Gaussian)."""
RIPPLE_RANGE = (0.5, 2.0)
"""Range of the size of a star's ripples in units of RIPPLE_ERROR, log-uniform."""
MODEL_ERROR_RANGE = (0.7, 2.0)
"""Range of the size of a star's model error in units of that measured on real stars, log-uniform: other stars may be worse."""
DILUTION, SATURATION = 0.01, 0.04
"""Standard deviations of errors common to all lines of a star: scattered light as a share of the depth of lines, and cores
formed high up (NLTE, three-dimensional motions), which are deeper in deep lines and shallower in shallow ones."""
LITHIUM_GAP_SHARE = 0.1
"""Share of incomplete patterns with a narrow gap at the lithium line, so that the network learns its effect."""
_MAX_VELOCITY_KMS = 300.0
_N_NEIGHBOUR_INPUTS = 4  # Teff, log g, [Fe/H], vmic, on which the size of the error depends
_N_NEIGHBOURS = 12


def continuum_errors(n: int, rng: np.random.Generator) -> NDArray:
    """Draw smooth factors (n, N_PIXELS) around 1 with an rms of 1 %: Legendre series of order 9 in each arm."""
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
    """Shapes of ripples (m, N_PIXELS) float32: Gaussians one correlation length apart in each arm.

    Standard normal amplitudes give unit variance.
    """
    rows = []
    for part, arm in zip(arm_slices(), ARMS, strict=True):
        centres = np.arange(arm.low - 2 * RIPPLE_ANGSTROM, arm.high + 2 * RIPPLE_ANGSTROM, RIPPLE_ANGSTROM)
        shapes = np.zeros((centres.size, N_PIXELS), np.float32)
        shapes[:, part] = np.exp(-0.5 * ((WAVELENGTH[part] - centres[:, None]) / RIPPLE_ANGSTROM) ** 2)
        shapes[:, part] /= np.sqrt((shapes[:, part] ** 2).sum(0))
        rows.append(shapes)
    return np.concatenate(rows)


def normalisation_errors(flux: NDArray, rng: np.random.Generator) -> NDArray:
    """Draw errors of the continuum, as factors (n, N_PIXELS), for spectra (n, N_PIXELS): smooth, ripples, bumps at Halpha."""
    n = len(flux)
    ripple = RIPPLE_ERROR * np.exp(rng.uniform(*np.log(RIPPLE_RANGE), (n, 1)))
    amplitudes = (ripple * rng.standard_normal((n, len(ripple_shapes())))).astype(np.float32)
    shares = rng.normal(0, HALPHA_BUMP_SHARE, (len(HALPHA_BUMP_ANGSTROM), n, 1)).astype(np.float32)
    return continuum_errors(n, rng) * (1 + amplitudes @ ripple_shapes() + (shares * halpha_bumps(flux)).sum(0))


def model_errors(flux: NDArray, rng: np.random.Generator) -> NDArray:
    """Draw errors (n, N_PIXELS) of the forward model for spectra (n, N_PIXELS).

    The model error measured on real stars, with another size in each star, and errors common to all lines of a star:
    dilution and saturation.
    """
    n = len(flux)
    size = np.exp(rng.uniform(*np.log(MODEL_ERROR_RANGE), (n, 1))).astype(np.float32)
    amplitudes = rng.standard_normal((2, n, 1)).astype(np.float32)
    return size * shipped_model_error().draw(flux, rng) + (amplitudes * shared_line_errors(flux)).sum(0)


def shared_line_errors(flux: NDArray) -> NDArray:
    """Standard deviations (2, n, N_PIXELS) of dilution and of saturation in spectra (n, N_PIXELS)."""
    depth = 1 - flux
    return np.stack([DILUTION * depth, SATURATION * (depth - 0.3) * depth])


def draw_emulator_errors(emulator: Emulator, labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw errors (n, k) of the emulator's coefficients for its labels (n, 28).

    Each is the leave-one-out residual of one of the nearest training stars times a standard normal number: the
    covariance is that of the residuals of these stars. Errors of a change by physics are drawn by themselves.
    """
    total = torch.zeros(len(labels), emulator.residuals.shape[1])
    for residuals, near in _residuals(emulator, labels):
        nearest = near[torch.arange(len(near)), torch.from_numpy(rng.integers(_N_NEIGHBOURS, size=len(near)))]
        total += residuals[nearest].float() * torch.from_numpy(rng.standard_normal((len(near), 1)).astype(np.float32))
    return total


@torch.no_grad()
def error_spectra(forward: ForwardModel, labels: NDArray) -> NDArray:
    """Spectra (n, 12 or 24, N_PIXELS) whose outer products sum to the covariance of the emulator's error, for labels (n, 29)."""
    given = torch.as_tensor(labels, dtype=torch.float32)
    emulator_labels, vbroad = given[:, EMULATOR_COLUMNS], given[:, COLUMN["vbroad"]]
    centre = forward.emulator.coefficients(emulator_labels)[:, None]
    errors = [residuals[near].float() for residuals, near in _residuals(forward.emulator, emulator_labels)]
    both = torch.cat([centre, *(centre + error for error in errors)], 1)
    flux = forward.torch_flux_of(both.flatten(0, 1), vbroad.repeat_interleave(both.shape[1])).numpy()
    flux = flux.reshape(*both.shape[:2], -1)
    return (flux[:, 1:] - flux[:, :1]) / np.sqrt(_N_NEIGHBOURS)


def _residuals(emulator: Emulator, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Residuals (m, k) of training stars, and which (n, 12) of these are nearest to labels (n, 28): of the emulator in LTE,
    then of its change by physics."""
    yield emulator.residuals, _neighbours(emulator.anchors[: emulator.n_own], labels)
    if isinstance(emulator.change, PhysicsChange):
        own = emulator.change.residuals
        yield torch.nn.functional.pad(own, (emulator.n_lte, 0)), _neighbours(emulator.change.anchors, labels)


def _neighbours(anchors: Tensor, labels: Tensor) -> Tensor:
    """Indices (n, 12) of the training stars nearest in Teff, log g, [Fe/H] and vmic."""
    here = emulator_inputs(labels.double())[:, :_N_NEIGHBOUR_INPUTS]
    return torch.cdist(here, anchors[:, :_N_NEIGHBOUR_INPUTS]).topk(_N_NEIGHBOURS, largest=False).indices


def draw_good_pixels(rng: np.random.Generator) -> NDArray:
    """Draw a pattern of good pixels (N_PIXELS,) bool: a quarter complete, the others as in real files.

    These lack the pixels that the model error masks, and have gaps and cut ends.
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
