"""Goals of the benchmark, each with the number reached and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..stages import Status
from ..targets import SOLAR_A_LI
from .figures import BenchmarkFigures, figures_of, is_good_sun
from .measure import Answer, BenchmarkRow

OFF = {"teff": 60.0, "logg": 0.10, "feh": 0.06}
REPEATED = {"teff": 30.0, "logg": 0.07, "feh": 0.03}
SUN_OFF = {"teff": 40.0, "logg": 0.07, "feh": 0.04}
FROM_LINES = {"feh": 0.08, "mg_fe": 0.10, "ca_fe": 0.08, "a_li": 0.15}
TREND_SIGMAS, Z_SHARE, FLAGGED, RESIMULATED = 2.0, 0.95, 1, 0.008
SUN_RATIO, ALPHA_RICH = 0.07, 0.10
SPITE, SPITE_OFF = 2.2, 0.15
"""A(Li) of HD 140283, on the plateau of Spite & Spite (1982)."""
_ALPHA_STARS = ("HD 140283", "tau Cet")


@dataclass(frozen=True)
class Goal:
    """One goal as text, the number reached, and whether it holds."""

    text: str
    found: str
    holds: bool


def goals(rows: Sequence[BenchmarkRow]) -> tuple[Goal, ...]:
    """Goals that these rows can judge, at the S/N of the data."""
    answered = [(row, row.native) for row in rows if row.native is not None]
    return (*_of_figures(figures_of(rows)), *_of_stars(answered), *map(_warned, filter(_is_foreign, rows)))


def _of_figures(figures: BenchmarkFigures) -> Iterator[Goal]:
    for name, limit in OFF.items():
        if (overall := figures.overall.get(name)) is not None:
            shown = f"{overall.median:+.3g}, {overall.scatter:.3g}"
            holds = abs(overall.median) <= limit and overall.scatter <= limit
            yield Goal(f"{name}: bias and scatter over stars within {limit:g}", shown, holds)
    for name, trend in figures.trend.items():
        if np.isfinite(trend.sigmas):
            holds = abs(trend.sigmas) <= TREND_SIGMAS
            yield Goal(f"{name}: trend with Teff within {TREND_SIGMAS:g} sigma", f"{trend.sigmas:+.1f}", holds)
    for name, limit in REPEATED.items():
        if (repeats := figures.repeats.get(name)) is not None:
            yield Goal(f"{name}: scatter of repeats under {limit:g}", f"{repeats.rms:.2g}", repeats.rms < limit)
    if "all" in figures.z_within:
        share = figures.z_within["all"]
        yield Goal(f"|z| < 3 for {100 * Z_SHARE:.0f} %", f"{100 * share:.0f} %", share >= Z_SHARE)
        yield Goal(
            f"at most {FLAGGED} of the spectra that count flagged out_of_domain",
            f"{len(figures.flagged)} of {figures.spectra}",
            len(figures.flagged) <= FLAGGED,
        )
    for name, limit in FROM_LINES.items():
        if (lines := figures.lines.get(name)) is not None and lines.n > 1:
            shown = f"{lines.scatter:.3f} ({lines.n} stars)"
            yield Goal(f"{name}: scatter of MAP - line fit within {limit:g}", shown, lines.scatter <= limit)
    if "map" in figures.resimulated:
        mean = figures.resimulated["map"]
        text = f"mean |observed - resimulated| under {100 * RESIMULATED:g} % at S/N above 200"
        yield Goal(text, f"{100 * mean:.2f} %", mean < RESIMULATED)
    for file, off in figures.sun.items():
        shown = ", ".join(f"{name} {off[name]:+.3g}" for name in SUN_OFF)
        holds = all(abs(off[name]) <= limit for name, limit in SUN_OFF.items())
        yield Goal(f"Sun, {file}: within 40 K, 0.07, 0.04", shown, holds)


def _of_stars(pairs: Sequence[tuple[BenchmarkRow, Answer]]) -> Iterator[Goal]:
    for row, answer in pairs:
        if is_good_sun(row, answer):
            mg, ca = (answer.summary.targets[name].map for name in ("mg_fe", "ca_fe"))
            holds = max(abs(mg), abs(ca)) <= SUN_RATIO
            yield Goal(f"Sun, {row.entry.file}: [Mg/Fe], [Ca/Fe] within {SUN_RATIO:g}", f"{mg:+.2f}, {ca:+.2f}", holds)
            text = f"Sun, {row.entry.file}: A(Li) within 2 sigma of {SOLAR_A_LI:g}, or a limit above"
            yield Goal(text, answer.lithium, _lithium_fits(answer, SOLAR_A_LI))
    for star in _ALPHA_STARS:
        ratios = [
            0.5 * (a.summary.targets["mg_fe"].map + a.summary.targets["ca_fe"].map)
            for row, a in pairs
            if row.entry.star == star and row.entry.is_trusted
        ]
        if ratios:
            alpha = float(np.mean(ratios))
            yield Goal(f"{star}: mean of [Mg/Fe], [Ca/Fe] above {ALPHA_RICH:g}", f"{alpha:+.2f}", alpha > ALPHA_RICH)
    for row, answer in pairs:
        if row.entry.star == "HD 140283":
            holds = _is_value(answer) and abs(answer.a_li - SPITE) <= SPITE_OFF
            yield Goal(f"HD 140283, {row.entry.file}: A(Li) {SPITE:g} ± {SPITE_OFF:g}", answer.lithium, holds)
        if row.entry.star == "HD 122563" and row.entry.category == "main":
            yield Goal(f"HD 122563, {row.entry.file}: A(Li) a limit", answer.lithium, not _is_value(answer))


def _is_foreign(row: BenchmarkRow) -> bool:
    return row.entry.is_foreign


def _warned(row: BenchmarkRow) -> Goal:
    """Goal that a spectrum for which no result can be right is refused or flagged."""
    by = row.refusal if row.native is None else ", ".join(row.native.warnings)
    return Goal(f"{row.entry.star}, {row.entry.file}: flagged", by or "nothing", bool(by))


def _is_value(answer: Answer) -> bool:
    return answer.summary.targets["li_fe"].status is Status.MEASURED


def _lithium_fits(answer: Answer, expected: float) -> bool:
    abundance = answer.summary.derived["a_li"]
    if not _is_value(answer):
        return abundance.hi95 > expected
    return abs(answer.a_li - expected) <= abundance.hi68 - abundance.lo68
