"""What to believe of a star's numbers, by how much and why, in one sentence; from its flags and from real stars of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import asset_path
from ..literature import COMPARED, literature_for, plain_name
from ..stages import Analysis, PosteriorSamples
from ..targets import TARGETS
from .constraints import Constraint, tension
from .quantities import Quantity

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
    """MAP - literature over n real stars of a region: median, half-width about zero within which the next star comes out, ends.

    `within68` is such that at least 68 % of stars exchangeable with these lie within it (`half_width`); `values` by star.
    """

    n: int
    median: float
    within68: float
    low: float
    high: float
    values: Mapping[str, float] = field(default_factory=dict)

    def without(self, names: Set[str]) -> RealError | None:
        """The same without the stars of some plain names; None where no star is left."""
        left = {star: value for star, value in self.values.items() if plain_name(star) not in names}
        return self if len(left) == len(self.values) else real_error_of(left) if left else None

    @property
    def held_left_out(self) -> int:
        """How many of the stars lie within what the others promise."""
        others = ((one, [x for star, x in self.values.items() if star != name]) for name, one in self.values.items())
        return sum(bool(rest) and abs(one) <= half_width(rest) for one, rest in others)


def real_error_of(values: Mapping[str, float]) -> RealError:
    """Figures of differences from the literature by star, one at least."""
    x = np.array(list(values.values()))
    return RealError(len(x), float(np.median(x)), half_width(x), float(x.min()), float(x.max()), dict(values))


def half_width(differences: Sequence[float] | NDArray, share: float = 0.68) -> float:
    """Half-width about zero that holds one more star with a probability of at least `share`, from n differences.

    The ceil((n + 1) share)-th smallest in absolute value (split conformal prediction: Vovk et al. 2005; Lei et al. 2018), the
    largest where n is too few for that.
    """
    ordered = np.sort(np.abs(differences))
    return float(ordered[min(int(np.ceil((ordered.size + 1) * share)), ordered.size) - 1])


@dataclass(frozen=True)
class Region:
    """A kind of star, in words, with what real stars of it miss by; `errors` by target, fewer where none has been compared."""

    name: str
    words: str
    errors: Mapping[str, RealError]

    def without(self, names: Set[str]) -> Region:
        """The same without the stars of some plain names, so that no star is judged by itself."""
        left = {target: error.without(names) for target, error in self.errors.items()}
        return Region(self.name, self.words, {target: error for target, error in left.items() if error is not None})


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
        values = {
            star: float(np.mean([d[name] for d in spectra])) for star, spectra in by_star.items() if name in spectra[0]
        }
        if values:
            table[name] = asdict(real_error_of(values))
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
    """The region that a star's answer falls into; without the star itself, where the table was made with it."""
    vector = analysis.flux_vector
    known = literature_for(vector.star, vector.file)
    names = {plain_name(vector.star)} | (set() if known is None else {plain_name(known.star)})
    return regions()[region_name(*(analysis.summary.targets[name].map for name in COMPARED))].without(names)


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
        poor = region if region.name == "metal_poor" else regions()["metal_poor"]
        sentence = f"Do not trust Teff, log g and [Fe/H]: {_how_far(poor)}; LTE fails there."
        return Trust(Level.NOT, _with(sentence, reasons), (*COMPARED, "li_fe"))
    if reasons or "extrapolated" in flags:
        reasons += ["the answer lies at the edge of what the network knows"] if "extrapolated" in flags else []
        return Trust(Level.CARE, f"With care: {' and '.join(reasons)}. Even of good spectra {_how_far(region)}.")
    return Trust(Level.GOOD, f"A good fit. Believe it as far as real stars teach: {_how_far(region)}.")


def real_error(analysis: Analysis, target: str) -> float | None:
    """The half-width about zero within which real stars of a star's region come out; None where none was compared."""
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


def tension_sentence(posterior: PosteriorSamples, constraint: Constraint, weights: NDArray | None = None) -> str:
    """A sentence where a constraint contradicts the spectrum; empty where it agrees, within 2 sigma."""
    sigmas = tension(posterior, constraint, weights)
    if sigmas < TOLD_TENSION:
        return ""
    return f"{constraint.text} is {sigmas:.1f} σ from the spectrum's own answer."


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


def real_stars_json(analysis: Analysis) -> dict[str, Any]:
    """The entry `real_stars` of an analysis' document: what stars like this one miss by, and what to believe."""
    region = region_of(analysis)
    errors = {name: {k: v for k, v in asdict(error).items() if k != "values"} for name, error in region.errors.items()}
    trust = trust_in(analysis)
    return {
        "region": region.name,
        "words": region.words,
        "targets": errors,
        "level": trust.level,
        "sentence": trust.sentence,
    }
