"""The tiny marginal of a tile, as the path of an SVG drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 100.0, 30.0
_BINS = 40
_MARGIN = 0.35
"""Room left and right of the central 99 % of the samples, in units of its width."""


@dataclass(frozen=True)
class Marginal:
    """SVG paths in a WIDTH x HEIGHT box: the curve, the 68 % interval under it, where the mode stands, and the box's ends."""

    curve: str
    inner: str
    mode: float
    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value stands in the box, at its edge where it lies outside."""
        return float(np.clip(WIDTH * (value - self.low) / (self.high - self.low), 0, WIDTH))


def density(samples: NDArray, low: float, high: float, bins: int = _BINS) -> NDArray:
    """Histogram of samples (n,) smoothed by one bin, highest value 1, shape (bins,)."""
    counts = np.histogram(samples, bins, (low, high))[0].astype(float)
    kernel = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)
    smooth = np.convolve(counts, kernel / kernel.sum(), mode="same")
    return smooth / max(smooth.max(), 1e-12)


def marginal(samples: NDArray, mode: float | NDArray, lo68: float | NDArray, hi68: float | NDArray) -> Marginal:
    """The marginal of samples (n,) with its mode and 68 % interval."""
    low, high = np.quantile(samples, [0.005, 0.995])
    width = max(high - low, 1e-9)
    low, high = low - _MARGIN * width, high + _MARGIN * width
    heights = density(samples, low, high)
    centres = (np.arange(_BINS) + 0.5) / _BINS
    x, y = WIDTH * centres, HEIGHT * (1 - 0.92 * heights)
    within = (low + (high - low) * centres >= lo68) & (low + (high - low) * centres <= hi68)
    at = float(np.clip(WIDTH * (mode - low) / (high - low), 0, WIDTH))
    return Marginal(_closed(x, y), _closed(x[within], y[within]), at, float(low), float(high))


def _closed(x: NDArray, y: NDArray) -> str:
    if x.size == 0:
        return ""
    points = " ".join(f"L{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f"M{x[0]:.1f} {HEIGHT:g} {points} L{x[-1]:.1f} {HEIGHT:g} Z"
