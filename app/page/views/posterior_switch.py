"""Which posterior is in use, chosen in the bar: the flow's own samples, weighed against the likelihood, or corrected for bias."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui

from cinn_core.inference.selection import PosteriorKind

from ..context import Visit
from .widgets import SWITCH, fill, html

_HELP = (
    "flow: the network's samples as they are. weighted: weighed against the likelihood of the spectrum itself, up to half "
    "a minute a star. corrected: less the linear bias in Teff that real stars show."
)


def whose(visit: Visit) -> pn.Row:
    """The switch; a posterior that this network does not have is not shown."""
    state, found = visit.state, visit.found
    shown = [kind for kind in PosteriorKind if kind is not PosteriorKind.CORRECTED or state.offer.bias is not None]
    switch = pmui.RadioButtonGroup(
        options={kind.value: kind for kind in shown}, value=state.kind, size="small", margin=0, description=_HELP,
        css_classes=["tour-whose"], sx=SWITCH,
    )  # fmt: skip
    doing = html(pn.bind(_doing, found.param.working))
    doing.sizing_mode, doing.width, doing.height = "fixed", 88, 32

    def choose(*_events: object) -> None:
        if switch.value is not state.kind:  # param takes equal members of an Enum for different
            state.kind = switch.value

    def follow(*_events: object) -> None:
        if switch.value is not state.kind:
            switch.value = state.kind

    switch.param.watch(choose, "value")
    state.param.watch(follow, "kind")
    return pn.Row(doing, switch, margin=0)


def _doing(working: list[str]) -> str:
    text = "weighing …" if "weights" in working else "posterior"
    return str(fill('<div class="sub" style="text-align:right;padding:7px 6px 0 0">{}</div>', text))
