"""Drop zone and examples: what a person can ask for, and how far its analysis is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
import param
from markupsafe import Markup

from cinn_core.readers import Naming
from cinn_core.readers.roles import role_of

from .. import theme
from ..patches import SpectrumDropper
from ..session import AnalyseSource, Session
from ..state import Question
from ..uploads import MAX_FILES
from ..visit import Source, too_large
from .widgets import card, fill, html, join

N_STAGES = 7
"""Stages that an analysis reports: the model's loading, then read, prepare, infer, summarise, resimulate, saliency."""


NO_ERRORS = "none"
"""In place of a name where a file holds no errors."""


def likeliest(names: list[str], role: str) -> str:
    """The name that says a role by itself, else the first."""
    return next((name for name in names if role_of(name) == role), names[0])


def drop_zone(session: Session) -> SpectrumDropper:
    """A drop zone that hands each upload on and keeps none, so that the next file can be dropped or chosen at once."""
    dropper = SpectrumDropper(
        sizing_mode="stretch_width", margin=0, previews=[], stylesheets=[_DROPPER_CSS], multiple=True
    )

    def dropped(_event: object) -> None:
        for name in tuple(dropper.value):  # in the order of the drop
            session.uploads.add_file(name, dropper.value.pop(name))

    def refused(event: param.parameterized.Event) -> None:
        if event.new:
            session.state.complain(too_large(event.new))

    dropper.param.watch(dropped, "value")
    dropper.param.watch(refused, "refused")
    return dropper


def question(session: Session) -> pn.Column:
    """Question which of the spectra in a file is meant, or which of its arrays; hidden while there is nothing to ask."""
    state = session.state
    asked = html()
    which, wave, flux, error = (
        pmui.Select(label=label, options=[], size="small", margin=(4, 0), sizing_mode="stretch_width")
        for label in ("spectrum", "wavelengths", "flux", "errors")
    )
    one, every, none = (
        pmui.Button(label=label, variant=variant, size="small", margin=0)
        for label, variant in (("analyse", "contained"), ("analyse all", "outlined"), ("cancel", "text"))
    )
    column = pn.Column(
        asked, which, wave, flux, error, pn.FlexBox(one, every, none, gap="6px", margin=0), margin=(8, 0), visible=False
    )

    def ask(*_events: object) -> None:
        open_question = state.question
        column.visible = open_question is not None
        if open_question is None:
            return
        named = bool(open_question.names)
        which.visible, every.visible = not named, not named
        for select in (wave, flux, error):
            select.visible = named
        if named:
            names = list(open_question.names)
            wave.param.update(options=names, value=likeliest(names, "wave"))
            flux.param.update(options=names, value=likeliest(names, "flux"))
            error.param.update(options=[NO_ERRORS, *names], value=NO_ERRORS)
            text = "{} does not tell which of its arrays are the star's. Which ones?"
            asked.object = str(fill(text, open_question.source.name)) + pictures(open_question)
        else:
            labels = {f"{i + 1}: {choice.label}": i for i, choice in enumerate(open_question.choices)}
            which.param.update(options=labels, value=0)
            text = "{} holds {} spectra. Which one?"
            asked.object = str(fill(text, open_question.source.name, len(open_question.choices)))

    def answer(chosen: list[int]) -> None:
        open_question, state.question = state.question, None
        picked = (open_question.choices[i] for i in chosen)
        sources = tuple(replace(open_question.source, hdu=choice.hdu, row=choice.row) for choice in picked)
        session.uploads.analyse_all(sources)

    def answer_by_name() -> None:
        open_question, state.question = state.question, None
        naming = Naming(wave.value, flux.value, None if error.value == NO_ERRORS else error.value)
        session.uploads.analyse_all((replace(open_question.source, naming=naming),))

    one.on_click(lambda _event: answer_by_name() if state.question.names else answer([which.value]))
    every.on_click(lambda _event: answer(list(range(min(len(state.question.choices), MAX_FILES)))))
    none.on_click(lambda _event: state.param.update(question=None))
    state.param.watch(ask, "question")
    return column


_MOST_PICTURES = 40


def pictures(asked: Question) -> str:
    """Small drawings of the arrays that a question names, one under the other."""
    drawn = [(n, s) for n, s in zip(asked.names, asked.sketches, strict=False) if s][:_MOST_PICTURES]
    rows = join([fill("<tr><td>{}</td><td>{}</td></tr>", n, Markup(s)) for n, s in drawn])
    return str(fill('<table class="plain">{}</table>', rows)) if drawn else ""


def upload_card(session: Session) -> pn.Column:
    """The drop zone, the example stars, and how far the analysis is."""
    buttons = [_example_button(name, path, session.analyse_source) for name, path in session.examples.items()]
    return card(
        drop_zone(session),
        question(session),
        html(fill('<div class="sub">Simulated examples</div>')),
        pn.FlexBox(*buttons, gap="0 6px", margin=0),
        progress(session),
        css_classes=["tour-upload"],
    )


def progress(session: Session) -> pn.Column:
    """One segment a stage, the name of the present one, and a button that cancels."""
    state = session.state
    line = html(pn.bind(_progress_line, state.param.progress, state.param.stage))
    cancel = pmui.Button(
        label="cancel", variant="text", size="small", margin=0, height=24, sx=_LINK,
        description="Drop what is being computed and stay with the star shown before (Esc)",
        visible=state.param.status.rx() == "working",
    )  # fmt: skip
    cancel.on_click(lambda _event: state.cancel())
    return pn.Column(line, cancel, sizing_mode="stretch_width", margin=0, styles={"min-height": "62px"})


def _progress_line(text: str, stage: int) -> str:
    state = [("done" if i < stage - 1 else "now" if i == stage - 1 else "") for i in range(N_STAGES)]
    segments = join(fill('<i class="{}"></i>', name) for name in state) if text else ""
    return str(
        fill(
            '<div class="stages">{}</div><div class="progress" role="status" aria-live="polite">{}</div>',
            segments, text,
        )
    )  # fmt: skip


def _example_button(name: str, path: Path, analyse: AnalyseSource) -> pmui.Button:
    button = pmui.Button(
        label=name.replace("-", " "), variant="text", size="small", margin=0, color="primary", height=24, sx=_LINK
    )
    button.on_click(lambda _event: analyse(partial(Source, path, path.name)))
    return button


_LINK = {"padding": "0 2px", "minWidth": 0, "fontSize": theme.text(13), "lineHeight": 1.6}
_DROPPER_CSS = f"""
.bk-input.filepond--root {{ font-family: {theme.FONT}; font-size: {theme.text(13)}; margin: 0 0 4px; min-height: 70px; box-shadow: none;
  background: transparent; border: 1px dashed {theme.css("faint")}; border-radius: 10px; box-sizing: border-box; overflow: hidden; }}
.bk-input.filepond--root:not([disabled]):hover {{ border: 1px dashed {theme.css("model")}; box-shadow: none; }}
.filepond--root:has([data-filepond-item-state="processing-complete"]) .filepond--list-scroller {{ display: none; }}
.filepond--root:has([data-filepond-item-state="processing-complete"]) .filepond--drop-label {{
  opacity: 1 !important; visibility: visible !important; pointer-events: auto !important; transform: none !important; }}
.filepond--panel-root, .filepond--panel > * {{ background: transparent !important; border: 0; box-shadow: none !important; }}
.filepond--drop-label {{ color: {theme.css("muted")}; min-height: 70px; }}
.filepond--drop-label label {{ font-size: 0; cursor: pointer; }}
.filepond--drop-label label::before {{ content: "Drop spectra, or click to choose"; font-size: {theme.text(13)}; display: block; }}
.filepond--drop-label label::after {{
  content: "FITS, text, ECSV, gz, a zip of several"; font-size: {theme.text(12)}; color: {theme.css("muted")}; }}
"""
