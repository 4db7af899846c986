"""Stars with literature values: the shipped table, indexes of real spectra, differences and z-scores."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from .errors import DataError
from .files import asset_path
from .stages import Summary

FLOOR: dict[str, float] = {"teff": 30.0, "logg": 0.03, "feh": 0.05}
"""Least uncertainty of every literature value [K, dex, dex], added in quadrature to its own error; the compared targets."""
COMPARED: tuple[str, ...] = tuple(FLOOR)
"""Targets that have literature values, by the names of the columns of an index."""
_MAIN, _FUNDAMENTAL, _CARBON = "main", "fundamental", "cemp"
_FOREIGN: tuple[str, ...] = ("out_of_domain", "suspect")
"""Categories of spectra that no answer can be right for: other stars than the model knows, or light of two."""
_TEFF_RANGE, _LOWEST_FEH, _LOWEST_CORRECTED_FEH = (4300.0, 6700.0), -1.5, -2.0
_INDEX_COLUMNS = ("file", "star", "category", *COMPARED)


@dataclass(frozen=True)
class KnownStar:
    """A star with literature values by target [K, dex, dex], None where there is none, and their own errors where given.

    trust: where the values come from in one word, "fundamental" for interferometry and seismology; source: the
    reference and remarks; aliases: its other names. A line of an index names a file with a spectrum of it as well, and
    the category of that spectrum.
    """

    star: str
    literature: Mapping[str, float | None]
    errors: Mapping[str, float] = field(default_factory=dict)
    trust: str = ""
    source: str = ""
    aliases: tuple[str, ...] = ()
    file: str = ""
    category: str = ""

    @property
    def values(self) -> dict[str, float]:
        """Literature values without those that are missing."""
        return {name: x for name, x in self.literature.items() if x is not None}

    def sigma(self, target: str) -> float:
        """Error of a value: its own, where there is one, in quadrature with FLOOR."""
        return float(np.hypot(self.errors.get(target, 0.0), FLOOR[target]))

    @property
    def is_trusted(self) -> bool:
        """Whether the spectrum is of category main and the parameters are fundamental: interferometry, seismology."""
        return self.category == _MAIN and self.trust == _FUNDAMENTAL and None not in self.literature.values()

    @property
    def counts(self) -> bool:
        """Whether it enters the figures: trusted, [Fe/H] > -1.5, 4300-6700 K."""
        return self.is_trusted and self._is_within(_LOWEST_FEH)

    @property
    def corrects(self) -> bool:
        """Whether the bias correction may learn from it: trusted, [Fe/H] > -2 as in Ksoll et al. (2026), 4300-6700 K."""
        return self.is_trusted and self._is_within(_LOWEST_CORRECTED_FEH)

    @property
    def is_metal_poor(self) -> bool:
        """Whether it belongs to the table of its own: category main, [Fe/H] <= -1.5."""
        feh = self.literature["feh"]
        return self.category == _MAIN and feh is not None and feh <= _LOWEST_FEH

    @property
    def is_foreign(self) -> bool:
        """Whether a flag has to warn: another kind of star, two stars, or a carbon-enhanced metal-poor star."""
        return self.category in _FOREIGN or _CARBON in self.source.lower()

    def _is_within(self, lowest_feh: float) -> bool:
        teff, feh = self.literature["teff"], self.literature["feh"]
        return teff is not None and feh is not None and _TEFF_RANGE[0] < teff < _TEFF_RANGE[1] and feh > lowest_feh


def read_index(path: Path) -> tuple[KnownStar, ...]:
    """Read an index of real spectra, one star a line, in its order.

    Raises DataError where the file or a column is missing or a value is not a number.
    """
    return tuple(_read(path, _INDEX_COLUMNS))


@cache
def benchmarks() -> tuple[KnownStar, ...]:
    """Benchmark stars that ship with Kiel, `benchmarks.ecsv`, in its order."""
    return tuple(_read(asset_path("benchmarks.ecsv"), ("star", "aliases", *COMPARED)))


def _read(path: Path, needed: Sequence[str]) -> Iterator[KnownStar]:
    """Read the stars of a table with commas between its columns, lines of comments left out."""
    if not path.is_file():
        raise DataError(f"There is no index {path}.")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(line for line in file if not line.startswith("#"))
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{path.name} has no column {', '.join(missing)}; an index needs {', '.join(needed)}.")
        yield from (_known_star(line, path.name) for line in reader)


def _known_star(line: Mapping[str, str], table: str) -> KnownStar:
    """Build the star of one line of a table."""
    try:
        literature = {name: _number(line[name]) for name in COMPARED}
        errors = {name: _number(line.get(f"e_{name}")) for name in COMPARED}
    except ValueError as error:
        raise DataError(
            f"{table} gives {line.get('file') or line['star']} a value that is not a number: {error}."
        ) from error
    return KnownStar(
        line["star"],
        literature,
        {name: e for name, e in errors.items() if e is not None and np.isfinite(e)},
        line.get("trust") or "",
        line.get("param_source") or "",
        tuple(alias.strip() for alias in (line.get("aliases") or "").split(",") if alias.strip()),
        line.get("file") or "",
        line.get("category") or "",
    )


def _number(text: str | None) -> float | None:
    return float(text) if text and text.strip() else None


def literature_for(star: str, file: str = "") -> KnownStar | None:
    """Look up the benchmark star called `star`, else the one whose name stands between separators in the name of the file."""
    names = _by_name()
    if (known := names.get(plain_name(star))) is not None:
        return known
    words = [word for word in re.split(r"[^A-Za-z0-9+]+", file) if word]
    runs = ("".join(words[i:j]) for i in range(len(words)) for j in range(len(words), i, -1))
    return next((names[key] for run in runs if (key := plain_name(run)) in names), None)


def differences(summary: Summary, star: KnownStar) -> dict[str, float]:
    """MAP - literature [K, dex, dex] of the compared targets that have a literature value."""
    return {name: summary.targets[name].map - value for name, value in star.values.items()}


def z_scores(summary: Summary, star: KnownStar) -> dict[str, float]:
    """Differences over half the 68 % interval and the literature's error in quadrature, for the compared targets."""
    scores = {}
    for name, difference in differences(summary, star).items():
        target = summary.targets[name]
        scores[name] = difference / float(np.hypot((target.hi68 - target.lo68) / 2, star.sigma(name)))
    return scores


@cache
def _by_name() -> dict[str, KnownStar]:
    return {plain_name(name): star for star in benchmarks() for name in (star.star, *star.aliases)}


def plain_name(name: str) -> str:
    """A name without the spaces, dashes and capitals in which catalogues differ."""
    return re.sub(r"[^a-z0-9+]", "", name.lower())
