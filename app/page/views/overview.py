"""The overview: both arms with residual and saliency, the five diagnostic lines, and the Kiel diagram."""

from __future__ import annotations

import holoviews as hv
import panel as pn

from cinn_core.lines import five

from .. import theme
from ..context import Visit
from ..figures.kiel import draw_kiel
from .lines import line_grid
from .spectrum import spectrum_card
from .widgets import card, grid


def lines_card(visit: Visit) -> pn.Column:
    """The five diagnostic lines as small multiples; a click opens one."""
    return card(line_grid(visit, five(), columns=5, row_height=215), title="Diagnostic lines: a click opens one")


def kiel_card(visit: Visit) -> pn.Column:
    """The posterior in use in the Kiel diagram."""
    place = pn.Column(sizing_mode="stretch_width", margin=0, min_height=230)

    def draw() -> None:
        streams = [hv.streams.Params(visit.state, ["analysis", "selection"])]
        figure = hv.DynamicMap(lambda analysis, selection: draw_kiel(analysis, selection), streams=streams)
        place.objects = [pn.pane.HoloViews(figure, sizing_mode="stretch_width", margin=0, linked_axes=False)]

    visit.soon(draw)
    return card(place, title="Kiel diagram", css_classes=["tour-kiel"])


def overview(visit: Visit) -> pn.Column:
    """The first tab of the page, below the tiles."""
    lower = grid(lines_card(visit), kiel_card(visit), columns="minmax(0, 2.8fr) minmax(0, 1fr)")
    return pn.Column(spectrum_card(visit), lower, sizing_mode="stretch_width", margin=0, styles=theme.STACK)
