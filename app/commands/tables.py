"""What the command line prints: the table of an analysis, the ledger of a preparation, figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cinn_core.forward_model.nlte_change import described
from cinn_core.inference.constraints import Constrained
from cinn_core.instrument import ARMS
from cinn_core.stages import Analysis, FluxVector, Importance, Reliability, Status, TargetSummary
from cinn_core.targets import TARGETS, Target

_BY_NAME = {target.name: target for target in TARGETS}


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line on stderr that says what goes on, gone at the end; nothing where stderr is no terminal."""
    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(escape(text))


def number(value: float, target: Target) -> str:
    """A value with the decimals of its target; a dash where there is none."""
    return f"{value:.{target.decimals}f}" if math.isfinite(value) else "–"


def print_analysis(analysis: Analysis, console: Console | None = None) -> None:
    """The table of one star: each target's mode, median and 68 % interval, then what else a reader must know."""
    console = console or Console()
    vector = analysis.flux_vector
    title = vector.star if vector.star == vector.file else f"{vector.star} ({vector.file})"
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    table.add_column("target")
    for heading in ("map", "median", "68 %"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    for target in TARGETS:
        found = analysis.summary.targets[target.name]
        interval = f"{number(found.lo68, target)} … {number(found.hi68, target)}"
        numbers = (shown_value(found, target), number(found.median, target), interval)
        table.add_row(escape(target.label), *numbers, found.unit)
    console.print(table)
    if analysis.importance is not None:
        print_importance(analysis.importance, console)

    timings = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in analysis.timings_s.items())
    _print_pairs(
        {
            "flags": ", ".join(analysis.flags) or "none",
            **_measured(vector),
            "rejected samples": f"{100 * analysis.posterior.rejected_fraction:.1f} %",
            "χ² per pixel": f"{analysis.resimulation.chi2_per_pixel:.2f}",
            **_trust(analysis.reliability),
            "physics": described(analysis.physics),
            "timings": timings,
        },
        console,
    )


def shown_value(found: TargetSummary, target: Target) -> str:
    """What stands for a target: its mode, '< x' or '> x' for a limit, '(x)' where the spectrum says nothing of it."""
    if found.limit95 is not None:
        return f"{found.limit_sign} {number(found.limit95, target)}"
    value = number(found.map, target)
    return f"({value})" if found.status is Status.UNCONSTRAINED else value


def print_importance(found: Importance, console: Console | None = None) -> None:
    """How far the weights can be trusted, and medians and intervals of the weighted posterior where they can."""
    console = console or Console()
    quality = (
        f"efficiency {100 * found.efficiency:.1f} %, {found.effective_samples:.0f} effective samples, "
        f"Pareto k {found.pareto_k:.2f}, {found.rounds} adaptive rounds"
    )
    if found.failed:
        console.print(f"Importance: weights failed ({quality}); the posterior is the plain one.", highlight=False)
        return
    table = Table("target", title=f"Weighted by the likelihood: {quality}", title_justify="left", title_style="bold")
    for heading in ("median", "68 %"):
        table.add_column(heading, justify="right")
    for target in TARGETS:
        numbers = found.summary.targets[target.name]
        interval = f"{number(numbers.lo68, target)} … {number(numbers.hi68, target)}"
        table.add_row(escape(target.label), number(numbers.median, target), interval)
    console.print(table)


def _trust(found: Reliability | None) -> dict[str, str]:
    """Posterior-predictive misfit, and how far from its training stars the network sees this one."""
    if found is None:
        return {}
    out = {"predictive χ²": f"{found.chi2:.2f} (noise and model error)"}
    if found.distance is not None:
        out["distance"] = f"{found.distance:.2f}; 1 % of simulated stars lie beyond {found.distance_threshold:.2f}"
    return out


def print_constrained(constrained: Constrained, console: Console | None = None) -> None:
    """What is left of the posterior under what was given from elsewhere: medians, intervals, effective samples."""
    console = console or Console()
    given = ", ".join(f"{c.target} = {c.mean:g} ± {c.sigma:g}" for c in constrained.constraints)
    table = Table("target", title=escape(f"Given {given}"), title_justify="left", title_style="bold")
    for heading in ("median", "68 %"):
        table.add_column(heading, justify="right")
    for target in TARGETS:
        found = constrained.summary.targets[target.name]
        interval = f"{number(found.lo68, target)} … {number(found.hi68, target)}"
        table.add_row(escape(target.label), number(found.median, target), interval)
    console.print(table)
    effective = f"{constrained.effective_samples:.0f} ({100 * constrained.effective_fraction:.1f} %)"
    _print_pairs({"effective samples": effective}, console)
    if constrained.warning:
        console.print(escape(constrained.warning), highlight=False, soft_wrap=True)


def print_preparation(vector: FluxVector, console: Console | None = None) -> None:
    """The ledger of a prepared spectrum: what was done and why, then what was measured on the way."""
    console = console or Console()
    for step in vector.steps:
        console.print(f"{escape(step.name)}: {escape(step.reason)}", highlight=False, soft_wrap=True)
    _print_pairs({"flags": ", ".join(vector.flags) or "none", **_measured(vector)}, console)


def _measured(vector: FluxVector) -> dict[str, str]:
    arms = (_arm_text(arm.name, snr) for arm, snr in zip(ARMS, vector.snr, strict=True))
    velocity = f"{vector.rv_kms:.2f} ± {vector.rv_error_kms:.2f} km/s"
    return {"radial velocity": velocity, "S/N per Å": ", ".join(arms)}


def _arm_text(name: str, snr: float) -> str:
    return f"{name} {snr:.0f}" if math.isfinite(snr) else f"{name} missing"


def _print_pairs(pairs: Mapping[str, str], console: Console) -> None:
    width = max(map(len, pairs))
    for name, text in pairs.items():
        console.print(f"{name:<{width}}  {escape(text)}", highlight=False, soft_wrap=True)


def print_emulator_figures(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Errors of the emulator: all core stars in a line, its poorest lines, then flux and label errors by region."""
    console = console or Console(width=max(Console().width, 120))
    percent = {
        name: f"{100 * figures[key]:.2f} %"
        for name, key in (("median |Δflux|", "median_abs"), ("99th percentile", "p99_abs"), ("rms", "rms"))
    }
    within = f"{100 * figures['pairs_within_1pct']:.1f} % of star-line pairs"
    _print_pairs({"stars": f"{figures['n']}", **percent, "depth within 1 %": within}, console)
    table = Table(title="Lines with the largest errors of depth", title_justify="left")
    for heading in ("line", "rms", "within 1 %"):
        table.add_column(heading, justify="left" if heading == "line" else "right")
    for name, line in sorted(figures["lines"].items(), key=lambda item: -item[1]["depth_rms"])[:8]:
        table.add_row(name, f"{100 * line['depth_rms']:.2f} %", f"{100 * line['within_1pct']:.1f} %")
    console.print(table)
    shown = [target for target in TARGETS if target.name in _LABELS_BY_REGION]
    title = "Robust scatter of one linear step of a fit to each star, S/N 250, by region of the Kiel diagram"
    table = Table("region", "stars", "median |Δflux|", title=title, title_justify="left")
    for target in shown:
        table.add_column(escape(target.label), justify="right")
    core = {"name": "4100-7000 K, [Fe/H] > -2.5", **figures}
    for region in (core, *figures["regions"]):
        sigmas = (fine(region["labels"][target.name]["sigma"], target) for target in shown)
        table.add_row(escape(region["name"]), str(region["n"]), f"{100 * region['median_abs']:.2f} %", *sigmas)
    console.print(table)


_LABELS_BY_REGION = ("teff", "logg", "feh", "vmic", "ca_fe", "mg_fe")


def fine(value: float, target: Target) -> str:
    """A scatter or width with one decimal more than the target's values where these have any."""
    return f"{value:.{target.decimals + (target.decimals > 1)}f}"
