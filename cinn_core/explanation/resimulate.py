"""Resimulation: the forward model at the answer, laid over the observed spectrum."""

from __future__ import annotations

import numpy as np

from ..forward_model.model_error import shipped_model_error
from ..inference.model import Model
from ..inference.predictive import N_BAND, bands, compare, variance, with_nuisances_of_z
from ..stages import FluxVector, PosteriorSamples, Resimulation


def resimulate(vector: FluxVector, posterior: PosteriorSamples, model: Model, n_band: int = N_BAND) -> Resimulation:
    """Model flux at the MAP and 68 / 95 % bands over `n_band` samples.

    The nuisance elements are put at the middle of their prior. Each model is multiplied by the six smooth modes an
    arm that bring it closest to the observation, the same ones the network does not see.
    """
    at_mode = compare(with_nuisances_of_z(posterior.map_z[None])[0], vector, model)
    found = bands(vector, posterior, None, model, n_band)
    return Resimulation(at_mode.flux, found.band68, found.band95, at_mode.residual, at_mode.chi2_per_pixel)


def misfit(vector: FluxVector, resimulation: Resimulation) -> float:
    """Mean square of the residuals at the MAP in units of noise and model error together: near 1 or below for a good fit.

    Pixels that the model error masks, Halpha's core among them, have no say.
    """
    squares = (vector.flux - resimulation.map_flux) ** 2 / variance(resimulation.map_flux, vector)
    return float(np.mean(squares[vector.good & ~shipped_model_error().masked]))
