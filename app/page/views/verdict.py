"""The verdict of a person on the star shown: good, uncertain or bad, why, and by whom."""

from __future__ import annotations

from functools import cache

import panel as pn
import panel_material_ui as pmui

from cinn_core.errors import KielError
from cinn_core.output.verdicts import Grade, Verdict, Verdicts

from ..session import Session
from .widgets import card, fill, html

NO_REASON = "none given"
REASONS = (
    NO_REASON,
    "poor fit",
    "composite",
    "wrong velocity",
    "continuum",
    "low S/N",
    "outside the domain",
    "labels implausible",
)
_MARK = {Grade.GOOD: "✓", Grade.UNCERTAIN: "?", Grade.BAD: "✗"}


def grade_text(verdict: Verdict | None) -> str:
    """How a list shows a verdict."""
    return "–" if verdict is None else f"{_MARK[verdict.grade]} {verdict.grade.value}"


def judge(session: Session, grade: Grade, reason: str = "", comment: str = "", reviewer: str = "") -> None:
    """Store a verdict on the star shown; what went wrong is said on the page."""
    state = session.state
    if state.analysis is None:
        return
    vector = state.analysis.flux_vector
    reviewer = reviewer or state.reviewer
    try:
        verdict_store().add(Verdict(vector.sha256, vector.star, vector.file, grade, reason, comment, reviewer))
    except KielError as error:
        state.warn(str(error))
    else:
        state.verdicts += 1


def newest(sha256: str) -> Verdict | None:
    """The last verdict on a file; none where the database does not answer."""
    try:
        return verdict_store().newest(sha256)
    except KielError:
        return None


def verdict_card(session: Session) -> pn.Column:
    """Three buttons and what goes with them."""
    state = session.state
    told = html()
    reason = pmui.Select(
        label="reason", options=list(REASONS), value=NO_REASON, size="small", margin=0, sizing_mode="stretch_width"
    )
    comment = pmui.TextInput(label="comment", size="small", margin=0, sizing_mode="stretch_width", max_length=500)
    reviewer = pmui.TextInput(label="reviewer", size="small", margin=0, sizing_mode="stretch_width", max_length=80)
    reviewer.link(state, value="reviewer")
    buttons = []
    for grade in Grade:
        button = pmui.Button(
            label=f"{_MARK[grade]} {grade.value}", variant="outlined", size="small", margin=0,
            description=f"key {grade.value[0].upper()}",
        )  # fmt: skip
        button.on_click(
            lambda _event, g=grade: judge(
                session, g, "" if reason.value == NO_REASON else reason.value, comment.value or ""
            )
        )
        buttons.append(button)

    def draw(*_events: object) -> None:
        if state.analysis is None:
            return
        vector = state.analysis.flux_vector
        verdict = newest(vector.sha256)
        said = "no verdict yet" if verdict is None else ", ".join(
            part for part in (grade_text(verdict), verdict.reason, verdict.comment, verdict.reviewer, verdict.made[:16]) if part
        )  # fmt: skip
        told.object = str(fill("<b>{}</b><div class='sub'>{}</div>", vector.star or vector.file, said))

    state.param.watch(draw, ["analysis", "verdicts"])
    draw()
    return card(
        told, pn.FlexBox(*buttons, gap="6px", margin=(8, 0)), pn.Column(reason, comment, reviewer, margin=0, styles={"gap": "8px"},
        sizing_mode="stretch_width"), title="Verdict on the star shown",
    )  # fmt: skip


@cache
def verdict_store() -> Verdicts:
    """The store at $KIEL_VERDICTS, else in the user's data folder; DataError where it cannot be opened."""
    return Verdicts()
