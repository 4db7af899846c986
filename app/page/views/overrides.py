"""What a person may know better than the file: a change prepares the star anew, from the first step that it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import panel as pn
import panel_material_ui as pmui

from cinn_core.errors import KielError, SpectrumError
from cinn_core.overrides import NOTHING_GIVEN, ContinuumChoice, Overrides
from cinn_core.stages import Medium

from ..session import Session
from .widgets import card, fill, html, live

_MEDIA = {"from the file": None, "air": Medium.AIR, "vacuum": Medium.VACUUM}
_CONTINUA = {"fit": ContinuumChoice.FIT, "as it is": ContinuumChoice.AS_IS}
_FIELDS = {
    "velocity": ("velocity [km/s]", "In the frame of the file's wavelengths, receding positive; empty: measured."),
    "snr": ("S/N per Å", "Of the continuum, both arms; empty: measured."),
    "resolving_power": ("resolving power", "Of the file; empty: from the header or the lines."),
    "degrade_to_snr": ("degrade to S/N", "White noise is added down to this S/N per Å; empty: none."),
}
_SMALL = {"fontSize": "12px", "padding": "1px 8px", "minWidth": 0}


def prepare_anew(session: Session, overrides: Overrides) -> None:
    """Analyse the star on the page again with other overrides."""
    state = session.state
    if overrides != state.overrides and state.source is not None:
        state.overrides = overrides
        session.analyse_again()


def overrides_card(session: Session) -> pn.Column:
    """One control for everything that may be known better; empty means measured."""
    state = session.state
    boxes, medium, continuum = _fields()
    regions, told = pn.FlexBox(gap="6px", margin=(8, 0, 0, 0)), html()
    reset = pmui.Button(label="measure everything again", variant="text", size="small", margin=0)
    following = [False]

    def apply(*_events: object) -> None:
        if following[0]:
            return
        try:
            given = {name: _number(box.value) for name, box in boxes.items()}
            chosen = {"medium": _MEDIA[medium.value], "continuum": _CONTINUA[continuum.value]}
            wanted = replace(state.overrides, **given, **chosen)
        except KielError as error:
            state.warn(str(error))
        else:
            prepare_anew(session, wanted)

    def without(region: tuple[float, float], _event: object) -> None:
        kept = tuple(r for r in state.overrides.masked if r != region)
        prepare_anew(session, replace(state.overrides, masked=kept))

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
        told.object = str(fill('<div class="sub">{}</div>', text))

    for control in (*boxes.values(), medium, continuum):
        control.param.watch(apply, "value")
    reset.on_click(lambda _event: prepare_anew(session, NOTHING_GIVEN))
    styles = {"display": "grid", "grid-template-columns": "minmax(0,1fr) minmax(0,1fr)", "gap": "10px"}
    form = pn.Column(
        boxes["velocity"], boxes["snr"], boxes["resolving_power"], boxes["degrade_to_snr"], medium, continuum,
        sizing_mode="stretch_width", margin=(8, 0, 0, 0), styles=styles,
    )  # fmt: skip
    view = card(form, told, regions, reset, title="Where you know better: a change runs again from the step it touches")
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


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.replace(",", ".").replace("\N{MINUS SIGN}", "-"))
    except ValueError as error:
        raise SpectrumError(f"{text!r} is not a number; leave the box empty to have it measured.") from error
