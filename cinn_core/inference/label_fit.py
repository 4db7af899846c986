"""A least-squares fit of the forward model to one prepared spectrum: labels, velocity and continuum, some labels held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..forward_model.forward import ForwardModel
from ..forward_model.jacobian import jacobian, label_jacobian
from ..forward_model.model_error import HALPHA_BUMP_ANGSTROM, HALPHA_BUMP_SHARE, ModelError, halpha_bumps
from ..instrument import WAVELENGTH, arm_slices
from ..preparation.continuum import legendre_modes
from ..preparation.snr import noise_left
from ..prior import N_LABELS, from_z, to_z
from ..stages import FluxVector
from ..targets import COLUMN, labels_of

_VELOCITY_STEP, _VELOCITY_SIGMA = 0.5, 2.0  # km/s
_CONTINUUM_SIGMA = 0.05
_CORRELATED_PIXELS = 3.5
"""Neighbouring pixels that carry one piece of information: the line spread function, 2 sqrt(pi) sigma, over a pixel."""
_HUBER = 2.5
_LARGEST_STEP, _LARGEST_Z = 0.7, 3.5
_ITERATIONS = 12
_START = {"teff": 5500.0, "logg": 4.0, "vmic": 1.2, "vbroad": 5.0}


@dataclass(frozen=True)
class Held:
    """A label held by a measurement of its own: value and standard error, in the label's unit."""

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class LabelFit:
    """Labels (29,), velocity [km/s] beyond the prepared one, flux (N_PIXELS,) with continuum 1, and the continuum's factor."""

    labels: NDArray
    velocity: float
    flux: NDArray
    continuum: NDArray

    def residual(self, vector: FluxVector) -> NDArray:
        """Observed - model (N_PIXELS,) as a fraction of the continuum, NaN where nothing was observed."""
        return vector.flux / self.continuum - self.flux


def fit_labels(
    vector: FluxVector,
    forward: ForwardModel,
    error: ModelError,
    held: Mapping[str, Held],
    used: NDArray | None = None,
    bumps: bool = True,
) -> LabelFit:
    """The 29 labels, a velocity and the continuum that fit a spectrum best, by Gauss-Newton.

    The continuum has six Legendre modes an arm and the bumps that normalising leaves at Halpha.

    The prior N(0, I) in prior coordinates and the labels `held` by their own errors act beside the pixels, which are
    weighted by noise and model error, down beyond 2.5 sigma (Huber) and for their correlation. `used` (N_PIXELS,) bool
    leaves out more than the spectrum's missing and the model error's masked pixels do; `bumps` False takes the normalisation
    at Halpha for right.
    """
    good = vector.good & ~error.masked & (np.ones_like(vector.good) if used is None else used)
    observed = np.where(good, np.nan_to_num(vector.flux), 0.0)
    noise = np.nan_to_num(pixel_noise(vector), nan=1.0)
    modes = legendre_modes()
    bump_sigmas = [HALPHA_BUMP_SHARE] * len(HALPHA_BUMP_ANGSTROM) if bumps else []
    mode_sigmas = [_CONTINUUM_SIGMA] * modes.shape[1] + bump_sigmas
    z, velocity, amplitude = _start(held), 0.0, np.zeros(len(mode_sigmas))
    sigmas = np.concatenate([np.ones(N_LABELS), [_VELOCITY_SIGMA], mode_sigmas])
    for _ in range(_ITERATIONS):
        flux, by_velocity = _flux_and_velocity_slope(forward, z, velocity)
        shapes = np.concatenate([modes, halpha_bumps(flux[None])[:, 0].T], 1) if bumps else modes
        factor = 1 + shapes @ amplitude
        residual = observed - flux * factor
        scale = np.hypot(noise, error.sigma(flux))
        weight = good / scale**2 * np.minimum(1, _HUBER * scale / np.abs(residual).clip(1e-9)) / _CORRELATED_PIXELS
        columns = np.concatenate(
            [jacobian(forward, z[None])[0] * factor[:, None], (by_velocity * factor)[:, None], shapes * flux[:, None]],
            1,
        )
        position = np.concatenate([z, [velocity], amplitude])
        normal = columns.T @ (weight[:, None] * columns) + np.diag(sigmas**-2)
        pull = columns.T @ (weight * residual) - position / sigmas**2
        slopes, labels = label_jacobian(z[None])[0], from_z(z[None])[0]
        for name, known in held.items():
            row = slopes[COLUMN[name]] / known.error
            normal[:N_LABELS, :N_LABELS] += np.outer(row, row)
            pull[:N_LABELS] += row * (known.value - labels[COLUMN[name]]) / known.error
        step = np.linalg.solve(normal, pull)
        z = np.clip(z + np.clip(step[:N_LABELS], -_LARGEST_STEP, _LARGEST_STEP), -_LARGEST_Z, _LARGEST_Z)
        velocity, amplitude = velocity + step[N_LABELS], amplitude + step[N_LABELS + 1 :]
    flux, _ = _flux_and_velocity_slope(forward, z, velocity)
    return LabelFit(from_z(z[None])[0], float(velocity), flux, 1 + shapes @ amplitude)


def pixel_noise(vector: FluxVector) -> NDArray:
    """Noise (N_PIXELS,) of a pixel for the S/N of its arm, after the smoothing that degraded it; NaN in a missing arm."""
    sigma = np.full(vector.flux.shape, np.nan)
    for part, snr in zip(arm_slices(), vector.snr, strict=True):
        sigma[part] = noise_left(snr, vector.noise_fwhm_kms, float(WAVELENGTH[part].mean()))
    return sigma


def _start(held: Mapping[str, Held]) -> NDArray:
    """Prior coordinates (29,) of a star with the labels held and solar ratios otherwise."""
    values = _START | {name: known.value for name, known in held.items()}
    return np.clip(to_z(labels_of(values)[None])[0], -_LARGEST_Z, _LARGEST_Z)


@torch.no_grad()
def _flux_and_velocity_slope(forward: ForwardModel, z: NDArray, velocity: float) -> tuple[NDArray, NDArray]:
    """Flux (N_PIXELS,) moved by velocity [km/s], and its derivative."""
    labels = torch.as_tensor(from_z(z[None]), dtype=torch.float32).repeat(3, 1)
    speeds = torch.tensor([velocity, velocity + _VELOCITY_STEP, velocity - _VELOCITY_STEP], dtype=torch.float32)
    centre, red, blue = forward.torch_flux(labels, velocity=speeds).double().numpy()
    return centre, (red - blue) / (2 * _VELOCITY_STEP)
