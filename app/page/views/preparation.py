"""What was done to the spectrum before the network saw it: the ledger, and the flux with its continuum."""

from __future__ import annotations

import math
from dataclasses import replace

import panel as pn
import panel_material_ui as pmui
from bokeh.events import SelectionGeometry
from markupsafe import Markup

from cinn_core.inference.quantities import MINUS
from cinn_core.instrument import ARMS, PIXEL_ANGSTROM
from cinn_core.stages import Step

from .. import theme
from ..figures.preparation import draw_prepared, draw_snapshot
from ..session import Session
from .overrides import overrides_card, prepare_anew
from .star import thousands
from .widgets import card, fill, grid, html, join, live


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


def preparation(session: Session) -> pn.Column:
    """The tab: the ledger, what a person may know better, and the spectrum before and after."""
    state, steps = session.state, html()
    before = pn.Column(sizing_mode="stretch_width", margin=0)
    panes = [pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0) for _ in ARMS]
    stage = pmui.Select(label="before: after the step", options=[], size="small", margin=0, width=280)

    drawn = [False]

    def draw_before(*_events: object) -> None:
        shots = state.analysis.flux_vector.snapshots
        if drawn[0] or stage.value is None or stage.value >= len(shots):
            return
        shot = shots[stage.value]
        caption = f"{shot.frame}" + ("" if shot.level is None else "; in orange, what the next step divides by")
        figures = [pn.pane.Bokeh(draw_snapshot(shot, arm), sizing_mode="stretch_width", margin=0) for arm in ARMS]
        before.objects = [html(fill('<div class="sub">{}</div>', caption)), *figures]

    def draw() -> None:
        vector = state.analysis.flux_vector
        steps.object = str(ledger(vector.steps))
        options = {shot.after: i for i, shot in enumerate(vector.snapshots)}
        chosen = min(stage.value or 0, len(options) - 1) if options else None
        drawn[0] = (
            True  # or a change of the chosen step would draw twice, and the browser answer for figures that are gone
        )
        stage.param.update(options=options, value=chosen)
        drawn[0] = False
        draw_before()
        for pane, arm in zip(panes, ARMS, strict=True):
            made = draw_prepared(vector, arm, state.overrides.masked)
            made.on_event(SelectionGeometry, masked)
            pane.object = made

    def masked(event: SelectionGeometry) -> None:
        box = event.geometry
        if event.final and box.get("type") == "rect" and box["x1"] - box["x0"] > PIXEL_ANGSTROM:
            region = (round(float(box["x0"]), 1), round(float(box["x1"]), 1))
            prepare_anew(session, replace(state.overrides, masked=(*state.overrides.masked, region)))

    stage.param.watch(draw_before, "value")
    after = card(
        *panes, title="After: as 4MOST would have seen it. Shaded: left out. Drag over a region to leave it out, too"
    )
    right = pn.Column(after, card(stage, before), sizing_mode="stretch_width", margin=0, styles=theme.STACK)
    left = pn.Column(
        overrides_card(session), card(steps, title="Ledger: what was done, why, and with what numbers"),
        sizing_mode="stretch_width", margin=0, styles=theme.STACK,
    )  # fmt: skip
    view = grid(left, right, columns="minmax(0, 1fr) minmax(0, 1.8fr)")
    live(session, view, ["analysis"], draw)
    return view
