"""The tabs of the page, in their order: each one view built from a visit when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from panel.viewable import Viewable

from ..context import Visit
from .lines import lines
from .overview import overview
from .posterior import posterior
from .preparation import preparation
from .saliency import saliency
from .stars import stars
from .whatif import whatif


@dataclass(frozen=True)
class Tab:
    """A tab: its name in the bar, its word in the address, its view, and what the view needs around it."""

    name: str
    slug: str
    build: Callable[[Visit], Viewable]
    tiles: bool = True
    needs_star: bool = True


TABS: tuple[Tab, ...] = (
    Tab("Overview", "overview", overview),
    Tab("Lines", "lines", lines, tiles=False),
    Tab("Posterior", "posterior", posterior, tiles=False),
    Tab("Saliency", "saliency", saliency, tiles=False),
    Tab("What if", "what-if", whatif, tiles=False),
    Tab("Preparation", "preparation", preparation, tiles=False),
    Tab("Stars", "stars", stars, tiles=False),
)
