"""What all figures share: fonts, axes and tools on Bokeh's side of HoloViews."""

from __future__ import annotations

from typing import Any

from bokeh.core.properties import value
from bokeh.events import DoubleTap
from bokeh.models import CustomJS, Text

from app import theme

FIGURE: dict[str, object] = {"responsive": True, "show_grid": False, "toolbar": None}

_RESETS = "double click resets"
"""Tag of a figure that has its reset already: hooks run again with every new star."""


def quiet(plot: Any, _element: object) -> None:
    """A HoloViews hook: the page's look; no toolbar, but a drag zooms and a double click resets."""
    figure = plot.state
    dress(figure)
    if _RESETS not in figure.tags:
        figure.tags = [*figure.tags, _RESETS]
        figure.js_on_event(DoubleTap, CustomJS(args={"figure": figure}, code="figure.reset.emit()"))


def dress(figure: Any) -> None:
    """Give a Bokeh figure the page's look."""
    figure.output_backend = "canvas"  # WebGL without a GPU is slow
    figure.outline_line_color = None
    figure.background_fill_alpha = 0
    figure.border_fill_alpha = 0
    figure.toolbar.logo = None
    figure.title.text_color = theme.INK
    figure.title.text_font = theme.FONT
    figure.title.text_font_style = "bold"
    figure.title.text_font_size = "12px"
    for text in figure.select({"type": Text}):
        text.text_font = value(theme.FONT)
    for axis in figure.axis:
        axis.axis_line_color = theme.LINE
        axis.major_tick_line_color = theme.LINE
        axis.minor_tick_line_color = None
        axis.major_label_text_color = theme.MUTED
        axis.axis_label_text_color = theme.MUTED
        axis.major_label_text_font = theme.FONT
        axis.axis_label_text_font = theme.FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "11px"
        axis.axis_label_standoff = 2
        axis.major_label_text_font_size = "11px"
