"""Departure coefficients as Turbospectrum and TSFitPy distribute them: a binary grid with its index, or text of one model.

Formats of Gerber et al. (2023, A&A 669, A43).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .departures import DepartureGrid, Departures, Level

_ID_BYTES = 500
_MAX_COUNT = 100_000  # more depths or levels than this cannot be: the pointer is wrong
_COMMENTS = 8
_VMIC_PREFERRED = 1.0


def open_binary_grid(binary: Path, index: Path, element: str) -> DepartureGrid:
    """The grid of a `.bin` file and its auxData index.

    Rows of the index after its header: 'id' Teff logg [Fe/H] [alpha/Fe] mass vturb A(X) pointer, where pointer counts
    bytes from 1. Of models that differ in mass or vturb alone, the one with vturb nearest 1 km/s is kept. Raises
    DataError for files that are missing or not of this format.
    """
    rows = _index(index)
    if not binary.is_file():
        raise DataError(f"There is no file of departure coefficients {binary}.")
    order = np.argsort(np.abs(rows[:, 5] - _VMIC_PREFERRED), kind="stable")
    _, first = np.unique(np.round(rows[order][:, [0, 1, 2, 6]], 4), axis=0, return_index=True)
    kept = rows[order][first]
    load = partial(_record, binary, kept[:, 7].astype(int), element)
    return DepartureGrid(element, load(0).levels, kept[:, [0, 1, 2, 6]], load)


def read_text(path: Path, element: str) -> Departures:
    """The departures of one model from a `_coef.dat` file.

    Eight lines of comment; A(X), which older files lack; numbers of depths and levels; log tau; a row of b per depth.
    Raises DataError for anything else.
    """
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
        numbers = [float(word) for line in lines[_COMMENTS : _COMMENTS + 3] for word in line.split()[:1]]
        start = 0 if _fits(lines, numbers[0], numbers[1], 2) else 1
        n_depths, n_levels = int(numbers[start]), int(numbers[start + 1])
        at = _COMMENTS + start + 2
        log_tau = np.array([float(line) for line in lines[at : at + n_depths]])
        b = np.array([line.split() for line in lines[at + n_depths : at + 2 * n_depths]], float).T
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{path} is no text file of departure coefficients in Turbospectrum's format: {error}."
        ) from error
    return Departures(element, numbered(n_levels), log_tau, b)


def _fits(lines: list[str], n_depths: float, n_levels: float, after: int) -> bool:
    """Whether these two numbers can be depths and levels: then the first row of b holds n_levels words."""
    at = _COMMENTS + after + int(n_depths)
    return n_depths.is_integer() and n_levels.is_integer() and at < len(lines) and len(lines[at].split()) == n_levels


def numbered(n: int) -> tuple[Level, ...]:
    """Levels known by their numbers alone, from 1, as line lists with NLTE columns name them."""
    return tuple(Level(str(i + 1)) for i in range(n))


def _index(path: Path) -> NDArray:
    """Numbers (n, 8) of an auxData file: Teff logg feh alpha mass vturb abundance pointer."""
    try:
        lines = path.read_text(encoding="latin-1").splitlines()[1:]
        rows = [re.sub(r"'[^']*'", "", line).split() for line in lines if line.strip() and not line.startswith("#")]
        table = np.array(rows, float)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no index of departure coefficients: {error}.") from error
    if table.ndim != 2 or table.shape[1] != 8:
        raise DataError(
            f"{path} is no index of departure coefficients: needed are an identifier and eight numbers a row."
        )
    return table


def _record(binary: Path, pointers: NDArray, element: str, i: int) -> Departures:
    """The model of node i: 500 bytes of text, int32 depths, int32 levels, float64 tau, float64 b (levels, depths)."""
    with binary.open("rb") as file:
        file.seek(int(pointers[i]) - 1 + _ID_BYTES)
        counts = np.frombuffer(file.read(8).ljust(8, b"\0"), "<i4")
        if not all(0 < n < _MAX_COUNT for n in counts):
            raise DataError(f"{binary.name} holds no model at byte {pointers[i]}; its index belongs to another file.")
        n_depths, n_levels = (int(n) for n in counts)
        raw = file.read(8 * n_depths * (1 + n_levels))
    numbers = np.frombuffer(raw[: len(raw) // 8 * 8], "<f8")
    tau, b = numbers[:n_depths], numbers[n_depths:]
    if b.size != n_depths * n_levels or not (tau > 0).all():
        raise DataError(f"{binary.name} ends within the model at byte {pointers[i]}; get the file again.")
    return Departures(element, numbered(n_levels), np.log10(tau), b.reshape(n_levels, n_depths).copy())
