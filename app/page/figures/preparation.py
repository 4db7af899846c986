"""Preparation of a spectrum: the file's own pixels, the steps between, and what the network saw, with what is left out."""

from __future__ import annotations

import numpy as np
from bokeh.models import BasicTicker, BasicTickFormatter, BoxSelectTool
from bokeh.plotting import figure
from numpy.typing import NDArray

from cinn_core.inference.weighted import weighted_quantile
from cinn_core.instrument import WAVELENGTH, Arm
from cinn_core.stages import FluxVector, Snapshot

from .. import theme
from .spectrum import pixels
from .style import quiet_figure

_MARGIN = 30.0
"""Angstrom beyond an arm within which a snapshot's pixels belong to it."""
_MOST_POINTS = 12_000


def draw_snapshot(snapshot: Snapshot, arm: Arm) -> figure:
    """One arm of the spectrum as it stood after a step, with the curve that the next step divides by."""
    near = (snapshot.wavelength > arm.low - _MARGIN) & (snapshot.wavelength < arm.high + _MARGIN)
    wave, flux = snapshot.wavelength[near], np.where(snapshot.good, snapshot.flux, np.nan)[near]
    fig = quiet_figure(height=170, x_range=(arm.low, arm.high), **_flux_range(flux))
    fig.yaxis.formatter = BasicTickFormatter(precision=1)
    fig.yaxis.ticker = BasicTicker(desired_num_ticks=4)
    step = max(1, wave.size // _MOST_POINTS)
    fig.line(wave[::step], flux[::step], color=theme.OBSERVED, line_width=0.8)
    if snapshot.level is not None:
        fig.line(wave[::step], snapshot.level[near][::step], color=theme.LITERATURE, line_width=1.6)
    return fig


def draw_prepared(vector: FluxVector, arm: Arm, regions: tuple[tuple[float, float], ...]) -> figure:
    """One arm as the network saw it; missing pixels shaded, a person's regions framed; a drag marks a region."""
    s = pixels(arm)
    fig = quiet_figure(height=190, x_range=(arm.low, arm.high), y_range=(0, 1.2))
    for first, last in runs(~vector.good[s]):
        fig.varea(WAVELENGTH[s][[first, last]], [0, 0], [1.2, 1.2], color=theme.LITERATURE, fill_alpha=0.18)
    for low, high in regions:
        fig.quad(left=low, right=high, bottom=0, top=1.2, fill_color=None, line_color=theme.LITERATURE, line_width=1.5)
    fig.line(WAVELENGTH[s], vector.flux[s], color=theme.OBSERVED, line_width=0.9)
    tool = BoxSelectTool(dimensions="width", renderers=[])
    fig.add_tools(tool)
    fig.toolbar.active_drag = tool
    return fig


def runs(marked: NDArray) -> list[tuple[int, int]]:
    """First and last index of each run of True in marked (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _flux_range(flux: NDArray) -> dict[str, tuple[float, float]]:
    """From zero, or below what the noise reaches, to a little above the highest percent."""
    known = flux[np.isfinite(flux)]
    if known.size == 0:
        return {}
    low, high = weighted_quantile(known, np.array([0.001, 0.995]))
    return {"y_range": (float(min(0.0, low)), float(1.12 * high) if high > 0 else 1.0)}
