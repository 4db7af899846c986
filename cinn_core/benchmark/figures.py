"""The benchmark's figures: bias and scatter over stars, z-scores, repeats, trend with Teff, lines, resimulation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import linregress

from ..literature import COMPARED, differences, z_scores
from ..stages import Status
from ..statistics import finite_mean, median
from ..targets import COLUMN, SOLAR_A_LI
from .measure import MODELS, Answer, BenchmarkRow, fit_differences

Which = Callable[[BenchmarkRow], Answer | None]
LARGEST_Z = 3.0
SUN_SNR, SUN_COVERAGE = 100.0, 0.85
"""A solar spectrum is judged by itself from this S/N and coverage in both arms."""
RESIMULATED_SNR = 200.0
"""Spectra above this S/N in every arm are laid beside their resimulation."""

Point = tuple[float, float, float, float, float, bool]
"""Teff, reference, its error, MAP, its error, whether it counts."""


@dataclass(frozen=True)
class BiasAndScatter:
    """Median and mean of n differences, and their scatter: 1.48 times the median absolute deviation from the median."""

    n: int
    median: float
    mean: float
    scatter: float


@dataclass(frozen=True)
class Repeats:
    """Scatter among spectra of one star about its mean, pooled over stars: rms and 1.48 MAD, for n spectra of so many stars."""

    n: int
    stars: int
    rms: float
    robust: float


@dataclass(frozen=True)
class Trend:
    """Straight line through the stars' differences against literature Teff: slope per 1000 K, its error, their ratio."""

    slope: float
    error: float
    sigmas: float


@dataclass(frozen=True)
class BenchmarkFigures:
    """Figures of the spectra that count, by target; `stars` by star, `lines` MAP - line fit by abundance.

    z_within: share of |z| < 3 by target and of all; sun: differences of each good solar spectrum by file; resimulated:
    mean |observed - model| by model, over the spectra above S/N 200, and `resimulated_lines` by line; noise: what noise
    alone leaves of them.
    """

    spectra: int
    stars: dict[str, dict[str, float]]
    overall: dict[str, BiasAndScatter]
    z_within: dict[str, float]
    repeats: dict[str, Repeats]
    trend: dict[str, Trend]
    line_stars: dict[str, dict[str, float]]
    lines: dict[str, BiasAndScatter]
    flagged: dict[str, tuple[str, ...]]
    sun: dict[str, dict[str, float]]
    resimulated: dict[str, float]
    resimulated_lines: dict[str, dict[str, float]]
    noise: float


def native(row: BenchmarkRow) -> Answer | None:
    """The answer at the S/N of the data."""
    return row.native


def noisy(row: BenchmarkRow) -> Answer | None:
    """The answer with noise added."""
    return row.degraded


def figures_of(rows: Iterable[BenchmarkRow], which: Which = native) -> BenchmarkFigures:
    """The figures of the rows that count."""
    pairs = [(row, a) for row in rows if row.entry.counts and (a := which(row)) is not None]
    offs = [(row.entry.star, differences(a.summary, row.entry)) for row, a in pairs]
    stars = star_means(offs)
    line_stars = star_means([(row.entry.star, a.minus_lines) for row, a in pairs])
    teff = {row.entry.star: float(row.entry.literature["teff"] or np.nan) for row, _ in pairs}
    scores = [z_scores(a.summary, row.entry) for row, a in pairs]
    checks = [a.check for row, a in pairs if row.native is not None and min(row.native.snr) > RESIMULATED_SNR]
    return BenchmarkFigures(
        spectra=len(pairs),
        stars=stars,
        overall=over_stars(stars),
        z_within=_z_within(scores),
        repeats=repeats_of(offs),
        trend={
            n: trend_of([(teff[s], off[n]) for s, off in stars.items() if n in off]) for n in _names(stars.values())
        },
        line_stars=line_stars,
        lines=over_stars(line_stars),
        flagged={row.entry.file: a.flags for row, a in pairs if "out_of_domain" in a.flags},
        sun={row.entry.file: differences(a.summary, row.entry) for row, a in pairs if is_good_sun(row, a)},
        resimulated=_mean_by_model([check.mean for check in checks]),
        resimulated_lines=_lines([check.lines for check in checks]),
        noise=float(np.mean([check.noise for check in checks])) if checks else float("nan"),
    )


def fits_of(rows: Iterable[BenchmarkRow]) -> tuple[dict[str, dict[str, float]], dict[str, BiasAndScatter]]:
    """Maximum-likelihood fit minus literature by star, and over the stars that count; empty where nothing was fitted."""
    offs = [(r.entry.star, fit_differences(r.entry, r.native)) for r in rows if r.entry.counts]
    stars = star_means([(star, off) for star, off in offs if off])
    return stars, over_stars(stars)


def star_means(values: Sequence[tuple[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Mean over a star's spectra of each quantity, by star."""
    names = dict.fromkeys(star for star, _ in values)
    return {
        star: {
            name: float(np.mean([v[name] for s, v in values if s == star and name in v]))
            for name in _names(v for s, v in values if s == star)
        }
        for star in names
    }


def over_stars(stars: Mapping[str, Mapping[str, float]]) -> dict[str, BiasAndScatter]:
    """Bias and scatter of each quantity over the stars."""
    return {name: compare([v[name] for v in stars.values() if name in v]) for name in _names(stars.values())}


def compare(values: Sequence[float]) -> BiasAndScatter:
    """Median, mean and robust scatter; NaN of nothing."""
    if not values:
        return BiasAndScatter(0, float("nan"), float("nan"), float("nan"))
    x = np.array(values)
    return BiasAndScatter(x.size, float(np.median(x)), float(x.mean()), _scatter(x - np.median(x)))


def _scatter(x: np.ndarray) -> float:
    """1.48 times the median of |x|."""
    return 1.48 * median(np.abs(x))


def repeats_of(values: Sequence[tuple[str, Mapping[str, float]]]) -> dict[str, Repeats]:
    """Scatter of each quantity among spectra of one star, freed from the degree that each star's mean costs."""
    out = {}
    for name in _names(v for _, v in values):
        groups: dict[str, list[float]] = {}
        for star, v in values:
            if name in v:
                groups.setdefault(star, []).append(v[name])
        several = [np.array(g) for g in groups.values() if len(g) > 1]
        if not several:
            continue
        freed = np.concatenate([(g - g.mean()) * np.sqrt(g.size / (g.size - 1)) for g in several])
        free = sum(g.size - 1 for g in several)
        rms = float(np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in several) / free))
        out[name] = Repeats(freed.size, len(several), rms, _scatter(freed))
    return out


def trend_of(points: Sequence[tuple[float, float]]) -> Trend:
    """Ordinary least squares of differences on Teff [K]; NaN with fewer than four different ones."""
    if len({teff for teff, _ in points}) < 4:
        return Trend(float("nan"), float("nan"), float("nan"))
    x, y = np.array(points).T
    line = linregress(x, y)
    return Trend(
        1000 * line.slope, 1000 * line.stderr, float(line.slope / line.stderr) if line.stderr else float("nan")
    )


def _z_within(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    by_name = {name: [abs(s[name]) < LARGEST_Z for s in scores if name in s] for name in _names(scores)}
    together = [inside for values in by_name.values() for inside in values]
    return {name: float(np.mean(v)) for name, v in {**by_name, "all": together}.items() if v}


def is_good_sun(row: BenchmarkRow, answer: Answer) -> bool:
    """Whether a solar spectrum that counts is good enough to be judged by itself: S/N > 100 and 85 % in both arms."""
    if row.entry.star != "Sun" or not row.entry.counts or not all(np.isfinite(answer.snr)):
        return False
    return min(answer.snr) > SUN_SNR and min(answer.coverage) >= SUN_COVERAGE


def _mean_by_model(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in MODELS} if rows else {}


def _lines(rows: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _mean_by_model([row[name] for row in rows if name in row]) for name in names}


def _names(values: Iterable[Mapping[str, float]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for v in values for name in v))


def points(rows: Sequence[BenchmarkRow], name: str, corrected: Mapping[str, NDArray] | None = None) -> list[Point]:
    """Answers beside the references of a quantity: literature for Teff, log g and [Fe/H], line fits for the others.

    corrected: MAP (13,) by file to take instead.
    """
    out = []
    for row in rows:
        answer, entry = row.native, row.entry
        if answer is None or entry.is_foreign:
            continue
        targets = answer.summary.targets
        summary = targets["li_fe" if name == "a_li" else name]
        half = (summary.hi68 - summary.lo68) / 2
        values = {n: t.map for n, t in targets.items()}
        if corrected is not None:
            values = {n: float(corrected[entry.file][COLUMN[n]]) for n in targets}
        values["a_li"] = values["li_fe"] + values["feh"] + SOLAR_A_LI
        if name in COMPARED:
            reference, error = entry.literature[name], entry.sigma(name)
        elif name == "a_li":
            line = answer.lines.abundances["Li"]
            reference, error = line.value if summary.status is Status.MEASURED else None, line.error
        else:
            reference = answer.lines.references().get(name)
            error = answer.lines.abundances[name.removesuffix("_fe").capitalize()].error
        if reference is not None and np.isfinite(reference):
            out.append((targets["teff"].map, reference, error, values[name], half, entry.counts))
    return out


def mean_residuals(rows: Sequence[BenchmarkRow]) -> dict[str, NDArray]:
    """Mean residual (N_PIXELS,) over the spectra of each star that counts, NaN where none was used."""
    out: dict[str, list[NDArray]] = {}
    for row in rows:
        if row.entry.counts and row.native is not None:
            out.setdefault(row.entry.star, []).append(row.native.check.residual)
    return {star: finite_mean(np.array(parts)) for star, parts in out.items()}


def trend_line(teff: NDArray, off: NDArray) -> tuple[NDArray, NDArray]:
    """Ends of the straight line through differences (n,) against Teff (n,) [K]: Teff (2,) and difference (2,)."""
    ends = np.array([teff.min(), teff.max()])
    slope = trend_of(list(zip(teff, off, strict=True))).slope
    return ends, off.mean() + slope * (ends - teff.mean()) / 1000
