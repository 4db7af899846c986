"""Header of the star shown: its name, verdict, velocity, S/N and coverage, how long it took, and a person's own verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup

from cinn_core.errors import KielError
from cinn_core.forward_model.nlte_change import elements_in_nlte
from cinn_core.inference.quantities import MINUS
from cinn_core.inference.selection import Selection
from cinn_core.inference.weighted import effective_samples
from cinn_core.instrument import ARMS, RESOLVING_POWER
from cinn_core.output.verdicts import Grade, Verdict, Verdicts
from cinn_core.preparation.medium import other_reading
from cinn_core.stages import Analysis, FluxVector

from ..session import Session
from .widgets import card, fill, html, join

FLAG_TEXT: dict[str, str] = {
    "out_of_domain": "out of domain",
    "extrapolated": "extrapolated",
    "partial_coverage": "partial coverage",
    "missing_arm": "one arm missing",
    "arms_disagree": "arms disagree",
    "rv_uncertain": "velocity uncertain",
    "medium_guessed": "air or vacuum guessed",
    "resolution_unsure": "resolving power unsure",
    "snr_low": "S/N low",
    "snr_clipped": "S/N beyond the training",
    "continuum_poor": "continuum poor",
    "chi2_high": "χ² high",
    "composite": "composite?",
    "metal_poor": "metal-poor: LTE fails",
}
"""Text of the chip for each flag of `stages.FLAGS`."""

_LOW_COVERAGE = 0.95
"""Below this the bar of an arm changes colour."""

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


def thousands(value: float) -> str:
    """A whole number in groups of three; an en dash where there is none."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}") if math.isfinite(value) else "–"


def signed(value: float, decimals: int = 2) -> str:
    """A number with its sign and a real minus."""
    return f"{value:+z.{decimals}f}".replace("-", MINUS) if math.isfinite(value) else "–"


def chips(flags: tuple[str, ...]) -> Markup:
    """The verdict first, whether the network knows such stars, then every other flag."""
    foreign = "out_of_domain" in flags
    verdict = fill(
        '<span class="chip {}">{}</span>', "bad" if foreign else "ok", "out of domain" if foreign else "in domain"
    )
    others = join(fill('<span class="chip">{}</span>', FLAG_TEXT[f]) for f in flags if f != "out_of_domain")
    return fill('<div class="chips">{}{}</div>', verdict, others)


def definition_list(rows: list[tuple[str, str]]) -> Markup:
    """Names on the left, values on the right."""
    return fill("<dl>{}</dl>", join(fill("<div><dt>{}</dt><dd>{}</dd></div>", *row) for row in rows))


def coverage_bars(vector: FluxVector) -> Markup:
    """A bar for each arm: the share of it that was observed."""
    bars = [
        fill(
            '<div class="small"><span>{} {:.0f}–{:.0f} Å</span><span>{:.0f} %</span></div>'
            '<div class="bar"><i class="{}" style="width:{:.1f}%"></i></div>',
            arm.name, arm.low, arm.high, 100 * share, "low" if share < _LOW_COVERAGE else "", 100 * share,
        )
        for arm, share in zip(ARMS, vector.coverage, strict=True)
    ]  # fmt: skip
    return join(bars)


def star_header(analysis: Analysis, selection: Selection) -> Markup:
    """Name, file, flags, velocity, S/N, resolving power, chi-square and coverage of one star."""
    vector, n = analysis.flux_vector, len(selection.posterior.labels)
    effective = effective_samples(selection.weights, n)
    rows = [("velocity", f"{signed(vector.rv_kms)} ± {vector.rv_error_kms:.2f} km/s")]
    other = other_reading(vector.steps)
    if other is not None:
        rows.append((f"if in {other[0].value}", f"{signed(other[1])} km/s"))
    rows += [(f"S/N per Å, {arm.name}", thousands(snr)) for arm, snr in zip(ARMS, vector.snr, strict=True)]
    rows += [
        ("resolving power", f"{thousands(vector.native_resolving_power)} → {thousands(RESOLVING_POWER)}"),
        ("χ² per pixel", f"{analysis.resimulation.chi2_per_pixel:.2f}"),
        ("physics", short_physics(analysis.physics)),
        ("samples", thousands(n)),
        ("effective", f"{thousands(effective)} ({100 * effective / n:.0f} %)"),
        ("outside the prior", f"{100 * analysis.posterior.rejected_fraction:.1f} %"),
    ]
    return fill(
        '<div class="star">{}</div><div class="sub">{}</div>{}{}<div style="height:8px"></div>{}',
        vector.star or "unnamed star", vector.file, chips(analysis.flags), definition_list(rows), coverage_bars(vector),
    )  # fmt: skip


def short_physics(physics: str) -> str:
    """Elements in NLTE, in a few letters."""
    elements = elements_in_nlte(physics)
    return f"LTE; NLTE {', '.join(elements)}" if elements else "LTE"


def timings(analysis: Analysis) -> Markup:
    """Duration of each stage."""
    return definition_list(
        [(name.replace("_", " "), f"{seconds:.2f} s") for name, seconds in analysis.timings_s.items()]
    )


def star_card(session: Session) -> pn.Column:
    """The header of the session's star; hidden until there is one."""
    return _about_star(
        session, lambda analysis: star_header(analysis, session.state.selection), css_classes=["tour-star"]
    )


def time_card(session: Session) -> pn.Column:
    """Duration of the analysis of the star shown; hidden until there is one."""
    return _about_star(session, timings, title="Time taken")


def _about_star(session: Session, write: Callable[[Analysis], Markup], **params: Any) -> pn.Column:
    state, text = session.state, html()
    view = card(text, visible=False, **params)

    def refresh(*_events: object) -> None:
        if state.analysis is not None:
            text.object, view.visible = str(write(state.analysis)), True

    state.param.watch(refresh, ["analysis", "selection"])
    return view


def grade_text(verdict: Verdict | None) -> str:
    """Text of a verdict in a list."""
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
    note = html()
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
        description = "no verdict yet" if verdict is None else ", ".join(
            part for part in (grade_text(verdict), verdict.reason, verdict.comment, verdict.reviewer, verdict.made[:16]) if part
        )  # fmt: skip
        note.object = str(fill("<b>{}</b><div class='sub'>{}</div>", vector.star or vector.file, description))

    state.param.watch(draw, ["analysis", "verdicts"])
    draw()
    return card(
        note, pn.FlexBox(*buttons, gap="6px", margin=(8, 0)), pn.Column(reason, comment, reviewer, margin=0, styles={"gap": "8px"},
        sizing_mode="stretch_width"), title="Verdict on the star shown",
    )  # fmt: skip


@cache
def verdict_store() -> Verdicts:
    """The store at $KIEL_VERDICTS, else in the user's data folder; DataError where it cannot be opened."""
    return Verdicts()
