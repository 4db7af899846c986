"""The forward model laid over one observation: spectra for labels, bands of a posterior, the models at its quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..forward_model.model_error import shipped_model_error
from ..inference.weighted import representatives, weighted_quantile
from ..model import Model
from ..prior import N_LABELS, N_TARGETS, from_z, to_z
from ..stages import FluxVector, PosteriorSamples
from .resimulate import N_BAND, QUANTILES, modelled, noise_of, pixel_quantiles


def with_nuisances(targets: NDArray) -> NDArray:
    """All labels (n, 26) of targets (n, 13), the nuisance elements at the middle of their prior."""
    z = to_z(targets)
    return from_z(np.concatenate([z, np.zeros((len(z), N_LABELS - N_TARGETS))], 1))


@dataclass(frozen=True, eq=False)
class Comparison:
    """One model beside the observation: flux (N_PIXELS,), residual in units of the pixel noise (NaN unobserved), chi2 per pixel."""

    flux: NDArray
    residual: NDArray
    chi2_per_pixel: float


def compare(labels: NDArray, vector: FluxVector, model: Model) -> Comparison:
    """The model of one star's labels (26,) beside the observation; some 30 ms."""
    flux = modelled(labels[None], vector, model)[0]
    return against(flux, vector)


def against(flux: NDArray, vector: FluxVector) -> Comparison:
    """A model's flux (N_PIXELS,) beside the observation."""
    residual = (vector.flux - flux) / noise_of(vector)
    return Comparison(flux, residual, float(np.mean(residual[vector.good] ** 2)))


@dataclass(frozen=True, eq=False)
class Bands:
    """What a posterior allows the spectrum to be: band68, band95 (2, N_PIXELS), central quantiles pixel by pixel."""

    band68: NDArray
    band95: NDArray


def bands(
    vector: FluxVector, posterior: PosteriorSamples, weights: NDArray | None, model: Model, n: int = N_BAND
) -> Bands:
    """Bands over `n` samples that stand for a posterior with weights (n,) or None; without, as the resimulation has them."""
    chosen = representatives(weights, len(posterior.labels), n)
    edges = pixel_quantiles(modelled(with_nuisances_of_z(posterior.z[chosen]), vector, model), QUANTILES)
    return Bands(edges[1:3], edges[[0, 3]])


def quantile_models(vector: FluxVector, posterior: PosteriorSamples, weights: NDArray | None, model: Model) -> NDArray:
    """The models (4, N_PIXELS) whose targets all stand at their marginal quantile of QUANTILES (Ksoll et al. 2026)."""
    return modelled(quantile_labels(posterior, weights), vector, model)


def quantile_labels(posterior: PosteriorSamples, weights: NDArray | None = None) -> NDArray:
    """Labels (4, 26) with every target at its marginal quantile of QUANTILES."""
    columns = [weighted_quantile(column, np.array(QUANTILES), weights) for column in posterior.labels.T]
    return with_nuisances(np.stack(columns, 1))


def with_nuisances_of_z(z: NDArray) -> NDArray:
    """All labels (n, 26) of prior coordinates (n, 13), the nuisance elements at the middle of their prior."""
    return from_z(np.concatenate([z, np.zeros((len(z), N_LABELS - N_TARGETS))], 1))


def variance(flux: NDArray, vector: FluxVector) -> NDArray:
    """Variance (N_PIXELS,) of observed - model flux: pixel noise and what the forward model is not trusted to."""
    return noise_of(vector) ** 2 + shipped_model_error().sigma(flux) ** 2
