"""Marginals of samples on grids of bins: densities, credible regions of pairs, and the prior's density beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..prior import draw, teff_bounds
from ..targets import A_LI_HIGH, A_LI_LOW, COLUMN, TARGETS, a_li
from .quantities import Quantity

BINS = 32
LEVELS = (0.99, 0.95, 0.68)
_PRIOR_DRAWS = 100_000
_KERNEL = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)
"""Smoothing by some one bin."""


@dataclass(frozen=True, eq=False)
class CornerGrid:
    """Grid of k axes with their ranges (k, 2), and every sample's bin on each, (k, n) in 0..BINS-1, or -1 outside the range."""

    ranges: NDArray
    bins: NDArray

    def images(self, weights: NDArray | None) -> list[NDArray]:
        """Images (BINS, BINS) of every pair i > j, rows along i: 3 within the 68 % region, 2 in 95, 1 in 99, else 0."""
        k = len(self.bins)
        w = np.ones(self.bins.shape[1]) if weights is None else weights
        seen = w > 0
        bins, w = self.bins[:, seen], w[seen]
        inside = bins >= 0
        counts = np.stack(
            [self._joint(bins, inside, w, i, j) for i in range(k) for j in range(i)] or [np.zeros((BINS, BINS))]
        )
        return list(credible_levels(counts))

    def marginals(self, weights: NDArray | None) -> NDArray:
        """Density (k, BINS) of each axis, its highest value 1."""
        w = np.ones(self.bins.shape[1]) if weights is None else weights
        counts = np.stack([np.bincount(b[b >= 0], w[b >= 0], BINS) for b in self.bins])
        smooth = _smooth(counts)
        return smooth / np.maximum(smooth.max(1, keepdims=True), 1e-12)

    def prior(self, names: tuple[str, ...], weights: NDArray | None = None) -> NDArray:
        """Density (k, BINS) of the prior on the scale of `marginals`: where they meet, the spectrum added nothing."""
        w = np.ones(self.bins.shape[1]) if weights is None else weights
        counts = np.stack([np.bincount(b[b >= 0], w[b >= 0], BINS) for b in self.bins])
        peak = np.maximum(_smooth(counts / w.sum()).max(1, keepdims=True), 1e-12)
        drawn = prior_draws()
        share = np.stack([np.histogram(drawn[n], BINS, r)[0] for n, r in zip(names, self.ranges, strict=True)])
        smooth = gaussian_filter(share / _PRIOR_DRAWS, (0.0, 2.0), mode="nearest")
        return np.minimum(smooth / peak, 1.0)

    @staticmethod
    def _joint(bins: NDArray, inside: NDArray, w: NDArray, i: int, j: int) -> NDArray:
        both = inside[i] & inside[j]
        return np.bincount(bins[i, both] * BINS + bins[j, both], w[both], BINS * BINS).reshape(BINS, BINS)


def corner_grid(quantities: tuple[Quantity, ...], marks: dict[str, float]) -> CornerGrid:
    """Lay out the grid of some quantities; a mark (literature, in the quantity's unit) near the samples is kept in view."""
    placed = [q.on_axis(q.samples) for q in quantities]
    ranges = [axis_range(x) for x in placed]
    for i, q in enumerate(quantities):
        if q.name in marks:
            ranges[i] = _with_mark(ranges[i], float(q.on_axis(marks[q.name])))
    bins = np.stack([_bins(x, r) for x, r in zip(placed, ranges, strict=True)])
    return CornerGrid(np.array(ranges), bins)


def axis_range(samples: NDArray) -> tuple[float, float]:
    """Range of one corner axis: the central 99 % of samples (n,) with a little room."""
    return central_range(samples, 0.99, 0.15)


def credible_levels(counts: NDArray) -> NDArray:
    """Number of LEVELS within whose region of highest density each bin of counts (m, BINS, BINS) lies, uint8."""
    smooth = gaussian_filter(counts, (0.0, 1.0, 1.0), mode="constant")
    flat = np.sort(smooth.reshape(len(smooth), -1), axis=1)[:, ::-1]
    mass = np.cumsum(flat, 1) / np.maximum(flat.sum(1, keepdims=True), 1e-12)
    levels = np.zeros(counts.shape, np.uint8)
    for level in LEVELS:
        at = np.minimum((mass < level).sum(1), flat.shape[1] - 1)
        threshold = np.maximum(flat[np.arange(len(flat)), at], 1e-12)
        levels += smooth >= threshold[:, None, None]
    return levels


@cache
def prior_draws() -> dict[str, NDArray]:
    """Draws (_PRIOR_DRAWS,) of every quantity from the prior on the corner's axes: logarithmic where the target is."""
    labels = draw(_PRIOR_DRAWS, np.random.default_rng(0))
    drawn = {t.name: labels[:, COLUMN[t.name]] for t in TARGETS}
    drawn["li_fe"] = a_li(drawn["li_fe"], drawn["feh"])
    return {t.name: np.log10(drawn[t.name]) if t.log else drawn[t.name] for t in TARGETS}


def bounds(quantity: Quantity) -> tuple[float, float]:
    """Bounds of the training set on the axis of a quantity."""
    if quantity.name == "li_fe":
        return A_LI_LOW, A_LI_HIGH
    target = TARGETS[COLUMN[quantity.name]]
    return float(quantity.on_axis(target.low)), float(quantity.on_axis(target.high))


def _with_mark(limits: tuple[float, float], mark: float) -> tuple[float, float]:
    """A range widened to show a mark, unless that is further away than the range is wide."""
    low, high = limits
    width = high - low
    if mark < low and low - mark < width:
        return mark - 0.05 * width, high
    if mark > high and mark - high < width:
        return low, mark + 0.05 * width
    return limits


def _bins(x: NDArray, limits: tuple[float, float]) -> NDArray:
    at = np.floor(BINS * (x - limits[0]) / (limits[1] - limits[0])).astype(int)
    return np.where((at >= 0) & (at < BINS), at, -1)


def _smooth(counts: NDArray) -> NDArray:
    kernel = _KERNEL / _KERNEL.sum()
    return np.stack([np.convolve(row, kernel, mode="same") for row in counts])


def central_range(samples: NDArray, mass: float, room: float) -> tuple[float, float]:
    """Range of the central `mass` of samples (n,), widened on either side by `room` times its width."""
    low, high = np.quantile(samples, [0.5 * (1 - mass), 0.5 * (1 + mass)])
    margin = room * max(float(high - low), 1e-9)
    return float(low - margin), float(high + margin)


def density(samples: NDArray, low: float, high: float, bins: int) -> NDArray:
    """Histogram (bins,) of samples (n,) smoothed by one bin, its highest value 1."""
    smooth = _smooth(np.histogram(samples, bins, (low, high))[0].astype(float)[None])[0]
    return smooth / max(smooth.max(), 1e-12)


def correlations(quantities: tuple[Quantity, ...]) -> NDArray:
    """Correlation coefficients (k, k) of quantities on their axes."""
    return np.atleast_2d(np.corrcoef(np.stack([q.on_axis(q.samples) for q in quantities])))


@cache
def prior_stars(n: int) -> NDArray:
    """Teff and log g (n, 2) of stars drawn from the prior, as the training stars are."""
    return draw(n, np.random.default_rng(1))[:, [COLUMN["teff"], COLUMN["logg"]]]


def prior_outline(n: int = 101) -> tuple[NDArray, NDArray]:
    """Edge of the prior in Teff and log g, one closed curve, each (2 n + 1,)."""
    target = TARGETS[COLUMN["logg"]]
    logg = np.linspace(target.low, target.high, n)
    cool, hot = teff_bounds(logg)
    return np.concatenate([cool, hot[::-1], cool[:1]]), np.concatenate([logg, logg[::-1], logg[:1]])
