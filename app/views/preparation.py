"""What was done to the spectrum before the network saw it: the ledger, and the flux with its continuum."""

from __future__ import annotations

import math

import panel as pn
from markupsafe import Markup

from app import theme
from app.figures.preparation import draw_preparation
from app.quantities import MINUS
from app.visit import Visit
from cinn_core.instrument import ARMS
from cinn_core.stages import Step

from .parts import card, fill, grid, html, join, live
from .star import thousands


def number(value: float | str) -> str:
    """A number of the ledger with as many digits as help; texts as they are."""
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "–"
    if float(value).is_integer() or abs(value) >= 1e4:
        return thousands(value).replace("-", MINUS)
    return f"{value:.4g}".replace("-", MINUS)


def ledger(steps: tuple[Step, ...]) -> Markup:
    """The steps in order: name, reason, and the numbers each rests on."""
    return fill('<ol class="ledger">{}</ol>', join(_step(step) for step in steps))


def _step(step: Step) -> Markup:
    numbers = join(
        fill("<span>{} <b>{}</b></span>", name.replace("_", " "), number(value)) for name, value in step.numbers.items()
    )
    return fill('<li><b>{}</b><p>{}</p><div class="numbers">{}</div></li>', step.name, step.reason, numbers)


def preparation(visit: Visit) -> pn.Column:
    """The third tab; filled when it is looked at, and anew for each star while it is."""
    state, steps = visit.state, html()
    panes = [pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0) for _ in ARMS]

    def draw() -> None:
        vector = state.analysis.flux_vector
        steps.object = str(ledger(vector.steps))
        for pane, arm in zip(panes, ARMS, strict=True):
            pane.object = draw_preparation(vector, arm)

    cards = [
        card(
            pane,
            title=f"{arm.name.capitalize()} arm at rest before normalisation, with the continuum it was divided by",
        )
        for pane, arm in zip(panes, ARMS, strict=True)
    ]
    view = grid(
        card(steps, title="Ledger: what was done, why, and with what numbers"),
        pn.Column(*cards, sizing_mode="stretch_width", margin=0, styles=theme.STACK),
        columns="minmax(0, 1fr) minmax(0, 2fr)",
    )
    live(visit, view, ["analysis"], draw)
    return view
