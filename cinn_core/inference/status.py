"""What a posterior says of each target: a value, a limit, or nothing beyond the prior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ..stages import Status
from .weighted import normalised, weighted_quantile

N_BINS = 20
EDGE_SHARE = 0.14
"""Density at an edge of the prior, over the highest, from which the answer is a limit: exp(-2), a Gaussian at 2 sigma."""
LEAST_INFORMATION = 0.1
"""Information gained over the prior [nat] below which a target is unconstrained."""


def status_of(z: NDArray, values: NDArray, weights: NDArray | None = None) -> tuple[Status, float | None]:
    """Status of one target from its prior coordinate z (n,) and its values (n,); the 95 % limit where it is one.

    In u = Phi(z) the prior is uniform, so the density in twentieths of u is that against the prior. Where it is high
    at both edges, the higher one counts.
    """
    density = density_in_prior(z, weights)
    if information(density) < LEAST_INFORMATION:
        return Status.UNCONSTRAINED, None
    edges = density[[0, -1]]
    if edges.max() <= EDGE_SHARE * density.max():
        return Status.MEASURED, None
    level = 0.95 if edges[0] >= edges[1] else 0.05
    return Status.LIMIT, float(weighted_quantile(values, level, weights))


def density_in_prior(z: NDArray, weights: NDArray | None = None) -> NDArray:
    """Posterior density (20,) in twentieths of the prior's mass, mean 1, from prior coordinates z (n,)."""
    part = np.minimum((ndtr(z) * N_BINS).astype(int), N_BINS - 1)
    return np.bincount(part, normalised(weights, z.size), N_BINS) * N_BINS


def information(density: NDArray) -> float:
    """Kullback-Leibler divergence [nat] of the prior from a density (k,) in equal parts of its mass."""
    filled = density[density > 0]
    return float((filled * np.log(filled)).sum() / density.size)
