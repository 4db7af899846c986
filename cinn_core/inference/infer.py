"""Inference: a 4MOST-ified spectrum in, samples of the posterior and its MAP out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..instrument import MAX_SNR, MIN_SNR, coverage_input
from ..prior import MAX_METALLICITY, from_z
from ..stages import FluxVector, PosteriorSamples
from ..targets import effective_metallicity
from .flow import read_flow
from .flow_gradient import FlowGradient
from .model import Model
from .network import N_TARGETS, Network, Observation
from .projection import MaskedProjection, mask_projection
from .sampler import Sampler

_REFINE_STEPS, _REFINE_ROUNDS = 6, 5
_NEAR_ENOUGH = 0.1  # in standard deviations
_LONGEST_STEP, _SHORTER = 2.0, 0.3  # in standard deviations; factor after one that did not go up


def observe(
    vector: FluxVector, model: Model, realism: float = 1.0, masked: MaskedProjection | None = None
) -> Observation:
    """Input of the network for one spectrum; `masked` is the projection for its good pixels when already at hand."""
    masked = masked or mask_projection(model.projection, vector.good)
    coefficients = masked.coefficients(model.projection, np.nan_to_num(vector.flux)[None])
    return Observation(
        _tensor(coefficients, model),
        _tensor(log_snr_input(np.array(vector.snr))[None], model),
        _tensor(coverage_input(vector.good)[None], model),
        _tensor(np.array([realism]), model),
    )


def log_snr_input(snr: NDArray) -> NDArray:
    """ln S/N per Angstrom as the network takes it: within 5-1000, an arm without pixels (NaN) given its neighbour's."""
    known = np.where(np.isfinite(snr), snr, np.nanmax(snr, axis=-1, keepdims=True))
    return np.log(np.clip(known, MIN_SNR, MAX_SNR))


def infer(observation: Observation, model: Model, n_samples: int, seed: int) -> PosteriorSamples:
    """Posterior samples of one observation, reproducible for a seed on one kind of device.

    Samples where the prior is zero (effective [M/H] above 0.5) are left out and counted in `rejected_fraction`.
    """
    return infer_many(observation, model, model.sampler, random_latents(n_samples, seed), seed)[0]


def random_latents(n: int, seed: int) -> Tensor:
    """Standard normal latents (n, 13) of a seed, the same on every device."""
    return torch.randn(n, N_TARGETS, generator=torch.Generator().manual_seed(seed))


def infer_many(
    observation: Observation, model: Model, sampler: Sampler, latent: Tensor, seed: int
) -> tuple[PosteriorSamples, ...]:
    """Posteriors of the stars of an observation from the same latents (n, 13), made with `seed`."""
    with torch.no_grad():
        condition = model.network.embedding(observation)
        drawn, density = sampler.sample(latent.to(model.device), condition)
        z, log_prob = drawn.cpu(), density.cpu()
    z_numpy = z.numpy().astype(float)
    labels = from_z(z_numpy.reshape(-1, N_TARGETS))
    within = effective_metallicity(labels) <= MAX_METALLICITY  # the one bound that prior coordinates leave
    keep = within.reshape(z.shape[:2]) & np.isfinite(z_numpy).all(2)
    rejected = 1 - keep.mean(1)
    keep[rejected == 1] = True  # every sample outside: shown as they are, with a rejected fraction of 1
    best = np.where(keep, log_prob.numpy(), -np.inf).argmax(1)
    start = z[torch.arange(len(z)), best].to(model.device)
    maps = refine_map(model.network, start, condition, covariance(drawn)).cpu().numpy()
    return tuple(
        PosteriorSamples(rows[inner], x[inner], density[inner], best, float(share), seed)
        for rows, x, density, inner, best, share in zip(
            labels.reshape(z.shape), z_numpy, log_prob.numpy(), keep, maps, rejected, strict=True
        )
    )


def refine_map(network: Network, start: Tensor, condition: Tensor, spread: Tensor) -> Tensor:
    """Maxima (n, 13) of the flow's density in prior coordinates from start (n, 13), all stars at once.

    By steps of BFGS (Nocedal & Wright 2006, Eq. 6.17), whose first inverse Hessian is the covariance `spread` (n, 13, 13)
    of each star's samples: a posterior near a normal one is at its mode after the first. Stars that still have a way to go
    after some steps get as many again.
    """
    flow, z = FlowGradient(read_flow(network.flow)), start.detach().clone()
    inverse, going = spread.clone(), torch.arange(len(z), device=z.device)
    for _ in range(_REFINE_ROUNDS):
        climbed = _climb(flow.log_prob(condition[going].detach()), z[going], inverse[going])
        z[going], inverse[going], left = climbed
        going = going[left > _NEAR_ENOUGH]
        if not len(going):
            break
    return z


def _climb(log_prob_at: Callable, z: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points, inverse Hessians and estimated ways left to the mode (n), in standard deviations, after steps of BFGS from z.

    A step that does not go up is taken back, and the next is shorter.
    """
    share = z.new_ones(len(z), 1)
    largest, gradient = log_prob_at(z)
    for _ in range(_REFINE_STEPS):
        step, length = _newton_step(inverse, gradient)
        step = step * share * (_LONGEST_STEP / length).clamp_max(1.0)
        log_prob, there = log_prob_at(z + step)
        inverse = _updated(inverse, step, gradient - there)
        better = (log_prob > largest)[:, None]
        z, gradient = torch.where(better, z + step, z), torch.where(better, there, gradient)
        largest = torch.where(better[:, 0], log_prob, largest)
        share = torch.where(better, 1.0, _SHORTER * share)
    return z, inverse, _newton_step(inverse, gradient)[1][:, 0]


def _newton_step(inverse: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Steps (n, 13) to where a normal density with these inverse Hessians has its mode, and their lengths (n, 1) in its
    standard deviations."""
    step = (inverse @ gradient[..., None])[..., 0]
    return step, (step * gradient).sum(1, keepdim=True).clamp_min(1e-12).sqrt()


def covariance(z: Tensor) -> Tensor:
    """Covariances (n, 13, 13) of samples (n, m, 13), a little of each variance added so that few samples have one too."""
    z = torch.where(torch.isfinite(z), z, 0.0)
    off = z - z.mean(1, keepdim=True)
    matrix = off.transpose(1, 2) @ off / z.shape[1]
    variance = torch.diagonal(matrix, dim1=1, dim2=2)
    return matrix + torch.diag_embed(variance / z.shape[1] + 1e-6)


def _updated(inverse: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """Inverse Hessians (n, 13, 13) after steps (n, 13) along which the negative gradient changed by `change` (n, 13);
    as they were where the density does not bend down along the step."""
    along = (step * change).sum(1)
    bends = (along > 1e-10)[:, None, None]
    share = 1 / along.clamp_min(1e-10)
    moved = (inverse @ change[..., None])[..., 0]
    mixed = step[:, :, None] * moved[:, None]
    own = share * share * (change * moved).sum(1) + share
    new = inverse - share[:, None, None] * (mixed + mixed.transpose(1, 2))
    new = new + own[:, None, None] * step[:, :, None] * step[:, None]
    return torch.where(bends & new.isfinite().all((1, 2), keepdim=True), new, inverse)


def _tensor(array: NDArray, model: Model) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=model.device)
