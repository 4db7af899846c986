"""Saliency of all thirteen targets as a heat map: a row each, wavelength along, the strongest pixel of every column."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.events import Tap
from bokeh.models import FixedTicker, Range1d
from numpy.typing import NDArray

from cinn_core.explanation.saliency import magnitude
from cinn_core.inference.quantities import label_of
from cinn_core.instrument import WAVELENGTH, Arm
from cinn_core.targets import TARGETS

from .. import theme
from .spectrum import pixels, strongest_per_column
from .style import choose_by_tap, quiet, zoom_along_x

COLUMNS = 460
ROW_HEIGHT = 27
_ROWS = len(TARGETS)


def draw_map(weights: NDArray, arm: Arm, low: float, high: float, chosen: int) -> hv.Overlay:
    """Weights (13, N_PIXELS) of an arm between two wavelengths; each row scaled to its own strongest pixels."""
    s = pixels(arm)
    x = hv.Dimension(f"map_wavelength_{arm.name}", label=f"{arm.name} arm, wavelength in air", unit="Å")
    y = hv.Dimension(f"target_{arm.name}")
    limits = np.maximum(magnitude(weights, 99.9), 1e-12)
    rows = [
        strongest_per_column(WAVELENGTH[s], row[s] / limit, low, high, COLUMNS)
        for row, limit in zip(weights, limits, strict=True)
    ]
    image = hv.Image(np.stack(rows), bounds=(low, -_ROWS, high, 0), kdims=[x, y], vdims=["saliency"])
    gaps = hv.Segments([(arm.low, -i, arm.high, -i) for i in range(1, _ROWS)], [x, y, "end", "top"])
    mark = hv.Rectangles([(arm.low, -chosen - 0.99, arm.high, -chosen - 0.01)], [x, y, "right", "top"])
    return (
        image.opts(cmap=list(theme.SALIENCY), clim=(-1, 1))
        * gaps.opts(color=theme.CARD, line_width=5)
        * mark.opts(fill_alpha=0, line_color=theme.MODEL, line_width=1.5)
    )


def target_at(event: Tap) -> str | None:
    """Name of the target in whose row of the map a tap fell."""
    return TARGETS[int(-event.y // 1)].name if 0 > event.y > -_ROWS else None


def map_options(arm: Arm, x_range: Range1d, choose: Callable[[str], object], names: bool) -> dict[str, Any]:
    """Options of the map; a tap calls `choose` with the target it fell on; `names` of the targets on the left.

    `choose` is a method; neither its object nor `x_range` is kept by the map.
    """
    rows, shared, chooser = Range1d(-_ROWS, 0), weakref.ref(x_range), weakref.WeakMethod(choose)
    ticks = [-i - 0.5 for i in range(_ROWS)]

    def share(plot: Any, _element: object) -> None:
        fig, along, chosen = plot.state, shared(), chooser()
        fig.x_range, fig.y_range = along, rows
        plot.handles["x_range"], plot.handles["y_range"] = along, rows
        zoom_along_x(fig)
        fig.xaxis.ticker.desired_num_ticks = 4  # half of a narrow card has room for no more
        fig.yaxis.ticker = FixedTicker(ticks=ticks)
        fig.yaxis.major_label_overrides = {tick: label_of(t.name) for tick, t in zip(ticks, TARGETS, strict=True)}
        if chosen is not None:
            choose_by_tap(fig, chosen, target_at)

    return {
        "responsive": True, "height": _ROWS * ROW_HEIGHT + 45, "toolbar": None, "apply_ranges": False, "show_legend": False,
        "hooks": [share, quiet], "ylabel": "", "xlabel": f"{arm.name} arm, wavelength in air [Å]", "show_grid": False,
        "default_tools": ["xpan", "xbox_zoom", "xwheel_zoom", "reset"], "active_tools": ["xbox_zoom"],
        **({} if names else {"yaxis": None}),
    }  # fmt: skip
