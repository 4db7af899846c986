"""Real stars against the literature: the map of every spectrum of an index beside the values the index gives."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError, KielError
from .report import plain
from .stages import Analysis

COMPARED: tuple[str, ...] = ("teff", "logg", "feh")
"""The targets for which an index has literature values, by the names of its columns."""

_NEEDED = ("file", "star", "category", *COMPARED)


@dataclass(frozen=True)
class IndexEntry:
    """One line of an index: a file, its star, what the file is good for, and the literature's values where known."""

    file: str
    star: str
    category: str
    trust: str
    literature: Mapping[str, float | None]


@dataclass(frozen=True)
class BenchmarkRow:
    """What came out for one entry: the map of each compared target, or why the file was refused."""

    entry: IndexEntry
    found: Mapping[str, float]
    flags: tuple[str, ...] = ()
    refusal: str | None = None

    @property
    def differences(self) -> dict[str, float | None]:
        """Map minus literature; None where either is missing."""
        pairs = {name: (self.found.get(name), self.entry.literature[name]) for name in COMPARED}
        return {name: None if a is None or b is None else a - b for name, (a, b) in pairs.items()}


@dataclass(frozen=True)
class Comparison:
    """Median of n differences and their scatter, 1.48 times the median absolute deviation."""

    n: int
    median: float
    scatter: float


def read_index(path: Path) -> tuple[IndexEntry, ...]:
    """The entries of an index in its order; DataError where a column is missing or a number is none."""
    if not path.is_file():
        raise DataError(f"There is no index {path}.")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{path.name} has no column {', '.join(missing)}; an index needs {', '.join(_NEEDED)}.")
        return tuple(_entry(line, path) for line in reader)


def _entry(line: Mapping[str, str], path: Path) -> IndexEntry:
    try:
        literature = {name: float(line[name]) if line[name].strip() else None for name in COMPARED}
    except ValueError as error:
        raise DataError(f"{path.name} gives {line['file']} a value that is no number: {error}.") from error
    return IndexEntry(line["file"], line["star"], line["category"], line.get("trust") or "", literature)


def run_benchmark(
    entries: Iterable[IndexEntry], directory: Path, analyse: Callable[[Path], Analysis]
) -> Iterator[BenchmarkRow]:
    """Analyses each entry's file and yields its row; a refused file becomes a row that says why."""
    for entry in entries:
        path = directory / entry.file
        try:
            if not path.is_file():
                raise DataError(f"the file is not in {directory}.")
            analysis = analyse(path)
        except KielError as error:
            yield BenchmarkRow(entry, {}, refusal=str(error))
        else:
            found = {name: analysis.summary.targets[name].map for name in COMPARED}
            yield BenchmarkRow(entry, found, analysis.flags)


def summarise_benchmark(rows: Sequence[BenchmarkRow]) -> dict[str, Comparison]:
    """Each compared target's differences over the spectra of category main that have both values."""
    main = [row.differences for row in rows if row.entry.category == "main"]
    return {name: _compare([d for row in main if (d := row[name]) is not None]) for name in COMPARED}


def _compare(differences: Sequence[float]) -> Comparison:
    if not differences:
        return Comparison(0, float("nan"), float("nan"))
    median = float(np.median(differences))
    return Comparison(len(differences), median, 1.48 * float(np.median(np.abs(np.array(differences) - median))))


def to_json(rows: Sequence[BenchmarkRow]) -> dict[str, Any]:
    """The rows and their summary as plain JSON; `map` and `difference` are null for a refused file."""
    stars = [
        {
            "file": row.entry.file,
            "star": row.entry.star,
            "category": row.entry.category,
            "trust": row.entry.trust,
            "literature": row.entry.literature,
            "map": row.found or None,
            "difference": None if row.refusal else row.differences,
            "flags": row.flags,
            "refused": row.refusal,
        }
        for row in rows
    ]
    summary = {name: asdict(found) for name, found in summarise_benchmark(rows).items()}
    return plain({"schema": 1, "stars": stars, "summary": summary})
