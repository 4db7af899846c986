"""Cards and HTML panes; every text from outside goes through `fill`, which escapes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import panel as pn
import param
from markupsafe import Markup
from panel.viewable import Viewable

from .. import theme
from ..session import Session

NARROW = 1200
"""Width of a window [px] below which a tab has its cards one under the other."""
SWITCH = {
    "& .MuiToggleButton-root": {"color": theme.css("muted"), "textTransform": "none", "padding": "4px 10px"},
    "& .MuiToggleButton-root[aria-pressed='true']": {  # by Mui-selected, Panel's own style would win
        "backgroundColor": f"{theme.css('chosen')} !important", "color": f"{theme.css('model')} !important", "fontWeight": 600,
    },
}  # fmt: skip
"""The look of a choice between two or three, in light and dark."""


def fill(template: str, *values: object) -> Markup:
    """A template of this code's own with values put in: strings are escaped, Markup is taken as it is."""
    return Markup(template).format(*values)


def join(parts: Iterable[Markup]) -> Markup:
    """Markup one after the other."""
    return Markup("").join(parts)


def html(content: object = "", **params: object) -> pn.pane.HTML:
    """An HTML pane in the page's style; `content` comes from `fill`, or is bound to something that does."""
    plain = str(content) if isinstance(content, Markup) else content  # Panel would escape Markup once more
    return pn.pane.HTML(plain, stylesheets=[theme.CSS], sizing_mode="stretch_width", margin=0, **params)


def card(*contents: object, title: Markup | str | None = None, **params: object) -> pn.Column:
    """Contents on a white card with round corners, under an optional heading."""
    head = [] if title is None else [html(heading(title))]
    styles = params.pop("styles", theme.CARD_STYLES)
    return pn.Column(*head, *contents, sizing_mode="stretch_width", margin=0, styles=styles, **params)


def heading(title: Markup | str, legend: Markup | str = "") -> Markup:
    """A card's heading with an optional legend on its right."""
    return fill('<div class="head"><span>{}</span><span class="legend">{}</span></div>', title, legend)


class Seen(param.Parameterized):
    """What the figures of one tab show: it follows the session while the tab is open, and catches up when it is opened again.

    So that a new star is drawn once, where it is looked at.
    """

    analysis = param.Parameter()
    selection = param.Parameter()
    target = param.Parameter()
    line = param.Parameter()
    compare_lte = param.Parameter()
    pins = param.Parameter(default=())
    bands = param.Parameter()
    lines = param.Parameter()
    exact = param.Parameter(default=())
    quantile_models = param.Parameter()

    def __init__(self, session: Session, tab: str) -> None:
        super().__init__()
        self._state, self._results, self._tab = session.state, session.results, tab
        session.state.param.watch(self._follow, [*_OF_STATE, "tab"])
        session.results.param.watch(self._follow, list(_OF_RESULTS))
        self._catch_up()

    def _follow(self, *_events: object) -> None:
        if self._state.tab == self._tab:
            self._catch_up()

    def _catch_up(self) -> None:
        now = {name: getattr(self._state, name) for name in _OF_STATE}
        now |= {name: getattr(self._results, name) for name in _OF_RESULTS}
        self.param.update(**{name: value for name, value in now.items() if getattr(self, name) is not value})


_OF_STATE = ("analysis", "selection", "target", "line", "compare_lte", "pins")
_OF_RESULTS = ("bands", "lines", "exact", "quantile_models")


def live(session: Session, view: Viewable, fields: list[str], draw: Callable[[], object]) -> None:
    """Draw once `view` is on the page, and anew when one of the state's fields changes: at once, or when it is next shown.

    Drawing waits a turn, because a figure that arrives together with its tab finds no room and takes none.
    """
    stale = [False]

    def refresh(*_events: object) -> None:
        stale[0] = True
        session.post(draw_stale)

    def draw_stale() -> None:
        if stale[0] and view.visible and session.state.analysis is not None:
            stale[0] = False
            draw()

    session.state.param.watch(refresh, fields)
    view.param.watch(lambda _event: session.post(draw_stale), "visible")
    refresh()


def grid(*contents: object, columns: str, below: int = 0) -> pn.Column:
    """Contents side by side in CSS grid columns, say "2fr 1fr", in a window narrower than `below` [px] one under the other.

    May be hidden as a whole.
    """
    styles = {**theme.STACK, "display": "grid", "grid-template-columns": columns, "align-items": "start"}
    stack = f"@media (max-width: {below}px) {{ :host {{ grid-template-columns: minmax(0, 1fr) !important; }} }}"
    inner = pn.Column(*contents, sizing_mode="stretch_width", margin=0, styles=styles, stylesheets=[stack])
    return pn.Column(inner, sizing_mode="stretch_width", margin=0, styles=theme.STACK)
