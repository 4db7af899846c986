"""Stars that the change by NLTE is learned from: drawn from the prior, synthesised twice, one file each; resumable."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..nlte.flux_change import Shifts, calibrated_lines, flux_change, of_windows, solar_shifts
from ..nlte.table import Table, read_table
from ..processes import spread
from ..synthesis.grid import STARS_OF_SEED, star_labels
from ..synthesis.turbospectrum import Turbospectrum, open_turbospectrum
from ..synthesis.turbospectrum_nlte import NlteElement
from ..weights import write_text

_INPUTS_FILE, _STARS_FOLDER = "inputs.json", "stars"


@dataclass(frozen=True)
class Sources:
    """Where things are: tables of departures (one an element), Turbospectrum's programs, data folder, folder of the run."""

    tables: tuple[Path, ...]
    programs: Path
    data: Path
    run: Path

    def elements(self) -> tuple[NlteElement, ...]:
        """The elements of the tables; DataError where two tables are of one element."""
        tables: list[Table] = [read_table(path) for path in self.tables]
        symbols = [table.element for table in tables]
        if len(set(symbols)) < len(symbols):
            raise DataError(f"Two tables are of the same element among {', '.join(symbols)}; name one of each.")
        return tuple(NlteElement(table.element, table.grid()) for table in tables)

    def digest(self) -> str:
        """SHA-256 of the tables together."""
        found = hashlib.sha256()
        for path in sorted(self.tables):
            found.update(path.read_bytes())
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class ChangedStars:
    """Stars: index (n,), labels (n, 25), NLTE - LTE flux over continuum (n, m) on the grid's wavelengths."""

    index: NDArray
    labels: NDArray
    change: NDArray


def engines(sources: Sources, shifts: Shifts, lines: Path) -> tuple[Turbospectrum, Turbospectrum]:
    """The engine in LTE and in NLTE, for the windows of the tables' elements; line lists go to a folder within `lines`."""
    elements = sources.elements()
    scratch = lines / str(os.getpid())
    scratch.mkdir(exist_ok=True)
    symbols = tuple(element.symbol for element in elements)
    lte = of_windows(open_turbospectrum(sources.programs, sources.data, scratch), symbols)
    return lte, of_windows(_in_nlte(sources, scratch, elements, shifts), symbols)


def _in_nlte(sources: Sources, scratch: Path, elements: tuple[NlteElement, ...], shifts: Shifts) -> Turbospectrum:
    return open_turbospectrum(sources.programs, sources.data, scratch, nlte=elements, log_gf_shift=shifts)


def shifts_of_run(sources: Sources) -> dict[tuple[str, float], float]:
    """The Sun's shifts of log gf, kept in the run's folder. DataError where that folder is of other tables."""
    path, digest = sources.run / _INPUTS_FILE, sources.digest()
    if path.is_file():
        kept = json.loads(path.read_text())
        if kept["tables_sha256"] != digest:
            raise DataError(f"{sources.run} holds stars of other tables of departures; name another folder.")
        return {(species, wavelength): shift for species, wavelength, shift in kept["shifts"]}
    sources.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as scratch:
        lte, nlte = engines(sources, {}, Path(scratch))
        elements, symbols = nlte.nlte, tuple(element.symbol for element in nlte.nlte)
        lines = calibrated_lines(sources.data / "synthesis", tuple(x for x in symbols if x != "Li"))
        shifts = solar_shifts(
            lines, lte, lambda found: of_windows(_in_nlte(sources, lte.lines, elements, found), symbols)
        )
    rows = [[*key, shift] for key, shift in shifts.items()]
    write_text(path, json.dumps({"tables_sha256": digest, "shifts": rows}, indent=1))
    return shifts


def make_stars(
    sources: Sources, seed: int, n: int, processes: int = 1, report: Callable[[str], None] = lambda text: None
) -> ChangedStars:
    """Stars 0..n-1 of `seed` as `kiel grid` draws them; those that the run's folder holds are kept.

    Stars without a model atmosphere or departures near are left out and reported.
    """
    shifts = shifts_of_run(sources)
    folder = sources.run / _STARS_FOLDER
    folder.mkdir(exist_ok=True)
    wanted = [seed * STARS_OF_SEED + i for i in range(n)]
    missing = [index for index in wanted if not _file(folder, index).is_file()]
    report(f"{n - len(missing)} of {n} stars are there already")
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as lines:
        made = spread(partial(_make, folder=folder), missing, processes, partial(_start, sources, shifts, Path(lines)))
        for done, (index, reason) in enumerate(made, 1):
            if reason:
                report(f"star {index}: {reason}")
            elif done % 10 == 0:
                report(f"{done} of {len(missing)} stars")
    return read_stars(folder, wanted)


def read_stars(folder: Path, wanted: list[int]) -> ChangedStars:
    """The stars of these indices that a folder holds; DataError where there is none."""
    index, labels, change = [], [], []
    for i in wanted:
        if _file(folder, i).is_file():
            with np.load(_file(folder, i), allow_pickle=False) as file:
                whole = np.zeros(int(file["size"]), np.float32)
                whole[file["pixels"]] = file["change"]
                index.append(i)
                labels.append(file["labels"])
                change.append(whole)
    if not index:
        raise DataError(f"{folder} holds no star.")
    return ChangedStars(np.array(index), np.stack(labels), np.stack(change))


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:09d}.npz"


_ENGINES: dict[str, tuple[Turbospectrum, Turbospectrum]] = {}
"""The two engines of a process."""


def _start(sources: Sources, shifts: Shifts, lines: Path) -> None:
    _ENGINES["pair"] = engines(sources, shifts, lines)


def _make(index: int, folder: Path) -> tuple[int, str]:
    labels = star_labels(index).astype(float)
    try:
        change = flux_change(labels, *_ENGINES["pair"])
    except SynthesisError as error:
        return index, " ".join(str(error).split())
    pixels = np.flatnonzero(change)
    part = _file(folder, index).with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(
            file, labels=labels, size=change.size, pixels=pixels.astype(np.int32), change=change[pixels].astype("f4")
        )
    os.replace(part, _file(folder, index))
    return index, ""
