"""Figures of many stars: a thumbnail of one line, two spectra compared, differences from the literature."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, Whisker
from bokeh.plotting import figure
from numpy.typing import NDArray

from cinn_core.instrument import ARMS, WAVELENGTH, Arm
from cinn_core.literature import FLOOR
from cinn_core.output.catalogue import Row
from cinn_core.stages import Analysis
from cinn_core.statistics import extremes

from .. import theme
from .spectrum import pixels
from .style import describe, quiet_figure

THUMBNAIL_CENTRE, THUMBNAIL_HALF = 6162.17, 6.0
_WIDTH, _HEIGHT = 96, 26
_SPAN = {"teff": 300.0, "logg": 0.6, "feh": 0.4}
"""Differences from the literature that are always in view."""


def thumbnail(analysis: Analysis) -> str:
    """Ca I 6162 and its neighbours as an SVG drawing; it holds numbers alone."""
    near = np.abs(WAVELENGTH - THUMBNAIL_CENTRE) < THUMBNAIL_HALF
    flux, wave = analysis.flux_vector.flux[near], WAVELENGTH[near]
    x = _WIDTH * (wave - wave[0]) / (wave[-1] - wave[0])
    y = _HEIGHT * (1.08 - np.clip(flux, 0, 1.1)) / 1.1
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
    line = f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1"/>'
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{line}</svg>'


def sketch(values: NDArray) -> str:
    """An array (n,) as a small SVG drawing, its extremes kept; it holds numbers alone. Empty where nothing is finite."""
    ends = extremes(values, _WIDTH)
    if len(ends) < 2:
        return ""
    low, high = ends.min(), ends.max()
    y = 1 + (_HEIGHT - 2) * (high - ends) / (high - low if high > low else 1.0)
    points = " ".join(f"{x},{v:.1f}" for x, pair in enumerate(y) for v in pair)
    line = f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1"/>'
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{line}</svg>'


def draw_comparison(one: Analysis, other: Analysis, arm: Arm) -> figure:
    """One arm of two stars, the second in orange."""
    s = pixels(arm)
    fig = quiet_figure(height=200, x_range=(arm.low, arm.high), y_range=(0, 1.15))
    for analysis, colour in ((one, theme.OBSERVED), (other, theme.LITERATURE)):
        fig.line(WAVELENGTH[s], analysis.flux_vector.flux[s], color=colour, line_width=1, line_alpha=0.85)
    if arm is ARMS[-1]:
        fig.xaxis.axis_label = "wavelength in air [Å]"
    describe(fig)
    return fig


def draw_difference(one: Analysis, other: Analysis, arm: Arm) -> figure:
    """One arm of the second star less the first, where both were observed."""
    s = pixels(arm)
    both = one.flux_vector.good[s] & other.flux_vector.good[s]
    difference = np.where(both, other.flux_vector.flux[s] - one.flux_vector.flux[s], np.nan)
    reach = max(0.05, 1.1 * float(np.nanmax(np.abs(difference)))) if both.any() else 0.05
    fig = quiet_figure(height=110, x_range=(arm.low, arm.high), y_range=(-reach, reach))
    fig.hspan(y=[0], line_color=theme.MUTED, line_dash="dashed")
    fig.line(WAVELENGTH[s], difference, color=theme.MODEL, line_width=0.8)
    fig.yaxis.axis_label = "second − first"
    describe(fig)
    return fig


def draw_differences(rows: list[Row], target: str) -> figure:
    """Mode minus literature against the literature's temperature, with half the 68 % interval and the floor as a band."""
    known = [row for row in rows if np.isfinite(row[f"{target}_difference"])]
    difference = np.array([row[f"{target}_difference"] for row in known], float)
    half = np.array([(row[f"{target}_hi68"] - row[f"{target}_lo68"]) / 2 for row in known], float)
    source = ColumnDataSource(
        {
            "x": [row["teff_literature"] for row in known],
            "y": difference,
            "lower": difference - half,
            "upper": difference + half,
            "star": [row["star"] for row in known],
            "z": [f"{row[f'{target}_z']:+.1f}" for row in known],
        }
    )
    reach = max(_SPAN[target], 1.15 * float(np.abs(difference).max()) if known else 0.0)
    fig = quiet_figure(height=210, x_range=(7300, 3800), y_range=(-reach, reach))
    fig.hspan(y=[0], line_color=theme.MUTED, line_dash="dashed")
    fig.harea(y=[-FLOOR[target], FLOOR[target]], x1=[3000, 3000], x2=[8000, 8000], color=theme.MODEL, fill_alpha=0.12)
    fig.add_layout(Whisker(source=source, base="x", upper="upper", lower="lower", line_color=theme.MODEL, level="glyph",
                            upper_head=None, lower_head=None))  # fmt: skip
    dots = fig.scatter("x", "y", source=source, size=8, color=theme.MODEL)
    fig.add_tools(HoverTool(renderers=[dots], tooltips=[("star", "@star"), ("difference", "@y"), ("z", "@z")]))
    fig.xaxis.ticker = [7000, 6000, 5000, 4000]
    fig.xaxis.axis_label = "Teff of the literature [K]"
    known_text = ", ".join(f"{row['star']} {row[f'{target}_difference']:+.3g}" for row in known)
    describe(fig, f"Mode less literature of {target}: {known_text}")
    return fig
