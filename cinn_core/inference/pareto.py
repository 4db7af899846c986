"""The tail of importance weights: shape k of the generalised Pareto distribution that fits it (Vehtari et al. 2024)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pareto_k(log_weights: NDArray) -> float:
    """k of the largest weights of n samples: below 0.5 their variance is finite, above 0.7 no sum of them can be trusted.

    The tail is the largest min(n / 5, 3 sqrt(n)) weights; NaN where fewer than five of these differ from the cut.
    """
    n = log_weights.size
    length = int(min(0.2 * n, 3 * np.sqrt(n)))
    ordered = np.sort(log_weights[np.isfinite(log_weights)])
    if ordered.size <= length or length < 5:
        return float("nan")
    weights = np.exp(ordered - ordered[-1])
    excess = weights[-length:] - weights[-length - 1]
    excess = excess[excess > 0]
    return _generalised_pareto_shape(excess) if excess.size >= 5 else float("nan")


def _generalised_pareto_shape(x: NDArray) -> float:
    """Shape of a generalised Pareto distribution from excesses x (n,), sorted: Zhang & Stephens (2009), weakly regularised."""
    n, prior_weight, prior_size = x.size, 3, 10
    m = 30 + int(np.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    b = 1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))
    b = b / (prior_weight * quartile) + 1 / x[-1]
    k = np.log1p(-b[:, None] * x).mean(1)
    profile = n * (np.log(-b / k) - k - 1)
    share = 1 / np.exp(profile - profile[:, None]).sum(1)
    best = (b * share).sum() / share.sum()
    shape = np.log1p(-best * x).mean()
    return float((n * shape + prior_size * 0.5) / (n + prior_size))
