"""The linear bias correction of Ksoll et al. (2026), Eq. 12: X - (a_X Teff + b_X), from stars whose X is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ParametersError
from ..files import write_text
from ..stages import PosteriorSamples, Summary
from ..targets import COLUMN
from .summary import correlations, derive, summarise
from .weighted import highest_density_interval

SCHEMA = 1
CORRECTED: tuple[str, ...] = ("teff", "logg", "feh", "mg_fe", "ca_fe", "li_fe")
LITHIUM_RANGE = (0.5, 3.9)
"""Samples of [Li/Fe] outside take no part, as in the paper."""
FEWEST_STARS = 3


@dataclass(frozen=True, eq=False)
class KnownAnswer:
    """Answer to one spectrum of a star with literature values: MAP (13,), samples (n, 13), reference values by target."""

    star: str
    map: NDArray
    samples: NDArray
    reference: Mapping[str, float]


@dataclass(frozen=True)
class LinearBias:
    """Bias of one target: slope per K and value at Teff = 0, from so many stars."""

    slope: float
    offset: float
    stars: int


@dataclass(frozen=True)
class BiasCorrection:
    """Lines by target, and what they were fitted to."""

    lines: Mapping[str, LinearBias]
    provenance: Mapping[str, Any]

    def corrected(self, labels: NDArray, only: Sequence[str] = CORRECTED) -> NDArray:
        """Labels (n, 13) less the bias at their own uncorrected Teff; the targets without a line as they are."""
        out, teff = labels.copy(), labels[:, COLUMN["teff"]]
        for name, line in self.lines.items():
            if name in only:
                out[:, COLUMN[name]] -= line.slope * teff + line.offset
        return out

    def summarise(self, posterior: PosteriorSamples) -> Summary:
        """The summary of a posterior whose samples and maps are corrected; a limit moves with the median."""
        plain, labels = summarise(posterior), self.corrected(posterior.labels)
        maps = np.array([[getattr(t, kind) for t in plain.targets.values()] for kind in ("map", "map_paper")])
        maps = self.corrected(maps)
        targets = {}
        for i, (name, found) in enumerate(plain.targets.items()):
            x = labels[:, i]
            if name not in self.lines:
                targets[name] = found
                continue
            lo68, hi68 = highest_density_interval(x, 0.68)
            lo95, hi95 = highest_density_interval(x, 0.95)
            median = float(np.median(x))
            limit = None if found.limit95 is None else found.limit95 + median - found.median
            targets[name] = replace(
                found, map=float(maps[0, i]), map_paper=float(maps[1, i]), mean=float(x.mean()), median=median,
                lo68=lo68, hi68=hi68, lo95=lo95, hi95=hi95, limit95=limit,
            )  # fmt: skip
        return Summary(targets, derive(labels), correlations(labels))


def fit_bias(known: Sequence[KnownAnswer], provenance: Mapping[str, Any] | None = None) -> BiasCorrection:
    """Straight lines in Teff through sample - reference of all samples, every star with the same weight.

    A target with a reference in fewer than three stars is left as it is; DataError where all are.
    """
    lines = {}
    for name in CORRECTED:
        parts = [(k.star, *_residuals(k, name)) for k in known if name in k.reference]
        parts = [(star, teff, off) for star, teff, off in parts if teff.size]
        stars = [star for star, _, _ in parts]
        if len(set(stars)) < FEWEST_STARS:
            continue
        teff = np.concatenate([teff for _, teff, _ in parts])
        off = np.concatenate([off for _, _, off in parts])
        weight = np.concatenate([np.full(t.size, 1 / (t.size * stars.count(star))) for star, t, _ in parts])
        middle = float(np.average(teff, weights=weight))
        slope, value = np.polyfit(teff - middle, off, 1, w=np.sqrt(weight))
        lines[name] = LinearBias(float(slope), float(value - slope * middle), len(set(stars)))
    if not lines:
        raise DataError(f"A bias correction needs {FEWEST_STARS} stars with known parameters; here are fewer.")
    return BiasCorrection(lines, dict(provenance or {}))


def _residuals(known: KnownAnswer, name: str) -> tuple[NDArray, NDArray]:
    """Teff and sample - reference of the samples that take part."""
    x = known.samples[:, COLUMN[name]]
    kept = (x > LITHIUM_RANGE[0]) & (x < LITHIUM_RANGE[1]) if name == "li_fe" else np.ones(x.size, bool)
    return known.samples[kept, COLUMN["teff"]], x[kept] - known.reference[name]


def groups_of(stars: Iterable[str], n: int = 3) -> tuple[tuple[str, ...], ...]:
    """Stars dealt out by name into n groups; none depends on how well a star came out."""
    names = sorted(set(stars))
    return tuple(tuple(names[i::n]) for i in range(n))


def lines_of_others(known: Sequence[KnownAnswer]) -> dict[str, BiasCorrection]:
    """By star: the correction that the stars of the other groups gave; without stars where those are too few."""
    out = {}
    for group in groups_of(k.star for k in known):
        others = [k for k in known if k.star not in group]
        if len({k.star for k in others}) >= FEWEST_STARS:
            bias = fit_bias(others)
            out |= dict.fromkeys(group, bias)
    return out


def cross_validated(known: Sequence[KnownAnswer]) -> dict[str, dict[str, tuple[float, float]]]:
    """By target and star: mean over its spectra of MAP - reference as it is, and corrected by the stars of other groups."""
    out: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in CORRECTED}
    for star, bias in lines_of_others(known).items():
        own = [(k, bias.corrected(k.map[None])[0]) for k in known if k.star == star]
        for name in bias.lines:
            pairs = [
                (k.map[COLUMN[name]] - k.reference[name], after[COLUMN[name]] - k.reference[name])
                for k, after in own
                if name in k.reference
            ]
            if pairs:
                before, after = np.mean(pairs, 0)
                out[name][star] = float(before), float(after)
    return {name: stars for name, stars in out.items() if stars}


def bias_path(network: Path) -> Path:
    """Path of the bias correction beside a network's file."""
    return network.with_name(f"{network.stem}_bias.json")


def save_bias(bias: BiasCorrection, path: Path) -> None:
    """Write a correction as JSON, whole or not at all."""
    lines = {name: vars(line) for name, line in bias.lines.items()}
    write_text(
        path, json.dumps({"schema": SCHEMA, "lines": lines, "provenance": dict(bias.provenance)}, indent=1) + "\n"
    )


def load_bias(path: Path, network_sha256: str) -> BiasCorrection:
    """The correction in a file; ParametersError where there is none, it is damaged, or it belongs to another network."""
    if not path.is_file():
        raise ParametersError(
            f"There is no bias correction {path.name} beside the network; "
            "make one with `kiel benchmark INDEX.csv DIR --fit-bias OUT.json`."
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        provenance = document["provenance"]
        lines = {name: LinearBias(**line) for name, line in document["lines"].items()}
        of, schema = provenance["network_sha256"], document["schema"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParametersError(f"{path.name} holds no bias correction; make it again with `kiel benchmark`.") from error
    if schema != SCHEMA or of != network_sha256:
        raise ParametersError(
            f"The bias correction {path.name} was fitted for another network ({str(of)[:12]}, here {network_sha256[:12]}); "
            "fit it again with `kiel benchmark INDEX.csv DIR --fit-bias OUT.json`."
        )
    return BiasCorrection(lines, provenance)
