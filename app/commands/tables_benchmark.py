"""What `kiel benchmark` and `kiel lines` print: a row a spectrum, tables over stars, line fits, robustness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cinn_core.benchmark.document import corrected_maps
from cinn_core.benchmark.figures import BenchmarkFigures, Comparison, Repeats, figures_of, fits_of
from cinn_core.benchmark.goals import Goal
from cinn_core.benchmark.index import COMPARED
from cinn_core.benchmark.measure import BenchmarkRow, differences, fit_differences
from cinn_core.benchmark.robustness import Shift
from cinn_core.benchmark.steps import Effect
from cinn_core.explanation.line_fits import Abundance, LineFits
from cinn_core.inference.bias import CORRECTED
from cinn_core.stages import FluxVector
from cinn_core.targets import COLUMN, TARGETS, Target

from .tables import fine, number

_BY_NAME = {target.name: target for target in TARGETS} | {"a_li": Target("a_li", "A(Li)", "dex", -1.0, 4.2, 2)}
_IN_NLTE = ("Mg", "Ca", "Li")
"""Elements whose lines differ between a model in NLTE and the same in LTE."""


class BenchmarkPrinter:
    """Prints one line a spectrum as soon as it is known: found, minus the literature's value in brackets."""

    _FILE = 34
    _STAR = 16
    _VALUE = 17

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        heads = "".join(f"{_BY_NAME[name].label + ' (Δ)':>{self._VALUE}}" for name in COMPARED)
        self._line(f"{'file':<{self._FILE}} {'star':<{self._STAR}}{heads}  flags")

    def row(self, row: BenchmarkRow) -> None:
        """One spectrum: its three numbers and their differences from the literature, or why it was refused."""
        head = f"{row.entry.file[: self._FILE]:<{self._FILE}} {row.entry.star[: self._STAR]:<{self._STAR}}"
        if row.native is None:
            self._line(f"{head}  refused: {row.refusal}")
            return
        values = "".join(f"{self._value(row, name):>{self._VALUE}}" for name in COMPARED)
        self._line(f"{head}{values}  {', '.join(row.native.flags)}")

    def _value(self, row: BenchmarkRow, name: str) -> str:
        assert row.native is not None
        target, difference = _BY_NAME[name], differences(row.entry, row.native).get(name)
        shown = f"({difference:+.{target.decimals}f})" if difference is not None else "(–)"
        return f"{number(row.native.summary.targets[name].map, target)} {shown}"

    def _line(self, text: str) -> None:
        self.console.print(escape(text), highlight=False, soft_wrap=True)


def print_figures(found: BenchmarkFigures, title: str, console: Console | None = None) -> None:
    """Everything over the spectra that count."""
    console = _wide(console)
    heading = f"{title}: {len(found.stars)} stars, {found.spectra} spectra (fundamental, [Fe/H] > -1.5, 4300-6700 K)"
    table = Table("star", title=escape(heading), title_justify="left", title_style="bold")
    for names, reference in ((COMPARED, "lit."), (_LINES, "lines")):
        for name in names:
            table.add_column(escape(f"{_BY_NAME[name].label} - {reference}"), justify="right")
    for star, off in found.stars.items():
        lines = found.line_stars.get(star, {})
        table.add_row(
            escape(star), *(_signed(off.get(n), n) for n in COMPARED), *(_signed(lines.get(n), n) for n in _LINES)
        )
    console.print(table)
    for name, overall in found.overall.items():
        within = f"|z| < 3 for {100 * found.z_within[name]:.0f} %"
        _say(console, f"{_BY_NAME[name].label:<8} MAP - literature: {_comparison(overall, name)}; {within}")
        if (trend := found.trend.get(name)) is not None and np.isfinite(trend.sigmas):
            slope = f"{_signed(trend.slope, name)} ± {fine(trend.error, _BY_NAME[name])} per 1000 K"
            _say(console, f"{'':<8} trend with Teff: {slope}, {abs(trend.sigmas):.1f} sigma")
        if (repeats := found.repeats.get(name)) is not None:
            _say(console, f"{'':<8} repeats: {_repeats(repeats, name)}")
    for name, overall in found.lines.items():
        _say(console, f"{_BY_NAME[name].label:<8} MAP - line fit: {_comparison(overall, name)}")
    if "all" in found.z_within:
        _say(console, f"|z| < 3 for {100 * found.z_within['all']:.0f} % of all values")
    flagged = "; ".join(f"{file}: {', '.join(flags)}" for file, flags in found.flagged.items())
    _say(console, f"flagged out_of_domain: {flagged or 'none'}")
    if found.resimulated:
        means = ", ".join(f"{name} {100 * x:.2f} %" for name, x in found.resimulated.items())
        _say(console, f"mean |observed - resimulated| outside masks: {means}; noise alone {100 * found.noise:.2f} %")
        worst = sorted(found.resimulated_lines.items(), key=lambda item: -item[1]["map"])
        _say(
            console, "of the lines at the MAP: " + ", ".join(f"{name} {100 * x['map']:.2f} %" for name, x in worst[:6])
        )
    for file, off in found.sun.items():
        _say(console, f"Sun, {file}: " + ", ".join(f"{_BY_NAME[n].label} {_signed(x, n)}" for n, x in off.items()))


_LINES = ("feh", "mg_fe", "ca_fe", "a_li")


def print_others(rows: Sequence[BenchmarkRow], console: Console | None = None) -> None:
    """The metal-poor stars in a table of their own, and what is no star of the domain with the flags that say so."""
    console = _wide(console)
    poor = [row for row in rows if row.entry.is_metal_poor and row.native is not None]
    if poor:
        table = Table("file", "star", "trust", title=escape("[Fe/H] < -1.5, not counted"), title_justify="left")
        for name in (*COMPARED, "mg_fe", "ca_fe"):
            table.add_column(escape(_BY_NAME[name].label + (" - lit." if name in COMPARED else "")), justify="right")
        for heading in ("A(Li)", "fit - lit."):
            table.add_column(heading, justify="right")
        for row in poor:
            assert row.native is not None
            off, targets = differences(row.entry, row.native), row.native.summary.targets
            ratios = (f"{targets[name].map:+.2f}" for name in ("mg_fe", "ca_fe"))
            cells = (row.entry.file, row.entry.star, row.entry.trust)
            table.add_row(
                *map(escape, cells),
                *(_signed(off.get(n), n) for n in COMPARED),
                *ratios,
                escape(row.native.lithium),
                ", ".join(_signed(x, n) for n, x in fit_differences(row.entry, row.native).items()) or "–",
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
    """A(Li) of the network beside the line's, for the spectra of category main."""
    console = _wide(console)
    table = Table("file", "star", title="A(Li)", title_justify="left")
    for heading in ("network", "line", "Mg/Fe", "Ca/Fe"):
        table.add_column(heading, justify="right")
    for row in rows:
        if row.native is None or row.entry.category != "main":
            continue
        line, targets = row.native.lines.abundances["Li"], row.native.summary.targets
        shown = f"{line.value:.2f} ± {line.error:.2f}" if line.n else _limit(line.limit)
        ratios = (f"{targets[name].map:+.2f}" for name in ("mg_fe", "ca_fe"))
        table.add_row(*map(escape, (row.entry.file, row.entry.star, row.native.lithium, shown)), *ratios)
    console.print(table)


def _limit(value: float) -> str:
    return f"< {value:.2f}" if np.isfinite(value) else "–"


def print_all_targets(rows: Iterable[BenchmarkRow], console: Console | None = None) -> None:
    """The uncorrected MAP of all 13 targets and the rejected share of the samples, as in Table 6 of Ksoll et al. (2026)."""
    table = Table("file", title="MAP of all targets, uncorrected", title_justify="left")
    for target in TARGETS:
        table.add_column(escape(target.label), justify="right")
    table.add_column("rejected", justify="right")
    for row in rows:
        if row.native is not None and row.entry.category == "main":
            values = (number(x, target) for x, target in zip(row.native.map.tolist(), TARGETS, strict=True))
            table.add_row(escape(row.entry.file), *values, f"{100 * row.native.rejected_fraction:.1f} %")
    _wide(console).print(table)


def print_corrected(rows: Sequence[BenchmarkRow], console: Console | None = None) -> None:
    """The MAP less the bias that other stars gave, beside literature and line fits, as in Table 2 of Ksoll et al. (2026)."""
    corrected = corrected_maps(rows)
    if not corrected:
        return
    title = "MAP less the bias that the stars of other groups gave (literature; line fits for abundances)"
    table = Table("file", "star", title=title, title_justify="left")
    for name in CORRECTED:
        table.add_column(escape(_BY_NAME[name].label), justify="right")
    for row in rows:
        if row.native is None or row.entry.category != "main":
            continue
        at = corrected[row.entry.file]
        lines = row.native.lines.references()
        references = {**lines, **{n: x for n, x in row.entry.literature.items() if x is not None}}
        cells = []
        for name in CORRECTED:
            beside = f" ({number(references[name], _BY_NAME[name])})" if name in references else " (–)"
            cells.append(number(float(at[COLUMN[name]]), _BY_NAME[name]) + beside)
        table.add_row(escape(row.entry.file), escape(row.entry.star), *cells)
    _wide(console).print(table)


def print_fits(rows: Sequence[BenchmarkRow], console: Console | None = None) -> None:
    """The network beside the maximum-likelihood fit of the forward model: which is nearer to the literature."""
    console = _wide(console)
    stars, overall = fits_of(rows)
    if not stars:
        return
    network = figures_of(rows)
    title = "MAP of the network beside the maximum-likelihood fit, both minus literature"
    table = Table("star", title=title, title_justify="left")
    for name in COMPARED:
        table.add_column(escape(f"{_BY_NAME[name].label}: MAP"), justify="right")
        table.add_column("fit", justify="right")
    for star, off in stars.items():
        pairs = ((network.stars[star].get(n), off.get(n)) for n in COMPARED)
        cells = [cell for n, pair in zip(COMPARED, pairs, strict=True) for cell in (_signed(x, n) for x in pair)]
        table.add_row(escape(star), *cells)
    console.print(table)
    for name, found in overall.items():
        _say(console, f"{_BY_NAME[name].label:<8} fit - literature: {_comparison(found, name)}")


def print_steps(effects: Sequence[Effect], console: Console | None = None) -> None:
    """Median and scatter of the fits' differences from the literature, step after step."""
    if not effects:
        return
    title = "Fits with each step, judged on stars that had no part in it: median (scatter) of fit - literature"
    table = Table("step", title=title, title_justify="left")
    for name in COMPARED:
        table.add_column(escape(_BY_NAME[name].label), justify="right")
    for effect in effects:
        cells = []
        for name in COMPARED:
            found = effect.overall.get(name)
            shown = "–" if found is None else f"{_signed(found.median, name)} ({fine(found.scatter, _BY_NAME[name])})"
            cells.append(shown)
        table.add_row(escape(effect.name), *cells)
    _wide(console).print(table)


def print_goals(found: Sequence[Goal], console: Console | None = None) -> None:
    """Each goal with what was found and whether it holds."""
    table = Table("goal", "found", "holds", title="Goals, at the S/N of the data", title_justify="left")
    for goal in found:
        table.add_row(escape(goal.text), escape(goal.found), "yes" if goal.holds else "NO")
    _wide(console).print(table)


def print_correction(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Whether a correction from the stars of two groups helps those of the third."""
    console = _wide(console)
    _say(console, "Bias correction, linear in Teff (Ksoll et al. 2026, Eq. 12):")
    if not figures["targets"]:
        _say(console, "too few stars to fit on two groups and judge on the third")
    for name, pair in figures["targets"].items():
        before, after = (Comparison(**pair[key]) for key in ("before", "after"))
        helps = abs(after.median) + after.scatter < abs(before.median) + before.scatter
        verdict = "helps" if helps else "does not help"
        text = f"as it is {_comparison(before, name)}; corrected {_comparison(after, name)}: {verdict}"
        _say(console, f"{_BY_NAME[name].label:<8} {text}")
    if figures["targets"]:
        groups = "; ".join(", ".join(group) for group in figures["groups"])
        _say(console, f"Each group of stars corrected by the lines that the others gave: {groups}.")


def print_robustness(robust: Mapping[str, Mapping[str, Mapping[str, Shift]]], console: Console | None = None) -> None:
    """Over the spectra: shifts of Teff, log g, [Fe/H], of all 13 in sigma, and how much wider the intervals are."""
    console = _wide(console)
    if not robust:
        return
    title = f"Shift of the MAP when one spectrum is disturbed, {len(robust)} spectra: median |Δ| (median |Δ| / sigma)"
    table = Table("disturbance", title=title, title_justify="left")
    for name in COMPARED:
        table.add_column(escape(_BY_NAME[name].label), justify="right")
    for heading in ("all 13: |Δ| < 1 sigma", "< 2 sigma", "intervals wider by"):
        table.add_column(heading, justify="right")
    for change in dict.fromkeys(name for changes in robust.values() for name in changes):
        found = [changes[change] for changes in robust.values() if change in changes]
        cells = []
        for name in COMPARED:
            value, sigmas = (np.median([abs(getattr(x[name], k)) for x in found]) for k in ("value", "sigmas"))
            cells.append(f"{fine(float(value), _BY_NAME[name])} ({sigmas:.1f})")
        sigmas = np.array([abs(s.sigmas) for x in found for s in x.values()])
        wider = float(np.median([s.widening for x in found for s in x.values()]))
        shares = (f"{100 * float((sigmas < limit).mean()):.0f} %" for limit in (1, 2))
        table.add_row(escape(change), *cells, *shares, f"{wider:.2f}")
    console.print(table)


def print_line_fits(
    vector: FluxVector,
    at: Mapping[str, float],
    fits: LineFits,
    in_lte: LineFits | None = None,
    console: Console | None = None,
) -> None:
    """Each line of one star with its abundance or why it was left out, then the elements; beside them those in LTE."""
    console = _wide(console)
    held = ", ".join(f"{_BY_NAME[n].label} {number(at[n], _BY_NAME[n])}" for n in ("teff", "logg", "vmic", "vbroad"))
    table = Table("line", title=escape(f"{vector.star}: lines alone at {held}"), title_justify="left")
    for heading in ("abundance", "±", "limit", *(["in LTE"] if in_lte else [])):
        table.add_column(heading, justify="right")
    table.add_column("left out")
    for i, line in enumerate(fits.lines):
        shown = f"{line.value:.2f}" if np.isfinite(line.value) else "–"
        error = f"{line.error:.2f}" if np.isfinite(line.error) else "–"
        limit = _limit(line.limit) if line.left_out.startswith("weaker") else ""
        departs = (
            in_lte is not None and line.window.species.split()[0] in _IN_NLTE and np.isfinite(in_lte.lines[i].value)
        )
        cell = [f"{in_lte.lines[i].value:.2f}" if departs else ""] if in_lte else []
        table.add_row(escape(line.window.name), shown, error, limit, *cell, escape(line.left_out))
    console.print(table)
    for name, found in fits.abundances.items():
        label = "A(Li)" if name == "Li" else f"[{name}/H]"
        if found.n:
            lte = in_lte.abundances[name] if in_lte and name in _IN_NLTE else None
            beside = f"; in LTE {lte.value:.2f}{_scatter(lte)}" if lte else ""
            own = f"{found.value:6.2f} ± {found.error:.2f}, {found.n} lines{_scatter(found)}"
            _say(console, f"{label:<9} {own}{beside}")
        else:
            _say(console, f"{label:<9} {_limit(found.limit):>6}, no line in use")
    _say(console, f"model spectra: {fits.synthesis}; [X/H] on the solar scale of the synthesis, local continuum free")


def _scatter(found: Abundance) -> str:
    return f", scatter {found.scatter:.2f}" if np.isfinite(found.scatter) else ""


def _comparison(found: Comparison, name: str) -> str:
    target = _BY_NAME[name]
    return (
        f"median {_signed(found.median, name)}, mean {_signed(found.mean, name)}, "
        f"scatter (1.48 MAD) {fine(found.scatter, target)} {target.unit}, {found.n} stars"
    )


def _repeats(found: Repeats, name: str) -> str:
    target = _BY_NAME[name]
    return (
        f"rms {fine(found.rms, target)}, robust {fine(found.robust, target)} {target.unit} "
        f"({found.n} spectra of {found.stars} stars)"
    )


def _signed(value: float | None, name: str) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:+.{_BY_NAME[name].decimals}f}"


def _wide(console: Console | None) -> Console:
    return console or Console(width=max(Console().width, 170))


def _say(console: Console, text: str) -> None:
    console.print(escape(text), highlight=False, soft_wrap=True)
