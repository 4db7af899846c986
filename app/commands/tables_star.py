"""Printed results of one star: posterior, constraints, steps of the preparation, line fits."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cinn_core.explanation.line_fits import Abundance, LineFit, LineFits
from cinn_core.forward_model.nlte_change import describe_physics
from cinn_core.inference.constraints import Constrained
from cinn_core.inference.more_elements import element_text
from cinn_core.inference.trust import trust_in
from cinn_core.instrument import ARMS
from cinn_core.preparation.medium import other_reading
from cinn_core.stages import Analysis, FluxVector, Importance, MoreElements, Reliability, Status, Summary, TargetSummary
from cinn_core.targets import TARGETS, Target

from .tables import TARGET_BY_NAME, add_numbers, limit_text, number, print_pairs, say, wide

_WIDTH = 170
_IN_NLTE = ("Mg", "Ca", "Li")
"""Elements whose lines differ between a model in NLTE and the same in LTE."""


def print_analysis(analysis: Analysis, console: Console | None = None) -> None:
    """Print the table of one star, each target's MAP, median and 68 % interval, then flags, S/N and reliability."""
    console = console or Console()
    vector = analysis.flux_vector
    title = vector.star if vector.star == vector.file else f"{vector.star} ({vector.file})"
    table = Table("target", title=escape(title), title_justify="left", title_style="bold")
    add_numbers(table, ("map", "median", "68 %"))
    table.add_column("unit")
    for target in TARGETS:
        summary = analysis.summary.targets[target.name]
        numbers = (shown_value(summary, target), number(summary.median, target), _interval(summary, target))
        table.add_row(escape(target.label), *numbers, summary.unit)
    console.print(table)
    if analysis.importance is not None:
        print_importance(analysis.importance, console)
    if analysis.more is not None:
        print_more(analysis.more, console)
    timings = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in analysis.timings_s.items())
    print_pairs(
        {
            "flags": ", ".join(analysis.flags) or "none",
            **_measured(vector),
            "rejected samples": f"{100 * analysis.posterior.rejected_fraction:.1f} %",
            "χ² per pixel": f"{analysis.resimulation.chi2_per_pixel:.2f}",
            **_trust(analysis.reliability),
            "believe it": trust_in(analysis).sentence,
            "physics": describe_physics(analysis.physics),
            "timings": timings,
        },
        console,
    )


def shown_value(summary: TargetSummary, target: Target) -> str:
    """The value of a target as text: its MAP, '< x' or '> x' for a limit, '(x)' where the spectrum does not constrain it."""
    if summary.limit95 is not None:
        return f"{summary.limit_sign} {number(summary.limit95, target)}"
    value = number(summary.map, target)
    return f"({value})" if summary.status is Status.UNCONSTRAINED else value


def print_importance(importance: Importance, console: Console | None = None) -> None:
    """Print how far the importance weights can be trusted, and the weighted posterior where they can."""
    console = console or Console()
    quality = (
        f"efficiency {100 * importance.efficiency:.1f} %, {importance.effective_samples:.0f} effective samples, "
        f"Pareto k {importance.pareto_k:.2f}, {importance.rounds} adaptive rounds"
    )
    if importance.failed:
        console.print(f"Importance: weights failed ({quality}); the posterior is the plain one.", highlight=False)
        return
    console.print(_medians(importance.summary, f"Weighted by the likelihood: {quality}"))


def print_more(more: MoreElements, console: Console | None = None) -> None:
    """Print the thirteen elements beside the targets: median, limit or (prior), 68 % interval, physics and lines."""
    console = console or Console()
    table = Table("element", title="More elements, [X/Fe]", title_justify="left", title_style="bold")
    add_numbers(table, ("value", "68 %"))
    for heading in ("", "physics", "lines [Å]"):
        table.add_column(heading)
    for one in (*more.elements.values(), *more.physics.values()):
        interval = f"{one.lo68:.2f} … {one.hi68:.2f}"
        lines = ", ".join(f"{wavelength:.1f}" for wavelength in one.lines)
        table.add_row(escape(one.label), element_text(one), interval, one.status.value, one.physics, lines)
    console.print(table)


def print_constrained(constrained: Constrained, console: Console | None = None) -> None:
    """Print the posterior under constraints from elsewhere: medians, intervals, effective samples."""
    console = console or Console()
    given = ", ".join(c.text for c in constrained.constraints)
    console.print(_medians(constrained.summary, f"Given {given}"))
    effective = f"{constrained.effective_samples:.0f} ({100 * constrained.effective_fraction:.1f} %)"
    print_pairs({"effective samples": effective}, console)
    for one, sigmas, expected in zip(constrained.constraints, constrained.tensions, constrained.expected, strict=True):
        through = f" (log g = {expected:.2f} ± {one.width:.2f} at the spectrum's Teff)" if one.is_indirect else ""
        say(console, f"{one.text}{through}: {sigmas:.1f} σ from the spectrum's own answer")
    if constrained.warning:
        say(console, constrained.warning)


def _medians(summary: Summary, title: str) -> Table:
    table = Table("target", title=escape(title), title_justify="left", title_style="bold")
    add_numbers(table, ("median", "68 %"))
    for target in TARGETS:
        numbers = summary.targets[target.name]
        table.add_row(escape(target.label), number(numbers.median, target), _interval(numbers, target))
    return table


def _interval(summary: TargetSummary, target: Target) -> str:
    return f"{number(summary.lo68, target)} … {number(summary.hi68, target)}"


def _trust(reliability: Reliability | None) -> dict[str, str]:
    """Posterior-predictive misfit, and how far from its training stars the network sees this one."""
    if reliability is None:
        return {}
    out = {"predictive χ²": f"{reliability.chi2:.2f} (noise and model error)"}
    if reliability.distance is not None:
        threshold = f"1 % of simulated stars lie beyond {reliability.distance_threshold:.2f}"
        out["distance"] = f"{reliability.distance:.2f}; {threshold}"
    return out


def print_preparation(vector: FluxVector, console: Console | None = None) -> None:
    """Print the steps of a preparation, each with its reason, then the measured velocity and S/N."""
    console = console or Console()
    for step in vector.steps:
        say(console, f"{step.name}: {step.reason}")
    print_pairs({"flags": ", ".join(vector.flags) or "none", **_measured(vector)}, console)


def _measured(vector: FluxVector) -> dict[str, str]:
    arms = (_arm_text(arm.name, snr) for arm, snr in zip(ARMS, vector.snr, strict=True))
    velocity = f"{vector.rv_kms:.2f} ± {vector.rv_error_kms:.2f} km/s{or_other_reading(vector)}"
    return {"radial velocity": velocity, "S/N per Å": ", ".join(arms)}


def or_other_reading(vector: FluxVector) -> str:
    """Words on the velocity that a star has if the file's wavelengths are in the other medium, where its lines do not tell."""
    other = other_reading(vector.steps)
    return "" if other is None else f", or {other[1]:.1f} if the wavelengths are in {other[0].value}"


def _arm_text(name: str, snr: float) -> str:
    return f"{name} {snr:.0f}" if math.isfinite(snr) else f"{name} missing"


def print_line_fits(
    vector: FluxVector,
    labels: Mapping[str, float],
    fits: LineFits,
    in_lte: LineFits | None = None,
    console: Console | None = None,
) -> None:
    """Print each line of one star with its abundance or why it was left out, then the elements; beside them those in LTE."""
    console = wide(console, _WIDTH)
    held = ", ".join(
        f"{TARGET_BY_NAME[n].label} {number(labels[n], TARGET_BY_NAME[n])}" for n in ("teff", "logg", "vmic", "vbroad")
    )
    table = Table("line", title=escape(f"{vector.star}: lines alone at {held}"), title_justify="left")
    add_numbers(table, ("abundance", "±", "limit", *(["in LTE"] if in_lte else [])))
    table.add_column("left out")
    for i, line in enumerate(fits.lines):
        table.add_row(*_line_cells(line, in_lte.lines[i] if in_lte else None))
    console.print(table)
    for name, abundance in fits.abundances.items():
        label = "A(Li)" if name == "Li" else f"[{name}/H]"
        if abundance.n:
            lte = in_lte.abundances[name] if in_lte and name in _IN_NLTE else None
            beside = f"; in LTE {lte.value:.2f}{_scatter(lte)}" if lte else ""
            own = f"{abundance.value:6.2f} ± {abundance.error:.2f}, {abundance.n} lines{_scatter(abundance)}"
            say(console, f"{label:<9} {own}{beside}")
        else:
            say(console, f"{label:<9} {limit_text(abundance.limit):>6}, no line in use")
    say(console, f"model spectra: {fits.synthesis}; [X/H] on the solar scale of the synthesis, local continuum free")


def _line_cells(line: LineFit, in_lte: LineFit | None) -> tuple[str, ...]:
    value = f"{line.value:.2f}" if math.isfinite(line.value) else "–"
    error = f"{line.error:.2f}" if math.isfinite(line.error) else "–"
    limit = limit_text(line.limit) if line.left_out.startswith("weaker") else ""
    if in_lte is None:
        beside: tuple[str, ...] = ()
    else:
        departs = line.window.species.split()[0] in _IN_NLTE and math.isfinite(in_lte.value)
        beside = (f"{in_lte.value:.2f}" if departs else "",)
    return (escape(line.window.name), value, error, limit, *beside, escape(line.left_out))


def _scatter(abundance: Abundance) -> str:
    return f", scatter {abundance.scatter:.2f}" if math.isfinite(abundance.scatter) else ""
