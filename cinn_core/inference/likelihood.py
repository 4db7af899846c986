"""The likelihood of one spectrum on its compressed coefficients: chi2 of the forward model with a few hundred terms.

The covariance holds what the network was trained on: the noise of each arm and the emulator's error; for a realism a
above 0 also the model's error, correlated over the line spread function, and what acts on all pixels of a spectrum at once
(velocity, resolving power, continuum, Halpha, errors that lines share), each linearly, to first order. The continuum that
would be fitted to each model follows its labels to first order too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ..forward_model.forward import ForwardModel
from ..forward_model.jacobian import jacobian
from ..forward_model.model_error import HALPHA_BUMP_SHARE, halpha_bumps, halpha_wings, lsf_gain, shipped_model_error
from ..forward_model.realism import (
    CONTINUUM_ERROR,
    CONTINUUM_ORDER,
    MODEL_ERROR_RANGE,
    RESOLVING_POWER_RANGE,
    RIPPLE_ERROR,
    VELOCITY_ERROR_KMS,
    error_spectra,
    ripple_shapes,
    shared_line_errors,
)
from ..instrument import LSF_SIGMA_PIXELS, arm_slices, pixel_sigma
from ..preparation.continuum import fit_continuum
from ..prior import N_LABELS, N_TARGETS, from_z
from .model import Model
from .network import Observation
from .projection import MaskedProjection
from .whitened import WhitenedModel

_BATCH = 64
_SMALLEST = 1e-8
"""Directions with less of the largest variance than this carry no data (all their pixels are missing)."""
_VELOCITY_STEP = 0.1
_CONTINUUM_STEP = 0.3
"""In prior coordinates: over less the continuum fit's choice of pixels shows as noise."""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Whitened data (r,) and the operator (N_PIXELS, r) that whitens model spectra over the continuum of `centre` (29,).

    drift (26, r): what the fitted continuum's change adds to a whitened model for each label, in prior coordinates.
    """

    forward: ForwardModel
    operator: NDArray
    data: NDArray
    centre: NDArray
    drift: NDArray

    @cached_property
    def _whitened(self) -> WhitenedModel:
        return WhitenedModel(self.forward, self.operator)

    def residuals(self, z: NDArray) -> NDArray:
        """Data minus model (n, r) in units of the noise for prior coordinates of all labels (n, 29)."""
        parts = [self._whitened(from_z(z[i : i + _BATCH])) for i in range(0, len(z), _BATCH)]
        return self.data - np.concatenate(parts).astype(float) - (z - self.centre) @ self.drift

    def log_likelihood(self, z: NDArray) -> NDArray:
        """Log likelihood (n,), up to a constant, for prior coordinates of all labels (n, 29)."""
        return -0.5 * (self.residuals(z) ** 2).sum(1)

    def jacobian(self, z: NDArray) -> NDArray:
        """Jacobian (r, 29) of the whitened model at prior coordinates z (29,)."""
        return self.operator.T.astype(float) @ jacobian(self.forward, z[None])[0].astype(float) + self.drift.T


def make_likelihood(observation: Observation, masked: MaskedProjection, model: Model, map_z: NDArray) -> Likelihood:
    """Likelihood of one observation; continuum, depth of lines and derivatives are taken at the MAP (13,)."""
    z = np.concatenate([map_z, np.zeros(N_LABELS - N_TARGETS)])[None]
    flux = model.forward.flux(from_z(z))
    continuum = fit_continuum(flux, masked.good[None], model.templates.flux)[0]
    matrix = masked.matrix.astype(float)
    realism = float(observation.realism[0])
    snr = np.exp(observation.log_snr[0].cpu().numpy().astype(float))
    covariance = sum(
        float(pixel_sigma(snr[arm])) ** 2 * root.astype(float) @ root.astype(float)
        for arm, root in enumerate(masked.noise)
    )
    spread = error_spectra(model.forward, from_z(z))[0] @ matrix
    covariance = covariance + spread.T @ spread
    if realism > 0:
        spread = np.concatenate([_model_error(matrix, flux[0]), _slow_errors(model.forward, z, flux[0]) @ matrix])
        covariance = covariance + realism**2 * spread.T @ spread
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _SMALLEST * values.max()
    whitening = vectors[:, kept] / np.sqrt(values[kept])
    data = observation.coefficients[0].cpu().numpy().astype(float) + model.projection.mean.astype(float) @ matrix
    operator = (matrix @ whitening / continuum[:, None]).astype(np.float32)
    drift = -(_continuum_gradient(model, masked, z[0]) * flux[0]) @ operator
    return Likelihood(model.forward, operator, data @ whitening, z[0], drift.astype(float))


def _continuum_gradient(model: Model, masked: MaskedProjection, z: NDArray) -> NDArray:
    """d ln continuum / d z (26, N_PIXELS) of what is fitted to models around z (29,), by central differences."""
    moved = z + _CONTINUUM_STEP * np.concatenate([np.eye(N_LABELS), -np.eye(N_LABELS)])
    flux = model.forward.flux(from_z(moved))
    continuum = fit_continuum(flux, np.broadcast_to(masked.good, flux.shape), model.templates.flux)
    return np.log(continuum[:N_LABELS] / continuum[N_LABELS:]) / (2 * _CONTINUUM_STEP)


def _typical_size() -> float:
    """Root mean square of the size of a star's model error, drawn log-uniform in training."""
    low, high = MODEL_ERROR_RANGE
    return float(np.sqrt((high**2 - low**2) / (2 * np.log(high / low))))


def _model_error(matrix: NDArray, flux: NDArray) -> NDArray:
    """Root (N_PIXELS, k) of the coefficients' covariance from errors that are a fraction of the depth of lines."""
    weighted = (_typical_size() * shipped_model_error().epsilon * (1 - flux))[:, None] * matrix
    out = np.empty_like(weighted)
    for part in arm_slices():
        out[part] = gaussian_filter1d(weighted[part], LSF_SIGMA_PIXELS, axis=0, truncate=3)
    return out * lsf_gain()


@torch.no_grad()
def _slow_errors(forward: ForwardModel, z: NDArray, flux: NDArray) -> NDArray:
    """Spectra (m, N_PIXELS) one sigma away from the model's in what acts on all pixels at once, less the model's."""
    labels = torch.as_tensor(np.repeat(from_z(z), 2, 0), dtype=torch.float32)
    moved = forward.torch_flux(labels, velocity=torch.tensor([_VELOCITY_STEP, -_VELOCITY_STEP])).numpy()
    blurred = forward.torch_flux(labels, torch.tensor(RESOLVING_POWER_RANGE)).numpy()
    rows = [
        (moved[0] - moved[1]) / (2 * _VELOCITY_STEP) * VELOCITY_ERROR_KMS / np.sqrt(3),
        (blurred[1] - blurred[0]) / np.sqrt(12),
        _typical_size() * shipped_model_error().wings * halpha_wings() * (1 - flux),
    ]
    for part in arm_slices():
        shapes = np.polynomial.legendre.legvander(np.linspace(-1, 1, part.stop - part.start), CONTINUUM_ORDER)
        for shape in shapes.T:
            row = np.zeros(flux.size)
            row[part] = CONTINUUM_ERROR * shape * flux[part]
            rows.append(row)
    bumps = HALPHA_BUMP_SHARE * halpha_bumps(flux[None])[:, 0]
    ripples = np.concatenate([RIPPLE_ERROR * ripple_shapes(), bumps]) * flux
    return np.concatenate([rows, shared_line_errors(flux[None])[:, 0], ripples])
