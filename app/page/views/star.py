"""Header of the star shown: its name, verdict, velocity, S/N and coverage, and how long it took."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import panel as pn
from markupsafe import Markup

from cinn_core.forward_model.nlte_change import elements_in_nlte
from cinn_core.inference.quantities import MINUS
from cinn_core.inference.selection import Selection
from cinn_core.inference.trust import Trust, trust_in
from cinn_core.inference.weighted import effective_samples
from cinn_core.instrument import ARMS, RESOLVING_POWER
from cinn_core.output.glossary import FLAG_MEANING, FLAG_TEXT, TERMS, meaning
from cinn_core.preparation.medium import other_reading
from cinn_core.stages import Analysis, Answer, FluxVector, Reliability

from .. import theme
from ..session import Session
from .widgets import card, fill, html, join

_HARMLESS = frozenset({"snr_clipped", "medium_guessed"})
"""Flags of nearly every good spectrum: their chips are plain."""
_LOW_COVERAGE = 0.95
"""Below this the bar of an arm changes colour."""


def thousands(value: float) -> str:
    """A whole number in groups of three; an en dash where there is none."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}") if math.isfinite(value) else "–"


def signed(value: float, decimals: int = 2) -> str:
    """A number with its sign and a real minus."""
    return f"{value:+z.{decimals}f}".replace("-", MINUS) if math.isfinite(value) else "–"


def chips(flags: tuple[str, ...]) -> Markup:
    """The verdict first, whether the network knows such stars, green where no other flag speaks against it; then every other."""
    foreign, calm = "out_of_domain" in flags, _HARMLESS.issuperset(flags)
    verdict = (
        fill('<span class="chip bad" tabindex="0" title="{}">out of domain</span>', FLAG_MEANING["out_of_domain"])
        if foreign
        else fill(
            '<span class="chip {}" tabindex="0" title="{}">in domain</span>',
            "ok" if calm else "plain",
            TERMS["in domain"],
        )
    )
    others = join(
        fill(
            '<span class="chip {}" tabindex="0" title="{}">{}</span>',
            "plain" if f in _HARMLESS else "",
            FLAG_MEANING[f],
            FLAG_TEXT[f],
        )
        for f in flags
        if f != "out_of_domain"
    )
    return fill('<div class="chips">{}{}</div>', verdict, others)


def definition_list(rows: list[tuple[str, str]]) -> Markup:
    """Names on the left, each with its meaning on hover, values on the right."""
    return fill("<dl>{}</dl>", join(_definition(*row) for row in rows))


def _definition(name: str, value: str) -> Markup:
    known = next((term for term in TERMS if name.startswith(term)), name)
    if text := meaning(known):
        return fill('<div title="{}"><dt tabindex="0" class="term">{}</dt><dd>{}</dd></div>', text, name, value)
    return fill("<div><dt>{}</dt><dd>{}</dd></div>", name, value)


def trust_line(trust: Trust) -> Markup:
    """What to believe of the numbers, before anything else about the star."""
    return fill('<div class="trust {}" role="note">{}</div>', trust.level.value, trust.sentence)


def velocity_text(vector: FluxVector) -> str:
    """The velocity with its error, or that none was found."""
    if not math.isfinite(vector.rv_kms) or not math.isfinite(vector.rv_error_kms):
        return "not found"
    return f"{signed(vector.rv_kms)} ± {vector.rv_error_kms:.2f} km/s"


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
    rows = [("velocity", velocity_text(vector))]
    other = other_reading(vector.steps)
    if other is not None:
        rows.append((f"if in {other[0].value}", f"{signed(other[1])} km/s"))
    rows += [(f"S/N per Å, {arm.name}", thousands(snr)) for arm, snr in zip(ARMS, vector.snr, strict=True)]
    rows += [
        ("resolving power", f"{thousands(vector.native_resolving_power)} → {thousands(RESOLVING_POWER)}"),
        ("χ² per pixel", f"{analysis.resimulation.chi2_per_pixel:.2f}"),
        *_reliability_rows(analysis.reliability),
        ("physics", short_physics(analysis.physics)),
        ("samples", thousands(n)),
        ("effective", f"{thousands(effective)} ({100 * effective / n:.0f} %)"),
        ("outside the prior", f"{100 * analysis.posterior.rejected_fraction:.1f} %"),
    ]
    parts = (trust_line(trust_in(analysis)), chips(analysis.flags), definition_list(rows), coverage_bars(vector))
    return fill('{}{}{}{}<div style="height:8px"></div>{}', name_lines(vector), *parts)


def _reliability_rows(found: Reliability | None) -> list[tuple[str, str]]:
    """What the chips of misfit and domain rest on, where it was measured."""
    if found is None:
        return []
    rows = [("χ² with model error", f"{found.chi2:.2f}")]
    if found.distance is not None and found.distance_threshold is not None:
        rows.append(("distance", f"{found.distance:.1f} of {found.distance_threshold:.1f}"))
    return rows


def early_header(answer: Answer) -> Markup:
    """Name, file, velocity and S/N of a star whose numbers are there before its fit is judged."""
    vector = answer.flux_vector
    rows = [("velocity", velocity_text(vector))]
    rows += [(f"S/N per Å, {arm.name}", thousands(snr)) for arm, snr in zip(ARMS, vector.snr, strict=True)]
    wait = fill('<div class="trust care" role="note">Numbers first: whether to believe them is being judged …</div>')
    return fill("{}{}{}", name_lines(vector), wait, definition_list(rows))


def name_of(vector: FluxVector) -> str:
    """What a star is called: by its file's header, else by its file."""
    return vector.star or vector.file


def name_lines(vector: FluxVector) -> Markup:
    """The star's name and the file's."""
    return fill('<div class="star">{}</div><div class="sub">{}</div>', vector.star or "unnamed star", vector.file)


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
        session, lambda analysis: star_header(analysis, session.state.selection), early_header, css_classes=["tour-star", theme.NUMBERS],
    )  # fmt: skip


def time_card(session: Session) -> pn.Column:
    """Duration of the analysis of the star shown; hidden until there is one."""
    return _about_star(
        session, timings, lambda _answer: fill('<div class="sub">being counted …</div>'), title="Time taken"
    )


def _about_star(
    session: Session, write: Callable[[Analysis], Markup], write_early: Callable[[Answer], Markup], **params: Any
) -> pn.Column:
    state, text = session.state, html()
    view = card(text, visible=False, **params)

    def refresh(*_events: object) -> None:
        if state.answer is not None:
            text.object, view.visible = str(write_early(state.answer)), True
        elif state.analysis is not None:
            text.object, view.visible = str(write(state.analysis)), True
        else:
            view.visible = False

    state.param.watch(refresh, ["analysis", "selection", "answer"])
    return view
