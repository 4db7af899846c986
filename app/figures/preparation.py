"""The flux of an arm at rest before normalisation, with the continuum that it was divided by."""

from __future__ import annotations

from bokeh.plotting import figure

from app import theme
from cinn_core.instrument import WAVELENGTH, Arm
from cinn_core.stages import FluxVector

from .spectrum import pixels
from .style import quiet_figure


def draw_preparation(vector: FluxVector, arm: Arm) -> figure:
    """Flux times continuum in ink, the continuum over it."""
    s = pixels(arm)
    made = quiet_figure(height=250, x_range=(arm.low, arm.high))
    made.line(WAVELENGTH[s], vector.flux[s] * vector.continuum[s], color=theme.OBSERVED, line_width=1.0)
    made.line(WAVELENGTH[s], vector.continuum[s], color=theme.LITERATURE, line_width=1.5)
    return made
