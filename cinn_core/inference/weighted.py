"""Samples with weights: effective number, mean, quantiles, shortest intervals; for constraints, importance and brushing alike.

Weights are (n,), none negative, of any scale; None stands for equal ones. A brush is a weight of 0 or 1, and knowledge
of different kinds multiplies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def normalised(weights: NDArray | None, n: int) -> NDArray:
    """Weights (n,) with sum 1; ValueError where they are not n finite numbers from zero up with a positive sum."""
    if weights is None:
        return np.full(n, 1.0 / n)
    w = np.asarray(weights, float)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
        raise ValueError(f"Weights of {n} samples must be {n} finite numbers from zero up, not all zero.")
    return w / w.sum()


def from_log(log_weights: NDArray) -> NDArray:
    """Weights (n,) with largest value 1 from their logarithms (-inf allowed, not for all)."""
    top = float(np.max(log_weights))
    if not np.isfinite(top):
        raise ValueError("No sample has a weight above zero.")
    return np.exp(log_weights - top)


def effective_samples(weights: NDArray | None, n: int) -> float:
    """Kish's effective number (sum w)^2 / sum w^2 of n samples with weights (n,)."""
    return float(1.0 / (normalised(weights, n) ** 2).sum())


def weighted_mean(samples: NDArray, weights: NDArray | None = None) -> float:
    """Mean of samples (n,)."""
    if weights is None:
        return float(samples.mean())
    return float(normalised(weights, samples.size) @ samples)


def weighted_quantile(samples: NDArray, levels: NDArray | float, weights: NDArray | None = None) -> NDArray:
    """Quantiles of samples (n,) at `levels` (k,) in 0..1; numpy's own, between two samples, where weights are equal.

    The mean of the step function of quantiles over 1/n about each level, n the effective number (Akinshin 2023,
    arXiv:2304.07265, type 7): every weight counts, those of the smallest and of the largest sample too.
    """
    if weights is None:
        return np.quantile(samples, levels)
    order = np.argsort(samples)
    w = normalised(weights, samples.size)[order]
    n = 1.0 / float(w @ w)
    start = np.asarray(levels) * (n - 1) / n
    middle = samples[order[w.size // 2]]  # small numbers keep the difference of sums exact
    mass = np.concatenate([[0.0], np.cumsum(w)])
    total = np.concatenate([[0.0], np.cumsum(w * (samples[order] - middle))])
    return middle + n * (np.interp(start + 1 / n, mass, total) - np.interp(start, mass, total))


def highest_density_interval(samples: NDArray, mass: float, weights: NDArray | None = None) -> tuple[float, float]:
    """Shortest interval that holds `mass` of the weight of samples (n,)."""
    if weights is None:
        return _shortest(np.sort(samples), mass)
    order = np.argsort(samples)
    w = normalised(weights, samples.size)[order]
    ordered, w = samples[order][w > 0], w[w > 0]
    above = np.cumsum(w)
    starts = above - w
    last = np.searchsorted(above, starts + mass - 1e-12)  # first sample with enough weight behind each start
    possible = last < ordered.size
    widths = ordered[last[possible]] - ordered[possible]
    first = int(np.argmin(widths))
    return float(ordered[first]), float(ordered[last[first]])


@dataclass(frozen=True)
class Marginal:
    """Numbers of one marginal: mean, median, shortest intervals that hold 68 and 95 %."""

    mean: float
    median: float
    interval68: tuple[float, float]
    interval95: tuple[float, float]


def marginal(samples: NDArray, weights: NDArray | None = None) -> Marginal:
    """Weighted quantiles of samples (n,), put in order once, which is most of the work."""
    if weights is None:
        return marginals_of_ordered(np.sort(samples)[None])[0]
    intervals = (highest_density_interval(samples, mass, weights) for mass in (0.68, 0.95))
    return Marginal(weighted_mean(samples, weights), float(weighted_quantile(samples, 0.5, weights)), *intervals)


def marginals_of_ordered(ordered: NDArray) -> list[Marginal]:
    """Marginals of quantities by their ascending samples (k, n) of equal weights."""
    n = ordered.shape[1]
    median = 0.5 * (ordered[:, (n - 1) // 2] + ordered[:, n // 2])
    intervals = []
    for mass in (0.68, 0.95):
        inside, row = int(np.ceil(mass * n)), np.arange(len(ordered))
        first = np.argmin(ordered[:, inside - 1 :] - ordered[:, : n - inside + 1], axis=1)
        intervals.append(np.stack([ordered[row, first], ordered[row, first + inside - 1]], 1).tolist())
    numbers = zip(ordered.mean(1).tolist(), median.tolist(), *intervals, strict=True)
    return [Marginal(mean, middle, tuple(i68), tuple(i95)) for mean, middle, i68, i95 in numbers]


def _shortest(ordered: NDArray, mass: float) -> tuple[float, float]:
    """Shortest interval with so much of the ascending samples (n,)."""
    inside = int(np.ceil(mass * ordered.size))
    widths = ordered[inside - 1 :] - ordered[: ordered.size - inside + 1]
    first = int(np.argmin(widths))
    return float(ordered[first]), float(ordered[first + inside - 1])


def representatives(weights: NDArray | None, n: int, size: int) -> NDArray:
    """Indices (size,) of samples in proportion to their weights, evenly through the list: systematic, no chance in it."""
    cumulative = np.cumsum(normalised(weights, n))
    return np.minimum(np.searchsorted(cumulative, (np.arange(size) + 0.5) / size), n - 1)


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
