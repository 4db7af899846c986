"""Preparation tab: the steps with their numbers, what a person knows better than the file, and the spectrum before and after."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import panel as pn
import panel_material_ui as pmui
from bokeh.events import SelectionGeometry
from markupsafe import Markup

from cinn_core.errors import KielError, SpectrumError
from cinn_core.inference.quantities import MINUS
from cinn_core.instrument import ARMS, PIXEL_ANGSTROM
from cinn_core.overrides import NOTHING_GIVEN, ContinuumChoice, Overrides
from cinn_core.stages import Medium, Step

from .. import theme
from ..figures.preparation import draw_prepared, draw_snapshot
from ..session import Session
from .star import thousands
from .widgets import NARROW, card, fill, grid, html, join, live

_MEDIA = {"from the file": None, "air": Medium.AIR, "vacuum": Medium.VACUUM}
_CONTINUA = {"fit": ContinuumChoice.FIT, "as it is": ContinuumChoice.AS_IS}
_FIELDS = {
    "velocity": ("velocity [km/s]", "In the frame of the file's wavelengths, receding positive; empty: measured."),
    "snr": ("S/N per Å", "Of the continuum, both arms; empty: measured."),
    "resolving_power": ("resolving power", "Of the file; empty: from the header or the lines."),
    "degrade_to_snr": ("degrade to S/N", "White noise is added down to this S/N per Å; empty: none."),
}
_SMALL = {"fontSize": theme.text(12), "padding": "1px 8px", "minWidth": 0}


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
            fig = draw_prepared(vector, arm, state.overrides.masked)
            fig.on_event(SelectionGeometry, masked)
            pane.object = fig

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
    view = grid(left, right, columns="minmax(0, 1fr) minmax(0, 1.8fr)", below=NARROW)
    live(session, view, ["analysis"], draw)
    return view


def prepare_anew(session: Session, overrides: Overrides) -> None:
    """Analyse the star on the page again with other overrides."""
    state = session.state
    if state.star is None or overrides == state.overrides:
        return
    if state.source != state.star.request.source:
        state.warn(f"Nothing was changed: another star is on its way; change {state.star.name} when it is shown again.")
        return
    state.overrides = overrides
    session.analyse_again()


def _mask_box(session: Session) -> pmui.TextInput:
    """The box that takes two wavelengths to leave out; empty again as soon as they are."""
    box = pmui.TextInput(
        label="leave out [Å]", placeholder="5200 5210", size="small", margin=(10, 0, 0, 0), sizing_mode="stretch_width",
        description="Two wavelengths in air, at rest; a drag over the figure does the same.",
    )  # fmt: skip

    def typed(*_events: object) -> None:
        if not box.value:
            return
        now = session.state.overrides
        try:
            prepare_anew(session, replace(now, masked=(*now.masked, region_of(box.value))))
        except KielError as error:
            session.state.warn(str(error))
        box.value = ""

    box.param.watch(typed, "value")
    return box


def overrides_card(session: Session) -> pn.Column:
    """One control for everything that may be known better; empty means measured."""
    state = session.state
    boxes, medium, continuum = _fields()
    mask = _mask_box(session)
    regions, note = pn.FlexBox(gap="6px", margin=(8, 0, 0, 0)), html()
    reset = pmui.Button(label="measure everything again", variant="text", size="small", margin=0)
    following = [False]

    def apply(*_events: object) -> None:
        if following[0]:
            return
        try:
            numbers = {name: _value_of(box.value) for name, box in boxes.items()}
            chosen = {"medium": _MEDIA[medium.value], "continuum": _CONTINUA[continuum.value]}
            overrides = replace(state.overrides, **numbers, **chosen)
        except KielError as error:
            state.warn(str(error))
        else:
            prepare_anew(session, overrides)

    def without(region: tuple[float, float], _event: object) -> None:
        remaining = tuple(r for r in state.overrides.masked if r != region)
        prepare_anew(session, replace(state.overrides, masked=remaining))

    def follow() -> None:
        now = state.overrides
        following[0] = True
        for name, box in boxes.items():
            value = getattr(now, name)
            box.value = "" if value is None else f"{value:g}"
        medium.value = next(text for text, known in _MEDIA.items() if known is now.medium)
        continuum.value = next(text for text, known in _CONTINUA.items() if known is now.continuum)
        following[0] = False
        regions.objects = [_region_chip(region, without) for region in now.masked]
        reset.visible = now != NOTHING_GIVEN
        text = "Left out by hand:" if now.masked else ""
        note.object = str(fill('<div class="sub">{}</div>', text))

    for control in (*boxes.values(), medium, continuum):
        control.param.watch(apply, "value")
    reset.on_click(lambda _event: prepare_anew(session, NOTHING_GIVEN))
    styles = {"display": "grid", "grid-template-columns": "minmax(0,1fr) minmax(0,1fr)", "gap": "10px"}
    form = pn.Column(
        boxes["velocity"], boxes["snr"], boxes["resolving_power"], boxes["degrade_to_snr"], medium, continuum,
        sizing_mode="stretch_width", margin=(8, 0, 0, 0), styles=styles,
    )  # fmt: skip
    view = card(
        form,
        mask,
        note,
        regions,
        reset,
        title="Where you know better: a change runs again from the step it touches",
        css_classes=["tour-preparation"],
    )
    live(session, view, ["analysis"], follow)
    return view


def _fields() -> tuple[dict[str, pmui.TextInput], pmui.Select, pmui.Select]:
    """The boxes of numbers by the name of their override, and the choices of medium and continuum."""
    boxes = {
        name: pmui.TextInput(label=label, description=text, size="small", margin=0, sizing_mode="stretch_width")
        for name, (label, text) in _FIELDS.items()
    }
    medium = pmui.Select(
        label="wavelengths in", options=list(_MEDIA), value="from the file", size="small", margin=0,
        sizing_mode="stretch_width",
    )  # fmt: skip
    continuum = pmui.Select(
        label="continuum", options=list(_CONTINUA), value="fit", size="small", margin=0, sizing_mode="stretch_width",
        description="Fit it, or take the flux for normalised already.",
    )  # fmt: skip
    return boxes, medium, continuum


def _region_chip(region: tuple[float, float], without: Callable[[tuple[float, float], object], None]) -> pmui.Button:
    """The chip of a region left out by hand; a click takes it in again."""
    label = f"{region[0]:.1f}–{region[1]:.1f} Å  ×"
    chip = pmui.Button(label=label, variant="outlined", size="small", margin=0, sx=_SMALL)
    chip.on_click(partial(without, region))
    return chip


def region_of(text: str) -> tuple[float, float]:
    """A region of wavelength from its two ends as a person types them; SpectrumError for others."""
    try:
        low, high = (float(part.replace(",", ".")) for part in text.replace("–", " ").replace("-", " ").split())
    except ValueError as error:
        raise SpectrumError(f"{text!r} is no region; give its two ends in Å, such as 5200 5210.") from error
    return low, high


def _value_of(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.replace(",", ".").replace("\N{MINUS SIGN}", "-"))
    except ValueError as error:
        raise SpectrumError(f"{text!r} is not a number; leave the box empty to have it measured.") from error
