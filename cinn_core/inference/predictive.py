"""Posterior predictive: the forward model beside one observation, for given labels, at the MAP and over the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..forward_model.model_error import shipped_model_error
from ..instrument import arm_slices, pixel_sigma
from ..lines import LineWindow
from ..prior import N_LABELS, N_TARGETS, from_z, to_z
from ..stages import FluxVector, PosteriorSamples, Resimulation
from .model import Model
from .projection import Projection
from .weighted import representatives, weighted_quantile

N_BAND = 512
"""Samples over which bands are taken."""
N_EXACT = 128
"""Samples of these whose full models the response of the others is learned from."""
QUANTILES = (0.025, 0.16, 0.84, 0.975)
"""Levels of the bands' edges, and of the four models that the paper draws."""
_BATCH = 64


def with_nuisances(targets: NDArray) -> NDArray:
    """Labels (n, 29) of targets (n, 13), the nuisance elements at the middle of their prior."""
    return with_nuisances_of_z(to_z(targets))


def with_nuisances_of_z(z: NDArray) -> NDArray:
    """Labels (n, 29) of prior coordinates (n, 13), the nuisance elements at the middle of their prior."""
    return from_z(np.concatenate([z, np.zeros((len(z), N_LABELS - N_TARGETS))], 1))


def model_flux(labels: NDArray, vector: FluxVector, model: Model) -> NDArray:
    """Flux (n, N_PIXELS) of labels (n, 29), each with the smooth modes that bring it closest to the observation."""
    flux = np.concatenate([model.forward.flux(labels[i : i + _BATCH]) for i in range(0, len(labels), _BATCH)])
    return match_continuum(flux, vector, model.projection)


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


@dataclass(frozen=True, eq=False)
class Comparison:
    """One model beside the observation: flux (N_PIXELS,), residual in units of the pixel noise (NaN unobserved), chi2 per pixel."""

    flux: NDArray
    residual: NDArray
    chi2_per_pixel: float


def compare(labels: NDArray, vector: FluxVector, model: Model) -> Comparison:
    """The model of one star's labels (29,) beside the observation; some 30 ms."""
    flux = model_flux(labels[None], vector, model)[0]
    return against(flux, vector)


def against(flux: NDArray, vector: FluxVector) -> Comparison:
    """A model's flux (N_PIXELS,) beside the observation."""
    residual = (vector.flux - flux) / noise_of(vector)
    return Comparison(flux, residual, float(np.mean(residual[vector.good] ** 2)))


def resimulate(vector: FluxVector, posterior: PosteriorSamples, model: Model) -> Resimulation:
    """Model flux (N_PIXELS,) at the MAP and its 68 / 95 % bands over 512 samples, laid over the observation.

    The nuisance elements are put at the middle of their prior. Each model is multiplied by the six smooth modes an
    arm that bring it closest to the observation; the network does not see these modes either.
    """
    at_map = compare(with_nuisances_of_z(posterior.map_z[None])[0], vector, model)
    edges = bands(vector, posterior, None, model)
    return Resimulation(at_map.flux, edges.band68, edges.band95, at_map.residual, at_map.chi2_per_pixel)


@dataclass(frozen=True, eq=False)
class Bands:
    """Bands of the posterior predictive: band68, band95 (2, N_PIXELS), central quantiles pixel by pixel."""

    band68: NDArray
    band95: NDArray


def bands(
    vector: FluxVector, posterior: PosteriorSamples, weights: NDArray | None, model: Model, n: int = N_BAND
) -> Bands:
    """Bands over `n` samples that stand for a posterior with weights (n,) or None; without, as the resimulation has them."""
    z = posterior.z[representatives(weights, len(posterior.labels), n)]
    edges = pixel_quantiles(_response_flux(z, vector, model), QUANTILES)
    return Bands(edges[1:3], edges[[0, 3]])


def _response_flux(z: NDArray, vector: FluxVector, model: Model) -> NDArray:
    """Models (n, N_PIXELS) of z (n, 13): `N_EXACT` of them as they are, all by their response, a cubic in each target.

    On simulated and real stars the edges of bands then lie 0.03 to 0.07 of the half width from those of n full models (median
    pixel), where other samples of the same posterior move them by 0.1 (`benchmarks/bands.py`).
    """
    if len(z) <= N_EXACT:
        return model_flux(with_nuisances_of_z(z), vector, model)
    some = np.linspace(0, len(z) - 1, N_EXACT).astype(int)
    exact = model_flux(with_nuisances_of_z(z[some]), vector, model)
    unit = (z - z.mean(0)) / np.maximum(z.std(0), 1e-9)
    terms = np.concatenate([np.ones((len(z), 1)), unit, unit**2, unit**3], 1)
    response = np.linalg.lstsq(terms[some], exact.astype(float), rcond=None)[0]
    return _product(terms.astype(np.float32), response.astype(np.float32))


def pixel_quantiles(flux: NDArray, levels: tuple[float, ...]) -> NDArray:
    """Quantiles (k, m) over the first axis of models (n, m), to the models' own single precision.

    Each pixel's values are sorted where they lie together in memory, which np.quantile takes ten times as long for.
    """
    ordered = np.sort(np.ascontiguousarray(flux.T, dtype=np.float32), axis=1)
    at = np.array(levels) * (len(flux) - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, len(flux) - 1)
    return np.ascontiguousarray((ordered[:, below] + (ordered[:, above] - ordered[:, below]) * (at - below)).T)


def quantile_models(vector: FluxVector, posterior: PosteriorSamples, weights: NDArray | None, model: Model) -> NDArray:
    """The models (4, N_PIXELS) whose targets all stand at their marginal quantile of QUANTILES (Ksoll et al. 2026)."""
    return model_flux(quantile_labels(posterior, weights), vector, model)


def quantile_labels(posterior: PosteriorSamples, weights: NDArray | None = None) -> NDArray:
    """Labels (4, 29) with every target at its marginal quantile of QUANTILES."""
    columns = [weighted_quantile(column, np.array(QUANTILES), weights) for column in posterior.labels.T]
    return with_nuisances(np.stack(columns, 1))


def variance(flux: NDArray, vector: FluxVector) -> NDArray:
    """Variance (N_PIXELS,) of observed - model flux: pixel noise and what the forward model is not trusted to."""
    return noise_of(vector) ** 2 + shipped_model_error().sigma(flux) ** 2


def noise_of(vector: FluxVector) -> NDArray:
    """White noise sigma (N_PIXELS,) of the pixels for the S/N of each arm, NaN in an arm without pixels."""
    sigma = np.full(vector.flux.shape, np.nan)
    for part, snr in zip(arm_slices(), vector.snr, strict=True):
        sigma[part] = pixel_sigma(snr)
    return sigma


def line_chi2(resimulation: Resimulation, window: LineWindow) -> float:
    """Mean square residual of a line's observed pixels in units of the pixel noise; NaN where none was observed."""
    residual = resimulation.residual[window.pixels() & np.isfinite(resimulation.residual)]
    return float(np.mean(residual**2)) if residual.size else float("nan")
