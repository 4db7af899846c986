"""What to believe of a star's numbers, by how much and why, in one sentence; from its flags and from real stars of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import asset_path
from ..literature import COMPARED
from ..stages import Analysis, PosteriorSamples
from ..targets import TARGETS
from .constraints import Constraint
from .quantities import Quantity
from .weighted import weighted_quantile

METAL_POOR_FEH = -1.5
"""[Fe/H] below which a star is metal-poor."""
GIANT_LOGG, WARM_TEFF = 3.5, 6000.0
"""log g below which a star is a giant or subgiant; Teff [K] from which a dwarf is warm."""
TOLD_TENSION = 2.0
"""Difference [sigma] from which external knowledge counts as contradicting the spectrum."""
_FOREIGN_CATEGORIES = ("out_of_domain", "suspect")
_NOT_WORTH_COUNTING = ("", "uncertain")
_NOT_COUNTED = frozenset({"out_of_domain", "arms_disagree", "missing_arm"})
_POOR = {
    "chi2_high": "the model does not reproduce this spectrum",
    "arms_disagree": "its two arms disagree",
    "composite": "it may be the light of two stars",
    "continuum_poor": "its continuum is poor",
    "rv_uncertain": "its velocity is uncertain",
    "missing_arm": "one arm is missing",
    "partial_coverage": "much of the range was not observed",
    "snr_low": "its S/N is low",
}


class Level(StrEnum):
    """How far the numbers can be believed."""

    GOOD = "good"
    CARE = "care"
    NOT = "not"


@dataclass(frozen=True)
class Trust:
    """The level, its sentence, and the names of the targets that are no measurement here."""

    level: Level
    sentence: str
    doubtful: tuple[str, ...] = ()


@dataclass(frozen=True)
class RealError:
    """MAP - literature over n real stars of a region, one value a star: median, the half-width about zero that holds 68 %, and the ends."""

    n: int
    median: float
    within68: float
    low: float
    high: float


@dataclass(frozen=True)
class Region:
    """A kind of star, in words, with what real stars of it miss by; `errors` by target, fewer where none has been compared."""

    name: str
    words: str
    errors: Mapping[str, RealError]


WORDS = {
    "metal_poor": "stars below [Fe/H] = −1.5",
    "giant": "giants and subgiants (log g < 3.5)",
    "warm_dwarf": "dwarfs of 6000 K and more",
    "dwarf": "dwarfs below 6000 K",
}
"""The regions and their words, as an answer falls into them."""


def region_name(teff: float, logg: float, feh: float) -> str:
    """The region that an answer [K, dex, dex] falls into."""
    if feh < METAL_POOR_FEH:
        return "metal_poor"
    if logg < GIANT_LOGG:
        return "giant"
    return "warm_dwarf" if teff >= WARM_TEFF else "dwarf"


def make_regions(stars: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The table by region from the `stars` of documents of `kiel benchmark --json`: what ships as real_stars.json.

    Counted is a spectrum whose literature values are better than a guess and that no flag of `out_of_domain`,
    `arms_disagree` or `missing_arm` warns of; several of one star are averaged.
    """
    found: dict[str, dict[str, list[Mapping[str, float]]]] = {name: {} for name in WORDS}
    for star in stars:
        answer = star["native"]
        if answer is None or star["category"] in _FOREIGN_CATEGORIES or star["trust"] in _NOT_WORTH_COUNTING:
            continue
        if _NOT_COUNTED & set(answer["flags"]) or not answer["difference"]:
            continue
        region = region_name(*(answer["targets"][name]["map"] for name in COMPARED))
        found[region].setdefault(star["star"], []).append(answer["difference"])
    return {region: _region(by_star) for region, by_star in found.items()}


def _region(by_star: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name in COMPARED:
        values = np.array([np.mean([d[name] for d in spectra]) for spectra in by_star.values() if name in spectra[0]])
        if values.size:
            table[name] = {
                "n": int(values.size), "median": float(np.median(values)), "low": float(values.min()),
                "high": float(values.max()), "within68": float(np.quantile(np.abs(values), 0.68)),
            }  # fmt: skip
    return table


@cache
def regions() -> dict[str, Region]:
    """The shipped table of real stars by region; DataError where it is damaged."""
    path = asset_path("real_stars.json")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))["regions"]
        return {
            name: Region(name, words, {target: RealError(**row) for target, row in table.get(name, {}).items()})
            for name, words in WORDS.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no table of real stars ({error}); make it with kiel benchmark --regions."
        ) from error


def region_of(analysis: Analysis) -> Region:
    """The region that a star's answer falls into."""
    return regions()[region_name(*(analysis.summary.targets[name].map for name in COMPARED))]


def trust_in(analysis: Analysis) -> Trust:
    """What to believe of a star's answer."""
    flags, region = set(analysis.flags), region_of(analysis)
    if "out_of_domain" in flags:
        edge = ", and the answer lies at the edge of what it knows" if "extrapolated" in flags else ""
        sentence = f"Do not use these numbers: the spectrum is unlike those that the network was trained on{edge}."
        return Trust(Level.NOT, sentence, tuple(t.name for t in TARGETS))
    reasons = [words for flag, words in _POOR.items() if flag in flags]
    if "chi2_high" in flags:
        reasons[0] += f" (χ² {analysis.resimulation.chi2_per_pixel:.1f} per pixel)"
    if region.name == "metal_poor" or "metal_poor" in flags:
        sentence = f"Do not trust Teff, log g and [Fe/H]: {_how_far(regions()['metal_poor'])}; LTE fails there."
        return Trust(Level.NOT, _with(sentence, reasons), (*COMPARED, "li_fe"))
    if reasons or "extrapolated" in flags:
        reasons += ["the answer lies at the edge of what the network knows"] if "extrapolated" in flags else []
        return Trust(Level.CARE, f"With care: {' and '.join(reasons)}. Even of good spectra {_how_far(region)}.")
    return Trust(Level.GOOD, f"A good fit. Believe it as far as real stars teach: {_how_far(region)}.")


def real_error(analysis: Analysis, target: str) -> float | None:
    """The half-width about zero that holds 68 % of the real stars of a star's region; None where none was compared."""
    found = region_of(analysis).errors.get(target)
    return None if found is None else found.within68


def difference_in_sigma(one: Quantity, other: Quantity, errors: Sequence[float | None]) -> float | None:
    """Second mode less the first in units of both 68 % intervals and of what real stars miss by, in quadrature.

    None where either is a limit or nothing is known of the errors.
    """
    halves = [0.5 * (q.hi68 - q.lo68) for q in (one, other)] + [error for error in errors if error is not None]
    both = float(np.linalg.norm(halves))
    limits = one.limit95 is not None or other.limit95 is not None
    return None if limits or both == 0 else (other.map - one.map) / both


def tension(posterior: PosteriorSamples, constraint: Constraint, weights: NDArray | None = None) -> float:
    """Difference of a constraint from the median of samples, weights (n,), in sigma of both together: half their central 68 %."""
    values = constraint.values(posterior.labels)
    low, middle, high = (float(weighted_quantile(values, q, weights)) for q in (0.16, 0.5, 0.84))
    return abs(constraint.mean - middle) / float(np.hypot(0.5 * (high - low), constraint.sigma))


def tension_sentence(posterior: PosteriorSamples, constraint: Constraint, weights: NDArray | None = None) -> str:
    """A sentence where a constraint contradicts the spectrum; empty where it agrees, within 2 sigma."""
    sigmas = tension(posterior, constraint, weights)
    if sigmas < TOLD_TENSION:
        return ""
    return f"{_label(constraint.target)} = {constraint.mean:g} ± {constraint.sigma:g} is {sigmas:.1f} σ from the spectrum's own answer."


def _how_far(region: Region) -> str:
    """What real stars of a region miss by: two in three within so much, the farthest off by so much."""
    if not region.errors:
        return f"no real {region.words} have been compared with the literature"
    n = max(error.n for error in region.errors.values())
    parts = []
    for target in TARGETS:
        if (error := region.errors.get(target.name)) is not None:
            unit = " K" if target.unit == "K" else ""
            if error.low * error.high > 0:  # all on one side
                near, far = sorted((abs(error.low), abs(error.high)))
                side = "low" if error.high < 0 else "high"
                parts.append(f"{target.label} {near:.{target.decimals}f}–{far:.{target.decimals}f}{unit} too {side}")
            else:
                parts.append(f"{target.label} within {error.within68:.{target.decimals}f}{unit}")
    sided = " (68 %)" if any(" within " in part for part in parts) else ""
    worst = region.errors.get("teff")
    most = f", the farthest {max(abs(worst.low), abs(worst.high)):.0f} K off" if worst and sided else ""
    return f"{n} real {region.words} came out, beside the literature, {', '.join(parts)}{sided}{most}"


def _with(sentence: str, reasons: Sequence[str]) -> str:
    return f"{sentence} Besides, {' and '.join(reasons)}." if reasons else sentence


def _label(name: str) -> str:
    return next((t.label for t in TARGETS if t.name == name), "A(Li)")
