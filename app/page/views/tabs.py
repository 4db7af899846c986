"""Tabs of the page in their order, and the overview; each view is built from a session when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import holoviews as hv
import panel as pn
from panel.viewable import Viewable

from cinn_core.lines import five

from .. import theme
from ..figures.posterior import draw_kiel
from ..session import Session
from .lines import line_grid, lines
from .posterior import posterior
from .preparation import preparation
from .saliency import saliency
from .spectrum import spectrum_card
from .stars import stars
from .take_away import exports
from .whatif import whatif
from .widgets import Seen, card, grid


def lines_card(session: Session, seen: Seen) -> pn.Column:
    """The five diagnostic lines as small multiples; a click opens one."""
    return card(
        line_grid(session, seen, five(), columns=5, row_height=215), title="Diagnostic lines: a click opens one"
    )


def kiel_card(session: Session, seen: Seen) -> pn.Column:
    """The posterior in use in the Kiel diagram."""
    place = pn.Column(sizing_mode="stretch_width", margin=0, min_height=230)

    def draw() -> None:
        streams = [hv.streams.Params(seen, ["analysis", "selection"])]
        figure = hv.DynamicMap(lambda analysis, selection: draw_kiel(analysis, selection), streams=streams)
        place.objects = [pn.pane.HoloViews(figure, sizing_mode="stretch_width", margin=0, linked_axes=False)]

    session.post(draw)
    return card(place, exports(session, "kiel"), title="Kiel diagram", css_classes=["tour-kiel"])


def overview(session: Session) -> pn.Column:
    """The first tab of the page, below the tiles."""
    seen = Seen(session, "overview")
    lower = grid(lines_card(session, seen), kiel_card(session, seen), columns="minmax(0, 2.8fr) minmax(0, 1fr)")
    return pn.Column(spectrum_card(session, seen), lower, sizing_mode="stretch_width", margin=0, styles=theme.STACK)


@dataclass(frozen=True)
class Tab:
    """A tab: its name in the bar, its word in the address, its view, and what the view needs around it."""

    name: str
    slug: str
    build: Callable[[Session], Viewable]
    tiles: bool = False
    needs_star: bool = True


TABS: tuple[Tab, ...] = (
    Tab("Overview", "overview", overview, tiles=True),
    Tab("Lines", "lines", lines),
    Tab("Posterior", "posterior", posterior),
    Tab("Saliency", "saliency", saliency),
    Tab("What if", "what-if", whatif),
    Tab("Preparation", "preparation", preparation),
    Tab("Stars", "stars", stars),
)
