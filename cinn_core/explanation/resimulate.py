"""Resimulation: the forward model at the answer, laid over the observed spectrum."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..forward_model.model_error import shipped_model_error
from ..inference.projection import Projection
from ..inference.weighted import representatives
from ..instrument import arm_slices, pixel_sigma
from ..model import Model
from ..prior import N_LABELS, N_TARGETS, from_z
from ..stages import FluxVector, PosteriorSamples, Resimulation

N_BAND = 512
"""Samples over which bands are taken."""
QUANTILES = (0.025, 0.16, 0.84, 0.975)
"""Levels of the bands' edges, and of the four models that the paper draws."""
_BATCH = 64


def resimulate(vector: FluxVector, posterior: PosteriorSamples, model: Model, n_band: int = N_BAND) -> Resimulation:
    """Model flux at the MAP and 68 / 95 % bands over `n_band` samples.

    The nuisance elements are put at the middle of their prior. Each model is multiplied by the six smooth modes an
    arm that bring it closest to the observation, the same ones the network does not see.
    """
    chosen = representatives(None, len(posterior.z), n_band)
    z = np.concatenate([posterior.map_z[None], posterior.z[chosen]])
    labels = from_z(np.concatenate([z, np.zeros((len(z), N_LABELS - N_TARGETS))], 1))
    flux = modelled(labels, vector, model)
    bands = pixel_quantiles(flux[1:], QUANTILES)
    sigma = noise_of(vector)
    residual = (vector.flux - flux[0]) / sigma
    return Resimulation(flux[0], bands[1:3], bands[[0, 3]], residual, float(np.mean(residual[vector.good] ** 2)))


def modelled(labels: NDArray, vector: FluxVector, model: Model) -> NDArray:
    """Flux (n, N_PIXELS) of labels (n, 26), each with the smooth modes that bring it closest to the observation."""
    flux = np.concatenate([model.forward.flux(labels[i : i + _BATCH]) for i in range(0, len(labels), _BATCH)])
    return match_continuum(flux, vector, model.projection)


def pixel_quantiles(flux: NDArray, levels: tuple[float, ...]) -> NDArray:
    """Quantiles (k, m) over the first axis of models (n, m), to the models' own single precision.

    Each pixel's values are sorted where they lie together in memory, which np.quantile takes ten times as long for.
    """
    ordered = np.sort(np.ascontiguousarray(flux.T, dtype=np.float32), axis=1)
    at = np.array(levels) * (len(flux) - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, len(flux) - 1)
    return np.ascontiguousarray((ordered[:, below] + (ordered[:, above] - ordered[:, below]) * (at - below)).T)


def match_continuum(flux: NDArray, vector: FluxVector, projection: Projection) -> NDArray:
    """Models (n, N_PIXELS) times the smooth curve 1 + sum of Legendre modes that fits each to the observation best."""
    every = projection.modes / projection.mean[:, None]
    shapes = np.where(vector.good[:, None], every, np.float32(0))
    missing = np.where(vector.good, np.nan_to_num(vector.flux) - flux, 0.0).astype(np.float32)
    normal = np.empty((len(flux), shapes.shape[1], shapes.shape[1]))
    if len(flux) == 1:
        normal[0] = (shapes * flux[0, :, None] ** 2).T @ shapes
    else:
        upper = np.triu_indices(shapes.shape[1])
        pairs = _product(flux**2, shapes[:, upper[0]] * shapes[:, upper[1]])
        normal[:, upper[0], upper[1]] = normal[:, upper[1], upper[0]] = pairs
    normal += 1e-4 * np.eye(shapes.shape[1])  # an arm without pixels stays as it is
    amplitude = np.linalg.solve(normal, _product(flux * missing, shapes)[..., None])[..., 0]
    return flux * (1 + _product(amplitude.astype(np.float32), every.T))


def _product(a: NDArray, b: NDArray) -> NDArray:
    """a @ b by torch: numpy's own threads, waiting for more, would take the cores from the forward model's."""
    return (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()


def misfit(vector: FluxVector, resimulation: Resimulation) -> float:
    """Mean square of the residuals at the MAP in units of noise and model error together: near 1 or below for a good fit.

    Pixels that the model error masks, Halpha's core among them, have no say.
    """
    error = shipped_model_error()
    total = np.hypot(noise_of(vector), error.sigma(resimulation.map_flux))
    return float(np.mean(((vector.flux - resimulation.map_flux) / total)[vector.good & ~error.masked] ** 2))


def noise_of(vector: FluxVector) -> NDArray:
    """White noise sigma (N_PIXELS,) of the pixels for the S/N of each arm, NaN in an arm without pixels."""
    sigma = np.full(vector.flux.shape, np.nan)
    for part, snr in zip(arm_slices(), vector.snr, strict=True):
        sigma[part] = pixel_sigma(snr)
    return sigma
