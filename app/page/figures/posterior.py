"""The Kiel diagram: the posterior in effective temperature and gravity over the stars that the network was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import holoviews as hv
import numpy as np
from numpy.typing import NDArray

from cinn_core.inference.selection import Selection
from cinn_core.inference.weighted import representatives
from cinn_core.prior import draw, teff_bounds
from cinn_core.stages import Analysis
from cinn_core.targets import COLUMN, TARGETS

from .. import theme
from .style import quiet

SHOWN_SAMPLES = 800
TRAINING_STARS = 1200
_AXES = [hv.Dimension("teff", label="Teff", unit="K"), hv.Dimension("logg", label="log g")]
_PAIR = [COLUMN["teff"], COLUMN["logg"]]


def prior_outline(n: int = 101) -> tuple[NDArray, NDArray]:
    """Teff and log g along the prior's edge, closed."""
    target = TARGETS[COLUMN["logg"]]
    logg = np.linspace(target.low, target.high, n)
    cool, hot = teff_bounds(logg)
    return np.concatenate([cool, hot[::-1], cool[:1]]), np.concatenate([logg, logg[::-1], logg[:1]])


@cache
def training_stars() -> NDArray:
    """Teff and log g (n, 2) of stars drawn from the prior, as the training stars are."""
    return draw(TRAINING_STARS, np.random.default_rng(1))[:, _PAIR]


def draw_kiel(analysis: Analysis, selection: Selection, height: int = 225) -> hv.Overlay:
    """Hot stars on the left and giants on top, as astronomers draw it; the mode as a cross."""
    labels = selection.posterior.labels
    chosen = labels[representatives(selection.weights, len(labels), SHOWN_SAMPLES)][:, _PAIR]
    mode = [tuple(selection.summary.targets[name].map for name in ("teff", "logg"))]
    overlay = hv.Overlay(
        [
            hv.Path([np.column_stack(prior_outline())], _AXES).opts(color=theme.FAINT, line_alpha=0.7),
            hv.Points(training_stars(), _AXES).opts(color=theme.FAINT, size=2.2, alpha=0.45),
            hv.Points(chosen, _AXES).opts(color=theme.MODEL, size=4, alpha=0.2, line_alpha=0),
            hv.Points(mode, _AXES).opts(color=theme.LITERATURE, marker="cross", size=13, line_width=2),
        ]
    )
    return overlay.opts(
        hv.opts.Overlay(
            responsive=True, height=height, show_legend=False, toolbar=None, xlim=(3800, 7350), ylim=(-0.15, 5.15),
            invert_xaxis=True, invert_yaxis=True, xticks=[4000, 5000, 6000, 7000], yticks=[0, 1, 2, 3, 4, 5],
            show_grid=False, default_tools=["pan", "box_zoom", "wheel_zoom", "reset"], active_tools=["box_zoom"], hooks=[quiet],
        )
    )  # fmt: skip


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
