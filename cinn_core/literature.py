"""Benchmark stars of the literature by name: markers on the corner, one-click constraints and z-scores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from astropy.io import ascii as ascii_tables

from .files import asset_path
from .stages import Summary

FLOOR: dict[str, float] = {"teff": 30.0, "logg": 0.03, "feh": 0.05}
"""What every literature value is uncertain by at least, added in quadrature to its own error; the compared targets."""


@dataclass(frozen=True)
class Benchmark:
    """One star of `benchmarks.ecsv`: literature values by target [K, dex, dex] and their own errors where given."""

    star: str
    aliases: tuple[str, ...]
    values: dict[str, float]
    errors: dict[str, float]
    trust: str
    source: str

    def sigma(self, target: str) -> float:
        """Error of a value: its own, where there is one, in quadrature with FLOOR."""
        return float(np.hypot(self.errors.get(target, 0.0), FLOOR[target]))


@cache
def benchmarks() -> tuple[Benchmark, ...]:
    """All stars of the table, in its order."""
    table = ascii_tables.read(asset_path("benchmarks.ecsv"), format="ecsv")
    return tuple(
        Benchmark(
            str(row["star"]),
            tuple(alias.strip() for alias in str(row["aliases"] or "").split(",") if alias.strip() not in ("", "--")),
            {name: float(row[name]) for name in FLOOR},
            {n: float(row[f"e_{n}"]) for n in ("teff", "logg") if np.isfinite(row[f"e_{n}"])},
            str(row["trust"]),
            str(row["param_source"]),
        )
        for row in table
    )


def literature_for(star: str, file: str = "") -> Benchmark | None:
    """The benchmark star called `star`, else the one whose name stands between separators in the name of the file."""
    names = _by_name()
    if (found := names.get(_plain(star))) is not None:
        return found
    words = [word for word in re.split(r"[^A-Za-z0-9+]+", file) if word]
    runs = ("".join(words[i:j]) for i in range(len(words)) for j in range(len(words), i, -1))
    return next((names[key] for run in runs if (key := _plain(run)) in names), None)


def z_scores(summary: Summary, star: Benchmark) -> dict[str, float]:
    """(map - literature) over half the 68 % interval and the literature's error in quadrature, for the compared targets."""
    scores = {}
    for name, value in star.values.items():
        found = summary.targets[name]
        scores[name] = (found.map - value) / float(np.hypot((found.hi68 - found.lo68) / 2, star.sigma(name)))
    return scores


@cache
def _by_name() -> dict[str, Benchmark]:
    return {_plain(name): star for star in benchmarks() for name in (star.star, *star.aliases)}


def _plain(name: str) -> str:
    """A name without the spaces, dashes and capitals in which catalogues differ."""
    return re.sub(r"[^a-z0-9+]", "", name.lower())
