"""The 13-dimensional corner as one Bokeh figure: 78 image tiles and 13 histograms in one coordinate system."""

from __future__ import annotations

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from app import theme
from app.quantities import Quantity

from .marginal import density
from .style import dress

BINS = 32
TILE = 0.93
_SHADES = ("#ffffff00", "#cfe3f0", "#8dbfdf", "#3f93c6")
"""Outside 99 %, then within 99, 95 and 68 % of the samples."""
_LEVELS = (0.99, 0.95, 0.68)


def axis_range(samples: NDArray) -> tuple[float, float]:
    """Range of one corner axis: the central 99 % of samples (n,) with a little room, none beyond the outermost sample."""
    low, high = np.quantile(samples, [0.005, 0.995])
    margin = 0.15 * max(high - low, 1e-9)
    return float(max(low - margin, samples.min() - 1e-9)), float(min(high + margin, samples.max() + 1e-9))


def credible_levels(x: NDArray, y: NDArray, x_range: tuple[float, float], y_range: tuple[float, float]) -> NDArray:
    """Image (BINS, BINS), rows along y: 3 within the 68 % region of highest density, 2 within 95, 1 within 99, else 0."""
    counts = np.histogram2d(y, x, BINS, (y_range, x_range))[0]
    smooth = gaussian_filter(counts, 1.0, mode="constant")
    ordered = np.sort(smooth.ravel())[::-1]
    mass = np.cumsum(ordered) / max(ordered.sum(), 1e-12)
    thresholds = [ordered[min(np.searchsorted(mass, level), ordered.size - 1)] for level in _LEVELS]
    return sum((smooth >= max(t, 1e-12)).astype(np.uint8) for t in thresholds)


def draw_corner(quantities: tuple[Quantity, ...]) -> figure:
    """Row i, column j < i: joint samples of two quantities; the diagonal: each alone, with mode and 68 % interval."""
    n = len(quantities)
    ranges = [axis_range(q.on_axis(q.samples)) for q in quantities]
    fig = figure(
        x_range=Range1d(-1.35, n + 0.02), y_range=Range1d(-n - 1.0, 0.12), tools="save", sizing_mode="stretch_width",
        aspect_ratio=1.06, toolbar_location="above", min_height=560, name="corner",
    )  # fmt: skip
    dress(fig)
    fig.axis.visible = False
    fig.grid.visible = False
    _tiles(fig, quantities, ranges)
    _histograms(fig, quantities, ranges)
    _names(fig, quantities, ranges)
    return fig


def _tiles(fig: figure, quantities: tuple[Quantity, ...], ranges: list[tuple[float, float]]) -> None:
    pairs = [(i, j) for i in range(len(quantities)) for j in range(i)]
    placed = [q.on_axis(q.samples) for q in quantities]
    correlations = np.corrcoef(np.stack(placed))
    source = ColumnDataSource(
        {
            "image": [credible_levels(placed[j], placed[i], ranges[j], ranges[i]) for i, j in pairs],
            "x": [float(j) for _, j in pairs],
            "y": [-i - TILE for i, _ in pairs],
            "across": [quantities[j].label for _, j in pairs],
            "up": [quantities[i].label for i, _ in pairs],
            "correlation": [f"{correlations[i, j]:+.2f}" for i, j in pairs],
        }
    )
    mapper = LinearColorMapper(palette=list(_SHADES), low=-0.5, high=3.5)
    ground = fig.rect(
        [j + TILE / 2 for _, j in pairs],
        [-i - TILE / 2 for i, _ in pairs],
        TILE,
        TILE,
        color=theme.GROUND,
        line_color=None,
    )
    ground.level = "underlay"
    images = fig.image("image", source=source, x="x", y="y", dw=TILE, dh=TILE, color_mapper=mapper)
    fig.add_tools(
        HoverTool(renderers=[images], tooltips=[("across", "@across"), ("up", "@up"), ("correlation", "@correlation")])
    )
    spots = [(j + _place(quantities[j], ranges[j]), -i - TILE + _place(quantities[i], ranges[i])) for i, j in pairs]
    fig.scatter(*zip(*spots, strict=True), marker="cross", size=5, color=theme.INK, line_width=1)


def _place(quantity: Quantity, limits: tuple[float, float]) -> float:
    """Where a quantity's mode stands within a tile, 0 to TILE."""
    return TILE * float(np.clip((quantity.on_axis(quantity.map) - limits[0]) / (limits[1] - limits[0]), 0, 1))


def _histograms(fig: figure, quantities: tuple[Quantity, ...], ranges: list[tuple[float, float]]) -> None:
    xs, ys, modes = [], [], []
    for i, (q, limits) in enumerate(zip(quantities, ranges, strict=True)):
        heights = density(q.on_axis(q.samples), *limits, bins=BINS)
        across = i + TILE * (np.arange(BINS) + 0.5) / BINS
        xs.append(np.concatenate([across[:1], across, across[-1:]]))
        ys.append(-i - TILE + 0.95 * TILE * np.concatenate([[0.0], heights, [0.0]]))
        modes.append(i + _place(q, limits))
    fig.patches(xs, ys, fill_color=theme.MODEL, fill_alpha=0.2, line_color=theme.MODEL, line_width=1.2)
    rows = np.arange(len(quantities))
    fig.segment(modes, -rows - TILE, modes, -rows, color=theme.INK, line_width=1, line_dash="dotted")


def _names(fig: figure, quantities: tuple[Quantity, ...], ranges: list[tuple[float, float]]) -> None:
    n = len(quantities)
    font = {"text_font": value(theme.FONT), "text_font_size": "11px", "text_color": theme.INK}
    small = {**font, "text_font_size": "9px", "text_color": theme.MUTED}
    rows, labels = np.arange(n), [q.label for q in quantities]
    fig.text([-0.08] * n, -rows - TILE / 2, labels, text_align="right", text_baseline="middle", **font)
    fig.text(
        rows + TILE / 2,
        [-n - 0.62] * n,
        labels,
        text_align="center",
        text_baseline="top",
        **{**font, "text_font_size": "10px"},
    )
    for edge, shift in ((0, 0.12), (1, TILE - 0.12)):
        ends = [q.text_at(r[edge]) for q, r in zip(quantities, ranges, strict=True)]
        fig.text(
            rows + shift, [-n - 0.02] * n, ends, angle=np.pi / 2, text_align="right", text_baseline="middle", **small
        )
