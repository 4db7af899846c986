"""Style of all Bokeh figures: the page's look, zoom by dragging, taps, reset by a double click.

HoloViews keeps the hooks of a figure in a store of the whole process for as long as the figure is there. A hook that
held what holds the figure (a range with its callbacks, a view's function) would keep both, and with them the whole
session, for ever: hooks hold such things by weak references, and the view keeps them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.events import DoubleTap, Tap
from bokeh.models import BoxZoomTool, CustomJS, PanTool, Text, WheelZoomTool
from bokeh.plotting import figure
from numpy.typing import NDArray

from .. import theme

_RESETS, _TAPS = "double click resets", "taps"
"""Tags of a figure that has its reset, its taps already: HoloViews runs its hooks again with every new star."""

FOLLOWED: dict[str, Any] = {"framewise": True}
"""Options of an element whose Overlay's ranges follow what is drawn: HoloViews asks the elements, not the Overlay."""


def quiet_figure(**params: Any) -> figure:
    """A figure in the page's look that fills the width of its card."""
    fig = figure(
        tools="pan,box_zoom,reset", active_drag="box_zoom", toolbar_location=None, sizing_mode="stretch_width", **params
    )
    fig.grid.visible = False
    dress(fig)
    reset_on_double_click(fig)
    return fig


def quiet(plot: Any, _element: object) -> None:
    """A HoloViews hook: the same for the figure of a HoloViews plot."""
    dress(plot.state)
    describe(plot.state)
    reset_on_double_click(plot.state)


def describe(fig: figure, words: str = "") -> None:
    """Give a figure its text alternative: words of its own, or what its axes and curves span."""
    fig.html_attributes = {"role": "img", "aria-label": words or spans_of(fig)}


def spans_of(fig: figure) -> str:
    """What a figure shows, from its numbers: each axis by its name and ends, and how far its curves and points go."""
    parts = [fig.title.text] if fig.title is not None and fig.title.text else []
    for axis, along in ((fig.xaxis, fig.x_range), (fig.yaxis, fig.y_range)):
        start, end = getattr(along, "start", None), getattr(along, "end", None)
        name = axis[0].axis_label if axis and isinstance(axis[0].axis_label, str) else ""
        if isinstance(start, int | float) and isinstance(end, int | float):
            parts.append(f"{name or ('across' if along is fig.x_range else 'up')} {start:.4g} to {end:.4g}")
    lows, highs, curves = [], [], 0
    for renderer in fig.renderers:
        values = getattr(getattr(renderer, "data_source", None), "data", {}).get(getattr(renderer.glyph, "y", None), ())
        numbers = np.asarray(values) if len(values) else np.zeros(0)
        if numbers.dtype.kind == "f" and np.isfinite(numbers).any():
            curves += 1
            lows.append(float(np.nanmin(numbers)))
            highs.append(float(np.nanmax(numbers)))
    if curves:
        parts.append(f"{curves} curves or sets of points between {min(lows):.3g} and {max(highs):.3g}")
    return "Figure: " + "; ".join(parts)


def zoom_along_x(fig: figure) -> None:
    """Restrict every zoom of a figure to x; an Overlay takes its tools from its elements, whatever its own options say."""
    for tool in fig.tools:
        if isinstance(tool, BoxZoomTool | PanTool | WheelZoomTool) and tool.name is None:
            tool.dimensions = "width"


def choose_by_tap(fig: figure, choose: Callable[[Any], object], place: Callable[[Tap], Any]) -> None:
    """A tap calls `choose` with what lies where it fell, if `place` finds something; hooks call this with every new star."""
    if _TAPS not in fig.tags:
        fig.tags = [*fig.tags, _TAPS]
        fig.on_event(Tap, lambda event: None if (item := place(event)) is None else choose(item))


def reset_on_double_click(fig: figure) -> None:
    """Reset the axes on a double click: without a toolbar there is no other way back from a zoom."""
    if _RESETS not in fig.tags:
        fig.tags = [*fig.tags, _RESETS]
        fig.js_on_event(DoubleTap, CustomJS(args={"figure": fig}, code="figure.reset.emit()"))


def dress(fig: figure) -> None:
    """Give a Bokeh figure the page's look."""
    if theme.FIGURE_CSS not in fig.stylesheets:
        fig.stylesheets = [*fig.stylesheets, theme.FIGURE_CSS]
    fig.output_backend = "canvas"  # WebGL without a GPU is slow
    fig.outline_line_color = None
    fig.background_fill_alpha = 0
    fig.border_fill_alpha = 0
    fig.toolbar.logo = None
    fig.title.text_color = theme.INK
    fig.title.text_font = theme.FONT
    fig.title.text_font_size = "12px"
    for text in fig.select({"type": Text}):
        text.text_font = value(theme.FONT)
    for axis in fig.axis:
        axis.axis_line_color = theme.LINE
        axis.major_tick_line_color = theme.LINE
        axis.minor_tick_line_color = None
        axis.major_label_text_color = theme.MUTED
        axis.major_label_text_font = theme.FONT
        axis.major_label_text_font_size = "11.5px"  # Bokeh's own 11px would count as not set, and Panel's theme win
        axis.axis_label_text_color = theme.MUTED
        axis.axis_label_text_font = theme.FONT
        axis.axis_label_text_font_size = "11px"
        axis.axis_label_text_font_style = "normal"


def fill_between(fig: figure, wave: NDArray, edges: NDArray, alpha: float) -> None:
    """A band of flux, `edges` (2, n) lower and upper."""
    fig.varea(wave, edges[0], edges[1], color=theme.MODEL, fill_alpha=alpha)
