"""The posterior of one simulated star by Markov chains over all 29 labels: what importance sampling is checked against.

The ensemble sampler is emcee's (Foreman-Mackey et al. 2013). Nothing here comes from the network but the compression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..inference.infer import log_snr_input
from ..inference.likelihood import Likelihood, make_likelihood
from ..inference.model import Model
from ..inference.network import N_TARGETS, Observation
from ..inference.projection import MaskedProjection
from ..inference.weighted import from_log, weighted_quantile
from ..instrument import ARMS, N_COVERAGE, N_PIXELS, pixel_sigma
from ..preparation.continuum import fit_continuum
from ..prior import N_LABELS, from_z, inside, to_z
from ..random_streams import Stream, stream
from ..stages import Importance

WALKERS = 64
_LEVELS = np.array([0.16, 0.5, 0.84])
_DISCARDED = 0.3


@dataclass(frozen=True, eq=False)
class Chains:
    """labels (n, 13) of all walkers and steps after the first third; the longest autocorrelation time [steps]."""

    labels: NDArray
    autocorrelation: float


def observe_simulated(model: Model, masked: MaskedProjection, labels: NDArray, snr: float, seed: int) -> Observation:
    """Noisy observation of one emulated star (1, 29), complete, realism 0, through the continuum fit."""
    noise = stream(Stream.CHAIN_NOISE, seed).standard_normal(N_PIXELS) * pixel_sigma(snr)
    flux = model.forward.flux(labels) + noise
    flux = flux / fit_continuum(flux, masked.good[None], model.templates.flux)
    pieces = (
        masked.coefficients(model.projection, flux),
        log_snr_input(np.full((1, len(ARMS)), snr)),
        np.ones((1, N_COVERAGE)),
        np.zeros(1),
    )
    return Observation(*(torch.as_tensor(piece, dtype=torch.float32) for piece in pieces))


def run_chains(
    model: Model,
    masked: MaskedProjection,
    observation: Observation,
    truth: NDArray,
    map_z: NDArray,
    steps: int,
    seed: int,
) -> Chains:
    """Chains for one observation of a star with labels (1, 29), begun from the Gaussian approximation around them.

    The likelihood is that of importance sampling: errors and continuum as at the MAP `map_z` (13,).
    """
    import emcee

    centre = to_z(truth)[0]
    likelihood = make_likelihood(observation, masked, model, map_z)
    slopes = likelihood.jacobian(centre)
    root = np.linalg.cholesky(np.linalg.inv(slopes.T @ slopes + np.eye(N_LABELS)))
    rng = stream(Stream.CHAIN_START, seed)
    start = centre + rng.standard_normal((WALKERS, N_LABELS)) @ root.T
    generator = np.random.RandomState(seed)
    moves = [(emcee.moves.DEMove(), 0.7), (emcee.moves.DESnookerMove(), 0.1), (emcee.moves.StretchMove(), 0.2)]
    sampler = emcee.EnsembleSampler(
        WALKERS, N_LABELS, lambda z: _log_posterior(likelihood, z), vectorize=True, moves=moves
    )
    sampler.run_mcmc(emcee.State(start, random_state=generator.get_state()), steps)
    kept = sampler.get_chain(discard=int(_DISCARDED * steps), flat=True)[:, :N_TARGETS]
    return Chains(from_z(kept), float(sampler.get_autocorr_time(quiet=True)[:N_TARGETS].max()))


def _log_posterior(likelihood: Likelihood, z: NDArray) -> NDArray:
    total = likelihood.log_likelihood(z) - 0.5 * (z**2).sum(1)
    return np.where(inside(from_z(z)) & np.isfinite(total), total, -np.inf)


def compare(importance: Importance, chains: Chains) -> tuple[NDArray, NDArray]:
    """Compare weighted samples with chains: shift of the median [sigma of the chains] and ratio of 16-84 % widths, (13,) each."""
    weights = from_log(importance.log_weights)
    shift, ratio = np.empty(N_TARGETS), np.empty(N_TARGETS)
    for i in range(N_TARGETS):
        low, middle, high = np.quantile(chains.labels[:, i], _LEVELS)
        ours = weighted_quantile(importance.labels[:, i], _LEVELS, weights)
        shift[i], ratio[i] = (ours[1] - middle) / (0.5 * (high - low)), (ours[2] - ours[0]) / (high - low)
    return shift, ratio
