"""Cards and HTML panes; every text from outside goes through `fill`, which escapes it."""

from __future__ import annotations

from collections.abc import Iterable

import panel as pn
from markupsafe import Markup

from app import theme


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
    return pn.Column(*head, *contents, sizing_mode="stretch_width", margin=0, styles=theme.CARD_STYLES, **params)


def heading(title: Markup | str, legend: Markup | str = "") -> Markup:
    """A card's heading with an optional legend on its right."""
    return fill('<div class="head"><span>{}</span><span class="legend">{}</span></div>', title, legend)


def grid(*contents: object, columns: str) -> pn.Column:
    """Contents side by side in CSS grid columns, say "2fr 1fr"; may be hidden as a whole."""
    styles = {**theme.STACK, "display": "grid", "grid-template-columns": columns, "align-items": "start"}
    inner = pn.Column(*contents, sizing_mode="stretch_width", margin=0, styles=styles)
    return pn.Column(inner, sizing_mode="stretch_width", margin=0, styles=theme.STACK)
