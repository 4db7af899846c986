"""Printed tables of the benchmark: a row a spectrum, figures over stars, goals, fits, steps, robustness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cinn_core.benchmark.ablation import Effect
from cinn_core.benchmark.figures import BenchmarkFigures, BiasAndScatter, Repeats, figures_of, fits_of
from cinn_core.benchmark.goals import Goal
from cinn_core.benchmark.measure import BenchmarkRow, fit_differences
from cinn_core.benchmark.report import corrected_maps
from cinn_core.benchmark.robustness import Shift
from cinn_core.inference.bias import CORRECTED
from cinn_core.literature import COMPARED, differences
from cinn_core.targets import COLUMN, TARGETS

from .tables import TARGET_BY_NAME, add_numbers, fine, limit_text, number, say, signed, wide

_WIDTH = 170
_LINES = ("feh", "mg_fe", "ca_fe", "a_li")


class BenchmarkPrinter:
    """A table printed row by row: MAP of each spectrum, its difference from the literature in brackets."""

    _FILE = 34
    _STAR = 16
    _VALUE = 17

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        heads = "".join(f"{TARGET_BY_NAME[name].label + ' (Δ)':>{self._VALUE}}" for name in COMPARED)
        self._line(f"{'file':<{self._FILE}} {'star':<{self._STAR}}{heads}  flags")

    def row(self, row: BenchmarkRow) -> None:
        """Print one spectrum: its three numbers and their differences from the literature, or why it was refused."""
        head = f"{row.entry.file[: self._FILE]:<{self._FILE}} {row.entry.star[: self._STAR]:<{self._STAR}}"
        if row.native is None:
            self._line(f"{head}  refused: {row.refusal}")
            return
        values = "".join(f"{self._value(row, name):>{self._VALUE}}" for name in COMPARED)
        self._line(f"{head}{values}  {', '.join(row.native.flags)}")

    def _value(self, row: BenchmarkRow, name: str) -> str:
        assert row.native is not None
        target, difference = TARGET_BY_NAME[name], differences(row.native.summary, row.entry).get(name)
        shown = f"({difference:+.{target.decimals}f})" if difference is not None else "(–)"
        return f"{number(row.native.summary.targets[name].map, target)} {shown}"

    def _line(self, text: str) -> None:
        self.console.print(escape(text), highlight=False, soft_wrap=True)


def print_figures(figures: BenchmarkFigures, title: str, console: Console | None = None) -> None:
    """Print all figures over the spectra that count: differences by star, then bias, scatter, trends, repeats, residuals."""
    console = wide(console, _WIDTH)
    heading = (
        f"{title}: {len(figures.stars)} stars, {figures.spectra} spectra (fundamental, [Fe/H] > -1.5, 4300-6700 K)"
    )
    table = Table("star", title=escape(heading), title_justify="left", title_style="bold")
    for names, reference in ((COMPARED, "lit."), (_LINES, "lines")):
        add_numbers(table, (f"{TARGET_BY_NAME[name].label} - {reference}" for name in names))
    for star, off in figures.stars.items():
        lines = figures.line_stars.get(star, {})
        table.add_row(
            escape(star), *(signed(off.get(n), n) for n in COMPARED), *(signed(lines.get(n), n) for n in _LINES)
        )
    console.print(table)
    for name, overall in figures.overall.items():
        within = f"|z| < 3 for {100 * figures.z_within[name]:.0f} %"
        say(console, f"{TARGET_BY_NAME[name].label:<8} MAP - literature: {_comparison(overall, name)}; {within}")
        if (trend := figures.trend.get(name)) is not None and np.isfinite(trend.sigmas):
            slope = f"{signed(trend.slope, name)} ± {fine(trend.error, TARGET_BY_NAME[name])} per 1000 K"
            say(console, f"{'':<8} trend with Teff: {slope}, {abs(trend.sigmas):.1f} sigma")
        if (repeats := figures.repeats.get(name)) is not None:
            say(console, f"{'':<8} repeats: {_repeats(repeats, name)}")
    for name, overall in figures.lines.items():
        say(console, f"{TARGET_BY_NAME[name].label:<8} MAP - line fit: {_comparison(overall, name)}")
    if "all" in figures.z_within:
        say(console, f"|z| < 3 for {100 * figures.z_within['all']:.0f} % of all values")
    flagged = "; ".join(f"{file}: {', '.join(flags)}" for file, flags in figures.flagged.items())
    say(console, f"flagged out_of_domain: {flagged or 'none'}")
    if figures.resimulated:
        means = ", ".join(f"{name} {100 * x:.2f} %" for name, x in figures.resimulated.items())
        say(console, f"mean |observed - resimulated| outside masks: {means}; noise alone {100 * figures.noise:.2f} %")
        worst = sorted(figures.resimulated_lines.items(), key=lambda item: -item[1]["map"])
        say(console, "of the lines at the MAP: " + ", ".join(f"{name} {100 * x['map']:.2f} %" for name, x in worst[:6]))
    for file, off in figures.sun.items():
        say(console, f"Sun, {file}: " + ", ".join(f"{TARGET_BY_NAME[n].label} {signed(x, n)}" for n, x in off.items()))


def print_others(rows: Sequence[BenchmarkRow], console: Console | None = None) -> None:
    """Print the metal-poor stars in a table of their own, and the spectra outside the domain with the flags that say so."""
    console = wide(console, _WIDTH)
    poor = [row for row in rows if row.entry.is_metal_poor and row.native is not None]
    if poor:
        table = Table("file", "star", "trust", title=escape("[Fe/H] < -1.5, not counted"), title_justify="left")
        compared = (f"{TARGET_BY_NAME[name].label} - lit." for name in COMPARED)
        others = (TARGET_BY_NAME[name].label for name in ("mg_fe", "ca_fe", "a_li"))
        add_numbers(table, (*compared, *others, "fit - lit."))
        for row in poor:
            assert row.native is not None
            off, targets = differences(row.native.summary, row.entry), row.native.summary.targets
            ratios = (f"{targets[name].map:+.2f}" for name in ("mg_fe", "ca_fe"))
            cells = (row.entry.file, row.entry.star, row.entry.trust)
            table.add_row(
                *map(escape, cells),
                *(signed(off.get(n), n) for n in COMPARED),
                *ratios,
                escape(row.native.lithium),
                ", ".join(signed(x, n) for n, x in fit_differences(row.entry, row.native).items()) or "–",
            )
        console.print(table)
    foreign = [row for row in rows if row.entry.is_foreign]
    if foreign:
        table = Table("file", "star", "warned", "by", title="Outside the domain", title_justify="left")
        for row in foreign:
            by = row.refusal or "" if row.native is None else ", ".join(row.native.warnings)
            table.add_row(*map(escape, (row.entry.file, row.entry.star, "yes" if by else "NO", by)))
        console.print(table)


def print_lithium(rows: Iterable[BenchmarkRow], console: Console | None = None) -> None:
    """Print A(Li) of the network beside the line's, for the spectra of category main."""
    console = wide(console, _WIDTH)
    table = Table("file", "star", title="A(Li)", title_justify="left")
    add_numbers(table, ("network", "line", "Mg/Fe", "Ca/Fe"))
    for row in rows:
        if row.native is None or row.entry.category != "main":
            continue
        line, targets = row.native.lines.abundances["Li"], row.native.summary.targets
        shown = f"{line.value:.2f} ± {line.error:.2f}" if line.n else limit_text(line.limit)
        ratios = (f"{targets[name].map:+.2f}" for name in ("mg_fe", "ca_fe"))
        table.add_row(*map(escape, (row.entry.file, row.entry.star, row.native.lithium, shown)), *ratios)
    console.print(table)


def print_all_targets(rows: Iterable[BenchmarkRow], console: Console | None = None) -> None:
    """Print the uncorrected MAP of all 13 targets and the rejected share of the samples, as in Table 6 of Ksoll et al. (2026)."""
    table = Table("file", title="MAP of all targets, uncorrected", title_justify="left")
    add_numbers(table, (*(target.label for target in TARGETS), "rejected"))
    for row in rows:
        if row.native is not None and row.entry.category == "main":
            values = (number(x, target) for x, target in zip(row.native.map.tolist(), TARGETS, strict=True))
            table.add_row(escape(row.entry.file), *values, f"{100 * row.native.rejected_fraction:.1f} %")
    wide(console, _WIDTH).print(table)


def print_corrected(rows: Sequence[BenchmarkRow], console: Console | None = None) -> None:
    """Print the MAP less the bias that other stars gave, beside literature and line fits (Table 2 of Ksoll et al. 2026)."""
    corrected = corrected_maps(rows)
    if not corrected:
        return
    title = "MAP less the bias that the stars of other groups gave (literature; line fits for abundances)"
    table = Table("file", "star", title=title, title_justify="left")
    add_numbers(table, (TARGET_BY_NAME[name].label for name in CORRECTED))
    for row in rows:
        if row.native is None or row.entry.category != "main":
            continue
        at = corrected[row.entry.file]
        lines = row.native.lines.references()
        references = {**lines, **row.entry.values}
        cells = []
        for name in CORRECTED:
            beside = f" ({number(references[name], TARGET_BY_NAME[name])})" if name in references else " (–)"
            cells.append(number(float(at[COLUMN[name]]), TARGET_BY_NAME[name]) + beside)
        table.add_row(escape(row.entry.file), escape(row.entry.star), *cells)
    wide(console, _WIDTH).print(table)


def print_fits(rows: Sequence[BenchmarkRow], console: Console | None = None) -> None:
    """Print the network beside the maximum-likelihood fit of the forward model: which is nearer to the literature."""
    console = wide(console, _WIDTH)
    stars, overall = fits_of(rows)
    if not stars:
        return
    network = figures_of(rows)
    title = "MAP of the network beside the maximum-likelihood fit, both minus literature"
    table = Table("star", title=title, title_justify="left")
    for name in COMPARED:
        add_numbers(table, (f"{TARGET_BY_NAME[name].label}: MAP", "fit"))
    for star, off in stars.items():
        pairs = ((network.stars[star].get(n), off.get(n)) for n in COMPARED)
        cells = [cell for n, pair in zip(COMPARED, pairs, strict=True) for cell in (signed(x, n) for x in pair)]
        table.add_row(escape(star), *cells)
    console.print(table)
    for name, comparison in overall.items():
        say(console, f"{TARGET_BY_NAME[name].label:<8} fit - literature: {_comparison(comparison, name)}")


def print_steps(effects: Sequence[Effect], console: Console | None = None) -> None:
    """Print median and scatter of the fits' differences from the literature, step after step."""
    if not effects:
        return
    title = "Fits with each step, judged on stars that had no part in it: median (scatter) of fit - literature"
    table = Table("step", title=title, title_justify="left")
    add_numbers(table, (TARGET_BY_NAME[name].label for name in COMPARED))
    for effect in effects:
        cells = []
        for name in COMPARED:
            comparison = effect.overall.get(name)
            shown = (
                "–"
                if comparison is None
                else f"{signed(comparison.median, name)} ({fine(comparison.scatter, TARGET_BY_NAME[name])})"
            )
            cells.append(shown)
        table.add_row(escape(effect.name), *cells)
    wide(console, _WIDTH).print(table)


def print_goals(goals: Sequence[Goal], console: Console | None = None) -> None:
    """Print each goal with its measured value and whether it holds."""
    table = Table("goal", "found", "holds", title="Goals, at the S/N of the data", title_justify="left")
    for goal in goals:
        table.add_row(escape(goal.text), escape(goal.found), "yes" if goal.holds else "NO")
    wide(console, _WIDTH).print(table)


def print_correction(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print whether a correction from the stars of two groups helps those of the third."""
    console = wide(console, _WIDTH)
    say(console, "Bias correction, linear in Teff (Ksoll et al. 2026, Eq. 12):")
    if not figures["targets"]:
        say(console, "too few stars to fit on two groups and judge on the third")
    for name, pair in figures["targets"].items():
        before, after = (BiasAndScatter(**pair[key]) for key in ("before", "after"))
        helps = abs(after.median) + after.scatter < abs(before.median) + before.scatter
        verdict = "helps" if helps else "does not help"
        text = f"as it is {_comparison(before, name)}; corrected {_comparison(after, name)}: {verdict}"
        say(console, f"{TARGET_BY_NAME[name].label:<8} {text}")
    if figures["targets"]:
        groups = "; ".join(", ".join(group) for group in figures["groups"])
        say(console, f"Each group of stars corrected by the lines that the others gave: {groups}.")


def print_robustness(robust: Mapping[str, Mapping[str, Mapping[str, Shift]]], console: Console | None = None) -> None:
    """Print shifts over the spectra: of Teff, log g, [Fe/H], of all 13 in sigma, and how much wider the intervals are."""
    console = wide(console, _WIDTH)
    if not robust:
        return
    title = f"Shift of the MAP when one spectrum is disturbed, {len(robust)} spectra: median |Δ| (median |Δ| / sigma)"
    table = Table("disturbance", title=title, title_justify="left")
    add_numbers(table, (TARGET_BY_NAME[name].label for name in COMPARED))
    add_numbers(table, ("all 13: |Δ| < 1 sigma", "< 2 sigma", "intervals wider by"))
    for change in dict.fromkeys(name for changes in robust.values() for name in changes):
        shifts = [changes[change] for changes in robust.values() if change in changes]
        cells = []
        for name in COMPARED:
            value, sigmas = (np.median([abs(getattr(x[name], k)) for x in shifts]) for k in ("value", "sigmas"))
            cells.append(f"{fine(float(value), TARGET_BY_NAME[name])} ({sigmas:.1f})")
        sigmas = np.array([abs(s.sigmas) for x in shifts for s in x.values()])
        wider = float(np.median([s.widening for x in shifts for s in x.values()]))
        shares = (f"{100 * float((sigmas < limit).mean()):.0f} %" for limit in (1, 2))
        table.add_row(escape(change), *cells, *shares, f"{wider:.2f}")
    console.print(table)


def _comparison(comparison: BiasAndScatter, name: str) -> str:
    target = TARGET_BY_NAME[name]
    return (
        f"median {signed(comparison.median, name)}, mean {signed(comparison.mean, name)}, "
        f"scatter (1.48 MAD) {fine(comparison.scatter, target)} {target.unit}, {comparison.n} stars"
    )


def _repeats(repeats: Repeats, name: str) -> str:
    target = TARGET_BY_NAME[name]
    return (
        f"rms {fine(repeats.rms, target)}, robust {fine(repeats.robust, target)} {target.unit} "
        f"({repeats.n} spectra of {repeats.stars} stars)"
    )
