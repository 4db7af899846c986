"""Inference: a 4MOST-ified spectrum in, samples of the posterior and its MAP out."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..instrument import MAX_SNR, MIN_SNR, coverage_input
from ..prior import from_z, inside
from ..stages import FluxVector, PosteriorSamples
from .flow import read_flow
from .flow_gradient import FlowGradient
from .model import Model
from .network import N_TARGETS, Network, Observation
from .projection import MaskedProjection, mask_projection
from .sampler import Sampler

_REFINE_STEPS = 60
_FIRST_STEP, _LAST_STEP = 0.02, 5e-4
_MEMORY, _SQUARE_MEMORY = 0.9, 0.999


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
        z, log_prob = (tensor.cpu() for tensor in sampler.sample(latent.to(model.device), condition))
    z_numpy = z.numpy().astype(float)
    labels = from_z(z_numpy.reshape(-1, N_TARGETS))
    keep = inside(labels).reshape(z.shape[:2]) & np.isfinite(z_numpy).all(2)
    rejected = 1 - keep.mean(1)
    keep[rejected == 1] = True  # every sample outside: shown as they are, with a rejected fraction of 1
    best = np.where(keep, log_prob.numpy(), -np.inf).argmax(1)
    maps = refine_map(model.network, z[torch.arange(len(z)), best].to(model.device), condition).cpu().numpy()
    return tuple(
        PosteriorSamples(rows[inner], x[inner], density[inner], best, float(share), seed)
        for rows, x, density, inner, best, share in zip(
            labels.reshape(z.shape), z_numpy, log_prob.numpy(), keep, maps, rejected, strict=True
        )
    )


def refine_map(network: Network, start: Tensor, condition: Tensor) -> Tensor:
    """Maxima (n, 13) of the flow's density in prior coordinates from start (n, 13), all stars at once.

    By Adam (Kingma & Ba 2015) with steps that shrink along a cosine. It is written out because torch's own imports a
    compiler at its first use, which takes seconds.
    """
    log_prob_at, z = FlowGradient(read_flow(network.flow)).log_prob(condition.detach()), start.detach().clone()
    best, largest = z.clone(), z.new_full((len(z),), -torch.inf)
    mean, square = torch.zeros_like(z), torch.zeros_like(z)
    for i in range(_REFINE_STEPS):
        log_prob, gradient = log_prob_at(z)
        better = log_prob > largest
        best[better], largest[better] = z[better], log_prob[better]
        mean = _MEMORY * mean + (1 - _MEMORY) * gradient
        square = _SQUARE_MEMORY * square + (1 - _SQUARE_MEMORY) * gradient**2
        spread = torch.sqrt(square / (1 - _SQUARE_MEMORY ** (i + 1))) + 1e-8
        step = _LAST_STEP + (_FIRST_STEP - _LAST_STEP) * (1 + math.cos(math.pi * i / _REFINE_STEPS)) / 2
        z = z + step * mean / (1 - _MEMORY ** (i + 1)) / spread
    return best


def _tensor(array: NDArray, model: Model) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=model.device)
