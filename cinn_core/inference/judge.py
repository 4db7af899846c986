"""Trust in an answer: misfit at the MAP, distance from the training stars, flags, and the posterior predictive fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..forward_model.model_error import shipped_model_error
from ..lines import line_windows
from ..prior import from_z
from ..stages import FluxVector, PosteriorSamples, Reliability
from ..targets import COLUMN
from .model import Model
from .network import Observation
from .predictive import match_continuum, model_flux, variance, with_nuisances_of_z
from .weighted import representatives

METAL_POOR = -1.5
"""[Fe/H] below which LTE and one-dimensional atmospheres put real stars too cool and their gravities too low."""

EXTRAPOLATED = 0.1
"""Rejected fraction above which the answer lies outside what the network was trained on."""

MISFIT_HIGH, MISFIT_FOREIGN = 2.0, 6.0
"""Misfit above which a fit is poor, and the star none of the training set's domain."""

_N_PREDICTED = 64


@dataclass(frozen=True)
class Judgement:
    """Verdict on one answer.

    misfit: mean square residual at the MAP in units of noise and model error, near 1 or below for a good fit; distance of
    the embedding from the training stars (None for a network without their statistics); is_far: whether 99 % of
    simulated stars are nearer; flags: those of the preparation and those of the answer.
    """

    misfit: float
    distance: float | None
    is_far: bool
    flags: tuple[str, ...]


def judge(
    vector: FluxVector,
    observation: Observation,
    posterior: PosteriorSamples,
    model: Model,
    map_flux: NDArray | None = None,
) -> Judgement:
    """Judge one answer; `map_flux` (N_PIXELS,) is the model at the MAP beside the observation where it is at hand."""
    fluxes = None if map_flux is None else [map_flux]
    return judge_many([vector], observation, [posterior], model, fluxes)[0]


def judge_many(
    vectors: Sequence[FluxVector],
    observation: Observation,
    posteriors: Sequence[PosteriorSamples],
    model: Model,
    map_fluxes: Sequence[NDArray] | None = None,
) -> list[Judgement]:
    """Judge the answers for n stars, `observation` being of all of them; the forward model and the network run once for all."""
    fluxes = _map_fluxes(vectors, posteriors, model) if map_fluxes is None else map_fluxes
    judgements = []
    for vector, posterior, flux, distance in zip(
        vectors, posteriors, fluxes, _distances(observation, model), strict=True
    ):
        is_far = distance is not None and model.distance is not None and distance > model.distance.threshold
        misfit = misfit_of(flux, vector)
        judgements.append(Judgement(misfit, distance, is_far, _flags(vector, posterior, misfit, is_far)))
    return judgements


def misfit_of(flux: NDArray, vector: FluxVector) -> float:
    """Mean square residual of a model's flux (N_PIXELS,) in units of noise and model error together.

    Pixels that the model error masks, Halpha's core among them, have no say.
    """
    squares = (vector.flux - flux) ** 2 / variance(flux, vector)
    return float(np.mean(squares[vector.good & ~shipped_model_error().masked]))


def reliability(vector: FluxVector, posterior: PosteriorSamples, model: Model, distance: float | None) -> Reliability:
    """Reliability of one answer; chi2 is averaged over 64 samples of the posterior (posterior predictive).

    A line counts where more than half of its pixels were observed. The nuisance elements stand at the middle of their
    prior, the model error is what the forward model is trusted to. `distance` is that of the answer's `Judgement`.
    """
    rows = representatives(None, len(posterior.z), _N_PREDICTED)
    fluxes = model_flux(with_nuisances_of_z(posterior.z[rows]), vector, model)
    observed = vector.good
    square = np.zeros(observed.shape)
    for flux in fluxes:
        square[observed] += ((vector.flux - flux) ** 2 / variance(flux, vector))[observed] / len(fluxes)
    lines = {}
    for window in line_windows():
        near = window.pixels()
        if observed[near].mean() > 0.5:
            lines[window.name] = float(square[near & observed].mean())
    threshold = None if model.distance is None else model.distance.threshold
    return Reliability(posterior.rejected_fraction, distance, threshold, float(square[observed].mean()), lines)


def _map_fluxes(vectors: Sequence[FluxVector], posteriors: Sequence[PosteriorSamples], model: Model) -> list[NDArray]:
    """Model flux (N_PIXELS,) at each MAP, with the smooth modes that bring it closest to its observation."""
    fluxes = model.forward.flux(with_nuisances_of_z(np.stack([posterior.map_z for posterior in posteriors])))
    return [match_continuum(x[None], v, model.projection)[0] for x, v in zip(fluxes, vectors, strict=True)]


def _distances(observation: Observation, model: Model) -> list[float | None]:
    """Distance of each star's embedding from the training stars'; None for a network without their statistics."""
    if model.distance is None:
        return [None] * len(observation.realism)
    with torch.no_grad():
        return [float(d) for d in model.distance.distance(model.network.embedding(observation))]


def _flags(vector: FluxVector, posterior: PosteriorSamples, misfit: float, is_far: bool) -> tuple[str, ...]:
    """Flags of the preparation, and those that samples, fit and embedding raise."""
    flags = list(vector.flags)
    if posterior.rejected_fraction > EXTRAPOLATED:
        flags.append("extrapolated")
    if misfit > MISFIT_HIGH:
        flags.append("chi2_high")
    if misfit > MISFIT_FOREIGN or is_far or "extrapolated" in flags:
        flags.append("out_of_domain")
    if from_z(posterior.map_z[None])[0, COLUMN["feh"]] < METAL_POOR:
        flags.append("metal_poor")
    return tuple(dict.fromkeys(flags))
