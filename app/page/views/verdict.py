"""Verdict of a person on the star shown: boxes and buttons that carry the star's identity, the last verdict, and its undoing."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import panel as pn
import panel_material_ui as pmui
import param
from panel.custom import JSComponent

from cinn_core.errors import KielError
from cinn_core.output.verdicts import Grade, Verdict, Verdicts

from .. import theme
from ..session import Session
from ..state import Draft, SessionState
from ..visit import Star
from .widgets import card, fill, html

REASONS = (
    "poor fit",
    "composite",
    "wrong velocity",
    "continuum",
    "low S/N",
    "outside the domain",
    "labels implausible",
)
_MARK = {Grade.GOOD: "✓", Grade.UNCERTAIN: "?", Grade.BAD: "✗"}


class VerdictBoxes(JSComponent):
    """Buttons, reason, comment and reviewer; every message names the star that is drawn, and a new one empties the boxes."""

    star = param.String(doc="Identity of the star drawn; empty while it changes.")
    grades = param.List(doc="One dict a button: grade, label, tip.")
    reasons = param.List(doc="Reasons to choose from.")
    reviewer = param.String(doc="Who judges.")

    _esm = """
    export function render({ model }) {
      const root = document.createElement("div"), labelled = (text, box) => {
        const label = document.createElement("label")
        label.append(text, box); return label
      }
      root.className = "verdict"
      const reason = document.createElement("select"), comment = document.createElement("input")
      const reviewer = document.createElement("input"), row = document.createElement("div")
      for (const text of ["", ...model.reasons]) {
        const option = document.createElement("option")
        option.value = text; option.textContent = text || "none given"; reason.append(option)
      }
      comment.maxLength = 500; reviewer.maxLength = 80; reviewer.value = model.reviewer
      const typed = () => ({ star: model.star, reason: reason.value, comment: comment.value })
      for (const box of [reason, comment]) box.oninput = () => model.send_msg({ draft: typed() })
      reviewer.oninput = () => model.send_msg({ reviewer: reviewer.value })
      const buttons = model.grades.map(({ grade, label, tip }) => {
        const b = document.createElement("button")
        b.type = "button"; b.textContent = label; b.title = tip
        b.onclick = () => model.send_msg({ grade, ...typed() })
        return b
      })
      row.className = "row"; row.append(...buttons)
      root.append(row, labelled("reason", reason), labelled("comment", comment), labelled("reviewer", reviewer))
      const follow = () => {
        reason.value = ""; comment.value = ""
        for (const b of [...buttons, reason, comment]) b.disabled = !model.star
      }
      model.on("star", follow); follow()
      return root
    }
    """

    _stylesheets: ClassVar[list[str]] = [
        f"""
    .verdict {{ font-family: {theme.FONT}; font-size: {theme.text(13)}; color: {theme.css("ink")}; display: grid; gap: 8px; }}
    .row {{ display: flex; gap: 6px; margin: 8px 0 2px; flex-wrap: wrap; }}
    label {{ display: grid; gap: 2px; color: {theme.css("muted")}; font-size: {theme.text(12)}; }}
    button, select, input {{ font: inherit; font-size: {theme.text(13)}; color: {theme.css("ink")}; background: {theme.css("card")};
      border: 1px solid {theme.css("faint")}; border-radius: 8px; padding: 5px 9px; min-width: 0; box-sizing: border-box; }}
    button {{ cursor: pointer; color: {theme.css("model")}; }}
    button:disabled {{ opacity: .45; cursor: default; }}
    :focus-visible {{ outline: 2px solid {theme.css("model")}; outline-offset: 1px; }}
    """
    ]


def grade_text(verdict: Verdict | None, own: bool = True) -> str:
    """Text of a verdict in a list; one that was not given in this visit says so."""
    if verdict is None:
        return "–"
    return f"{_MARK[verdict.grade]} {verdict.grade.value}{'' if own else ' (not of this visit)'}"


def verdict_on(state: SessionState, star: Star) -> tuple[Verdict | None, bool]:
    """The verdict that counts for a star, and whether it was given in this visit; None where the database does not answer.

    Of somebody who logged in it is the own one, where there is one; else the newest, whoever gave it.
    """
    try:
        store = verdict_store()
        found = (store.newest(star.identity, state.login) if state.login else None) or store.newest(star.identity)
    except KielError:
        return None, False
    return found, found in state.given


def judge(session: Session, grade: Grade, drawn: str, reason: str = "", comment: str = "") -> None:
    """Store a verdict on the star shown, refused where another was drawn for the person; what went wrong is said."""
    state, star = session.state, session.state.star
    if star is None:
        return
    if drawn != star.identity:
        state.warn(f"Nothing was stored: the page was changing to {star.name} when the verdict came; judge it again.")
        return
    vector = star.analysis.flux_vector
    verdict = Verdict(star.identity, vector.star, vector.file, grade, reason, comment, state.reviewer or state.login)
    try:
        state.given = (*state.given, verdict_store().add(verdict))
    except KielError as error:
        state.warn(str(error))
    else:
        state.verdicts += 1


def judge_by_key(session: Session, key: str, drawn: str) -> None:
    """The verdict of a key, with what stands in the boxes."""
    draft = session.state.draft
    words = (draft.reason, draft.comment) if draft.star == drawn else ("", "")
    judge(session, next(grade for grade in Grade if grade.value[0] == key), drawn, *words)


def take_back(session: Session) -> None:
    """Take the last verdict of this visit back."""
    state = session.state
    if not state.given:
        return
    try:
        verdict_store().withdraw(state.given[-1])
    except KielError as error:
        state.warn(str(error))
    else:
        state.given = state.given[:-1]
        state.verdicts += 1


def given_line(session: Session) -> pn.Row:
    """The last verdict of this visit, by the star's name, with a button that takes it back; hidden before there is one."""
    state, text = session.state, html()
    undo = pmui.Button(
        label="undo", variant="text", size="small", margin=0, description="Take this verdict back (key z)",
        sx={"padding": "0 4px", "minWidth": 0},
    )  # fmt: skip
    undo.on_click(lambda _event: take_back(session))
    row = pn.Row(text, undo, sizing_mode="stretch_width", margin=(6, 0, 0, 0), visible=False, css_classes=["given"])

    def draw(*_events: object) -> None:
        row.visible = bool(state.given)
        if state.given:
            last = state.given[-1]
            words = ", ".join(part for part in (grade_text(last), last.reason, last.comment) if part)
            text.object = str(fill('<div class="sub" role="status"><b>{}</b>: {}</div>', last.star or last.file, words))

    state.param.watch(draw, "given")
    return row


def verdict_card(session: Session) -> pn.Column:
    """The star judged, the verdict that counts, and the boxes for another."""
    state, note = session.state, html()
    boxes = VerdictBoxes(
        star=state.drawn, reasons=list(REASONS), reviewer=state.reviewer, sizing_mode="stretch_width", margin=0,
        grades=[{"grade": g.value, "label": f"{_MARK[g]} {g.value}", "tip": f"key {g.value[0]}"} for g in Grade],
    )  # fmt: skip

    def heard(event: Any) -> None:
        said = event.data
        if "draft" in said:
            state.draft = Draft(**{name: str(said["draft"].get(name, "")) for name in ("star", "reason", "comment")})
        if "reviewer" in said:
            state.reviewer = str(said["reviewer"])
        if said.get("grade") in set(Grade):
            judge(session, Grade(said["grade"]), *(str(said.get(name, "")) for name in ("star", "reason", "comment")))

    def draw(*_events: object) -> None:
        if state.star is not None:
            note.object = str(note_on(state, state.star))

    boxes.on_msg(heard)
    state.param.watch(lambda event: boxes.param.update(star=event.new), "drawn")
    state.param.watch(draw, ["analysis", "verdicts"])
    draw()
    return card(note, boxes, title="Verdict on the star shown")


def note_on(state: SessionState, star: Star) -> object:
    """The star's name, the verdict that counts, and whose it is."""
    verdict, own = verdict_on(state, star)
    if verdict is None:
        words = "no verdict yet"
    else:
        whose = "yours, of this visit" if own else f"by {verdict.reviewer or 'somebody unnamed'}, not in this visit"
        parts = (grade_text(verdict), verdict.reason, verdict.comment, verdict.made[:16], whose)
        words = ", ".join(part for part in parts if part)
    kept = "Kept on the server with the file's name, for all who open the same file."
    return fill("<b>{}</b><div class='sub'>{}</div><div class='sub'>{}</div>", star.name, words, kept)


@cache
def verdict_store() -> Verdicts:
    """The store at $KIEL_VERDICTS, else in the user's data folder; DataError where it cannot be opened."""
    return Verdicts()
