"""Model of labels set by hand beside the observation: the line that changes most, and both arms with their residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
from numpy.typing import NDArray

from cinn_core.explanation.what_if import WhatIf, around
from cinn_core.instrument import WAVELENGTH, Arm
from cinn_core.lines import LineWindow, line_windows
from cinn_core.stages import Analysis

from .. import theme
from .spectrum import draw_residual, landmarks, pixels, stacked, wavelength_dimension
from .style import FOLLOWED, quiet

HALF_WIDTH = 6.0
_APART = 0.11
"""Smallest distance between two names above an arm, as a fraction of it: the arms are narrow here."""
_OPTIONS: dict[str, Any] = {
    "responsive": True, "toolbar": None, "show_grid": False, "show_legend": False, "hooks": [quiet], "ylabel": "",
    "default_tools": ["pan", "box_zoom", "wheel_zoom", "reset"], "active_tools": ["box_zoom"],
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Kept:
    """A curve that was kept to compare: its flux (N_PIXELS,) and what its sliders said."""

    flux: NDArray
    text: str


def draw_line_now(
    analysis: Analysis, now: WhatIf, window: LineWindow, kept: tuple[Kept, ...], height: int = 330
) -> hv.Overlay:
    """A line and its neighbourhood: observation, mode, kept curves, and the model of the sliders."""
    near = around(window.wavelength, HALF_WIDTH)
    wave, fit = WAVELENGTH[near], analysis.resimulation
    x = hv.Dimension("wavelength_now", label="wavelength in air", unit="Å")
    y = hv.Dimension("flux_now", label="flux")
    drawn = [
        analysis.flux_vector.flux[near],
        fit.map_flux[near],
        now.comparison.flux[near],
        *(k.flux[near] for k in kept),
    ]
    low, high = float(np.nanmin([np.nanmin(d) for d in drawn])), float(np.nanmax([np.nanmax(d) for d in drawn]))
    low, high = min(low, high - 0.1) - 0.03, high + 0.10 * max(high - low, 0.1)
    names = [
        (w.wavelength, high, w.species) for w in line_windows() if abs(w.wavelength - window.wavelength) < HALF_WIDTH
    ]
    old = np.stack([k.flux[near] for k in kept]) if kept else np.empty((0, wave.size))
    overlay = hv.Overlay(
        [
            hv.Curve((wave, analysis.flux_vector.flux[near]), x, y).opts(
                color=theme.OBSERVED, line_width=1.3, **FOLLOWED
            ),
            hv.Curve((wave, fit.map_flux[near]), x, y).opts(color=theme.MODEL, line_width=1.5),
            hv.Curve(stacked(wave, old), x, y).opts(color=theme.MUTED, line_width=1.1, line_dash="dotted"),
            hv.Curve((wave, now.comparison.flux[near]), x, y).opts(
                color=theme.LITERATURE, line_width=1.8, line_dash="dashed"
            ),
            hv.Labels(names, [x, y], "species").opts(
                text_color=theme.MUTED, text_font_size="11px", text_baseline="top"
            ),
        ]
    )
    return overlay.opts(
        hv.opts.Overlay(**_OPTIONS, height=height, xlim=(float(wave[0]), float(wave[-1])), ylim=(low, high))
    )


def draw_arm_now(analysis: Analysis, now: WhatIf, arm: Arm) -> hv.Overlay:
    """An arm: the mode and the model of the sliders over it."""
    s, x, y = pixels(arm), wavelength_dimension(arm), hv.Dimension(f"flux_now_{arm.name}", label="flux")
    names = landmarks(arm.low, arm.high, _APART)
    overlay = hv.Overlay(
        [
            hv.Curve((WAVELENGTH[s], analysis.flux_vector.flux[s]), x, y).opts(color=theme.OBSERVED, line_width=0.8),
            hv.Curve((WAVELENGTH[s], now.comparison.flux[s]), x, y).opts(color=theme.LITERATURE, line_width=1.0),
            hv.Labels([(at, 1.1, name) for name, at in names], [x, y], "feature").opts(
                text_color=theme.MUTED, text_font_size="10px"
            ),
        ]
    )
    return overlay.opts(
        hv.opts.Overlay(
            **_OPTIONS, height=150, xaxis=None, xlim=(arm.low, arm.high), ylim=(0, 1.18), yticks=[0, 0.5, 1]
        )
    )


def draw_residual_now(now: WhatIf, arm: Arm) -> hv.Curve:
    """Observed minus the model of the sliders, in units of the noise."""
    options = {key: value for key, value in _OPTIONS.items() if key != "show_legend"}
    return draw_residual(now.comparison.residual, arm).opts(
        **options,
        height=90,
        xlim=(arm.low, arm.high),
        ylim=(-12, 12),
        yticks=[-10, 0, 10],
        xlabel=f"{arm.name} arm [Å]",
    )
