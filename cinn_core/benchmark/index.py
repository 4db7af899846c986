"""The index of real spectra: which files, of which stars, with which literature values, and which of them count."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..literature import FLOOR
from .error_floor import LOWEST_FEH, TEFF_RANGE

COMPARED: tuple[str, ...] = tuple(FLOOR)
"""The targets for which an index has literature values, by the names of its columns."""
MAIN, FUNDAMENTAL = "main", "fundamental"
FOREIGN: tuple[str, ...] = ("out_of_domain", "suspect")
"""Categories of spectra that no answer can be right for: other stars than the model knows, or light of two."""
_CARBON = "cemp"
_NEEDED = ("file", "star", "category", *COMPARED)


@dataclass(frozen=True)
class IndexEntry:
    """One line of an index: a file, its star, what it is good for, the literature's values and errors where known.

    remark: where the values are from, and what an index says of the star beside.
    """

    file: str
    star: str
    category: str
    trust: str
    literature: Mapping[str, float | None]
    errors: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""

    def sigma(self, target: str) -> float:
        """Error of the literature's value: its own, where there is one, in quadrature with 30 K, 0.03, 0.05 dex."""
        return float(np.hypot(self.errors.get(target, 0.0), FLOOR[target]))

    @property
    def is_trusted(self) -> bool:
        """Whether the spectrum is of category main and the parameters are fundamental: interferometry, seismology."""
        return self.category == MAIN and self.trust == FUNDAMENTAL and None not in self.literature.values()

    @property
    def counts(self) -> bool:
        """Whether it enters the figures: trusted, [Fe/H] > -1.5, 4300-6700 K."""
        return self.is_trusted and self._within(LOWEST_FEH)

    @property
    def corrects(self) -> bool:
        """Whether the bias correction may learn from it: trusted, [Fe/H] > -2 as in Ksoll et al. (2026), 4300-6700 K."""
        return self.is_trusted and self._within(-2.0)

    @property
    def is_metal_poor(self) -> bool:
        """Whether it belongs to the table of its own: category main, [Fe/H] <= -1.5."""
        feh = self.literature["feh"]
        return self.category == MAIN and feh is not None and feh <= LOWEST_FEH

    @property
    def is_foreign(self) -> bool:
        """Whether a flag has to warn: another kind of star, two stars, or a carbon-enhanced metal-poor star."""
        return self.category in FOREIGN or _CARBON in self.remark.lower()

    def _within(self, lowest_feh: float) -> bool:
        teff, feh = self.literature["teff"], self.literature["feh"]
        return teff is not None and feh is not None and TEFF_RANGE[0] < teff < TEFF_RANGE[1] and feh > lowest_feh


def read_index(path: Path) -> tuple[IndexEntry, ...]:
    """The entries of an index in its order; DataError where a column is missing or a value is not a number."""
    if not path.is_file():
        raise DataError(f"There is no index {path}.")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{path.name} lacks the columns {', '.join(missing)}; an index needs {', '.join(_NEEDED)}.")
        return tuple(_entry(line, path) for line in reader)


def _entry(line: Mapping[str, str], path: Path) -> IndexEntry:
    try:
        literature = {name: _number(line[name]) for name in COMPARED}
        errors = {name: e for name in COMPARED if (e := _number(line.get(f"e_{name}"))) is not None}
    except ValueError as error:
        raise DataError(f"{path.name} gives {line['file']} a value that is not a number: {error}.") from error
    return IndexEntry(
        line["file"],
        line["star"],
        line["category"],
        line.get("trust") or "",
        literature,
        errors,
        line.get("param_source") or "",
    )


def _number(text: str | None) -> float | None:
    return float(text) if text and text.strip() else None
