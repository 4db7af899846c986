"""Folded card of the thirteen elements beside the targets, drawn when a person asks for them."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup

from cinn_core.inference.more_elements import element_text
from cinn_core.inference.quantities import value_text
from cinn_core.stages import MoreElement, MoreElements

from ..session import Session, draw_more
from .widgets import card, fill, html, join, live

_ASK = "thirteen more elements"
_EXPLAINED = (
    "O, Na, Al, V, Cr, Co, Ni, Sr, Y, Zr, Ba, Ce, Eu: the network integrates over them; here they are drawn for each sample of "
    "its posterior from prior times likelihood. Some seconds."
)


def more_card(session: Session) -> pn.Column:
    """The button that asks, and the table once they are there; nothing is computed before."""
    ask = pmui.Button(
        label=_ASK, variant="outlined", size="small", margin=0, description=_EXPLAINED, css_classes=["more-elements"]
    )
    table = html()
    ask.on_click(lambda _event: draw_more(session))

    def draw(*_events: object) -> None:
        working, found = "more" in session.results.working, session.results.more
        ask.visible, ask.disabled = found is None, working
        ask.label = "drawing …" if working else _ASK
        table.object = "" if found is None else str(elements_table(found))

    view = card(ask, table)
    session.results.param.watch(lambda *_events: session.post(draw), ["more", "working"])
    live(session, view, ["analysis"], draw)
    return view


def elements_table(more: MoreElements) -> Markup:
    """The elements as a folded table: value or limit, 68 % interval, physics and lines."""
    head = Markup("<tr><th></th><th>[X/Fe]</th><th>68 %</th><th></th><th>lines [Å]</th></tr>")
    rows = join(_row(one) for one in (*more.elements.values(), *more.physics.values()))
    summary = Markup("<summary>More elements: those beside the thirteen targets</summary>")
    return fill('<details open>{}<table class="more">{}{}</table></details>', summary, head, rows)


def _row(one: MoreElement) -> Markup:
    interval = f"{value_text(one.lo68, 2, True)} … {value_text(one.hi68, 2, True)}"
    lines = ", ".join(f"{wavelength:.1f}" for wavelength in one.lines)
    cells = (one.label, element_text(one).replace("-", "\N{MINUS SIGN}"), interval, one.physics, lines)
    return fill("<tr>{}</tr>", join(fill("<td>{}</td>", cell) for cell in cells))
