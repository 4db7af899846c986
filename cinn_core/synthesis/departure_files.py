"""Files of departure coefficients: Kiel's compact tables, grids of PySME, and grids and models of Turbospectrum.

Kiel's table is one `.npz` per element with log10 b in steps of 0.001. PySME's grids (`.grd`) are records of
IDL arrays with a directory, version 1.10 (Wehrhahn et al. 2023, A&A 671, A171; grids of Amarsi et al. 2020 and others).
Turbospectrum's and TSFitPy's are binary files (`.bin`) with an index (auxData), and text files of one model
(`_coef.dat`; Gerber et al. 2023, A&A 669, A43).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import write_arrays
from .abundances import SOLAR_ABUNDANCES
from .departures import NODE_COLUMNS, PER_CM_IN_EV, DepartureGrid, Departures, Level
from .line_lists import SYMBOLS

_SCHEMA = 1
_LOWEST_B = 1e-32
_STEP_DEX = 1e-3  # of log10 b: 0.23 %, well below the uncertainty of the physics
_ARRAYS = ("nodes", "log_tau", "log_b", "labels", "energies", "weights", "ions", "card")
_STRUCTURES = "structures"
_NPZ_START, _GRD_START = b"PK\x03\x04", b"DirectAccess"
_GRD_MAGIC = b"DirectAccess file Version 1.1"
_GRD_VERSION_BYTES = 64
_GRD_HEADER = np.dtype([("blocks", "<u8"), ("directory_bytes", "<i2"), ("records", "<u8")])
_GRD_ENTRY = np.dtype([("key", "S256"), ("size", "<i4", 23), ("pointer", "<i8")])
_IDL_BYTES = 1
_IDL_TYPES = {2: "<i2", 3: "<i4", 4: "<f4", 5: "<f8", 12: "<u2", 13: "<u4", 14: "<i8", 15: "<u8"}
_TURBOSPECTRUM_ID_BYTES = 500
_MOST_LEVELS_OR_DEPTHS = 100_000  # more depths or levels than this cannot be: the pointer is wrong
_COMMENT_LINES = 8
_VMIC_PREFERRED = 1.0


def open_departures(path: Path, element: str, index: Path | None = None, s: float = 0.0) -> DepartureGrid:
    """Open the grid of one element: Kiel's own .npz, PySME's .grd, or Turbospectrum's binary with its auxData as `index`.

    Kiel's tables may hold departures on several structures: the grid is that of the structure s. The first bytes decide on
    the format, not the name. Raises DataError for a missing file, another element, or a binary file without its index.
    """
    if not path.is_file():
        raise DataError(f"There is no file of departure coefficients {path}.")
    with path.open("rb") as file:
        start = file.read(12)
    if start.startswith(_NPZ_START):
        table = read_table(path)
        if table.element != element:
            raise DataError(f"{path} holds departure coefficients of {table.element}; {element} was asked for.")
        return table.grid(s)
    if start == _GRD_START:
        return open_pysme_grid(path, element, SOLAR_ABUNDANCES[SYMBOLS.index(element) + 1])
    if index is None:
        raise DataError(f"{path.name} looks like Turbospectrum's binary; name its auxData file too.")
    return open_turbospectrum_grid(path, index, element)


@dataclass(frozen=True, eq=False)
class DepartureTable:
    """A compact table of departure coefficients of one element, with a card of provenance.

    nodes (n, 4) as NODE_COLUMNS; log_tau (d,) log10 optical depth at 5000 Angstrom; b (n, levels, d). `structures` (n,) is
    the structure s that each node was solved on (`structure.StructuredAtmospheres`), None where all are of ATLAS9.
    """

    element: str
    levels: tuple[Level, ...]
    nodes: NDArray
    log_tau: NDArray
    b: NDArray
    card: Mapping[str, object]
    structures: NDArray | None = None

    def grid(self, s: float = 0.0, strength: float = 1.0) -> DepartureGrid:
        """The table as a grid to interpolate in, on the structure s, log b times `strength`.

        log b is linear in s through the two structures solved that are nearest, also beyond them; a star that was solved on
        one structure alone keeps its b on all.
        """
        if self.structures is None and strength == 1.0:
            return DepartureGrid(self.element, self.levels, self.nodes, self.departures)
        own = np.zeros(len(self.nodes)) if self.structures is None else self.structures
        stars, star = np.unique(np.round(self.nodes, 4), axis=0, return_inverse=True)
        solved = [np.flatnonzero(star == i) for i in range(len(stars))]
        load = partial(self._between, [dict(zip(own[rows], rows, strict=True)) for rows in solved], s, strength)
        return DepartureGrid(self.element, self.levels, stars, load)

    def _between(self, solved: list[dict[float, int]], s: float, strength: float, i: int) -> Departures:
        """Departures of star i, whose nodes by structure are solved[i], on the structure s."""
        of_star = solved[i]
        near = sorted(sorted(of_star, key=lambda structure: abs(structure - s))[:2])
        log_b = [np.log(np.maximum(self.b[of_star[structure]], _LOWEST_B)) for structure in near]
        part = (s - near[0]) / (near[-1] - near[0]) if len(near) > 1 else 0.0
        return Departures(
            self.element, self.levels, self.log_tau, np.exp(strength * ((1 - part) * log_b[0] + part * log_b[-1]))
        )

    def departures(self, i: int) -> Departures:
        """Departure coefficients of node i."""
        return Departures(self.element, self.levels, self.log_tau, self.b[i])


def write_table(table: DepartureTable, path: Path) -> None:
    """Write a table, whole or not at all; log10 b is rounded to 0.001 and clipped to ±32."""
    log_b = np.log10(np.maximum(table.b, _LOWEST_B)) / _STEP_DEX
    card = json.dumps({**table.card, "schema": _SCHEMA, "element": table.element, "columns": NODE_COLUMNS})
    arrays = {
        "nodes": table.nodes,
        "log_tau": table.log_tau,
        "log_b": np.clip(np.rint(log_b), -32000, 32000).astype(np.int16),
        "labels": np.array([level.label for level in table.levels]),
        "energies": np.array([level.energy for level in table.levels]),
        "weights": np.array([level.weight for level in table.levels]),
        "ions": np.array([level.ion for level in table.levels]),
        "card": np.array(card),
    } | ({} if table.structures is None else {_STRUCTURES: table.structures})
    write_arrays(path, arrays, compressed=True)


def read_table(path: Path) -> DepartureTable:
    """Read a table. Raises DataError for a file that is missing or not a table of this schema."""
    if not path.is_file():
        raise DataError(f"There is no table of departure coefficients {path}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            absent = [name for name in _ARRAYS if name not in file]
            if absent:
                raise DataError(f"{path} holds no array {absent[0]}; it is not a table of departure coefficients.")
            arrays = {name: file[name] for name in _ARRAYS}
            structures = file[_STRUCTURES] if _STRUCTURES in file else None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a table of departure coefficients: {error}.") from error
    card = json.loads(str(arrays["card"]))
    if card.get("schema") != _SCHEMA:
        raise DataError(f"{path} has the schema {card.get('schema')}; this version of Kiel reads {_SCHEMA}.")
    rows = zip(*(arrays[name].tolist() for name in ("labels", "energies", "weights", "ions")), strict=True)
    levels = tuple(Level(*row) for row in rows)
    b = 10.0 ** (arrays["log_b"].astype(float) * _STEP_DEX)
    return DepartureTable(card["element"], levels, arrays["nodes"], arrays["log_tau"], b, card, structures)


def open_pysme_grid(path: Path, element: str, solar_abundance: float) -> DepartureGrid:
    """Open a `.grd` file of PySME, whose abundances are [X/Fe]: A(X) = solar_abundance + [Fe/H] + [X/Fe].

    Raises DataError for a file that is missing or not of this format.
    """
    records = _grd_directory(path)

    def array(key: str) -> NDArray:
        if key not in records:
            raise DataError(f"{path.name} holds no record {key}; it is not a grid of departure coefficients of PySME.")
        return _grd_array(path, records[key])

    teff, logg, feh, x_fe = (array(key).astype(float) for key in ("teff", "grav", "feh", "abund"))
    models = array("models").astype("U")
    if models.shape != (feh.size, logg.size, teff.size, x_fe.size):
        raise DataError(f"{path.name}: models has the shape {models.shape}, which is not that of its axes.")
    depths = array("tau").astype(float)
    indices = [i for i in product(*map(range, models.shape)) if models[i].strip() in records]
    nodes = np.array([[teff[t], logg[g], feh[f], solar_abundance + feh[f] + x_fe[x]] for f, g, t, x in indices])
    levels = _grd_levels(array, "energy" in records)
    load = partial(_grd_departures, path, records, models, depths, indices, levels, element)
    return DepartureGrid(element, levels, nodes, load)


def _grd_departures(
    path: Path,
    records: dict[str, Any],
    models: NDArray,
    depths: NDArray,
    indices: list[tuple[int, ...]],
    levels: tuple[Level, ...],
    element: str,
    i: int,
) -> Departures:
    b = _grd_array(path, records[models[indices[i]].strip()]).astype(float)
    return Departures(element, levels, depths[indices[i][:3]], b)


def _grd_levels(array: Any, with_energy: bool) -> tuple[Level, ...]:
    """Levels labelled "configuration term", with weight 2J + 1 and energies, which some files lack."""
    conf, term = (array(key).astype("U") for key in ("conf", "term"))
    weight = 2 * array("J").astype(float) + 1
    energy = array("energy").astype(float) / PER_CM_IN_EV if with_energy else np.full(conf.shape, np.nan)
    rows = zip(conf, term, energy, weight, strict=True)
    return tuple(Level(f"{c.strip()} {t.strip()}", float(e), float(g)) for c, t, e, g in rows)


def _grd_directory(path: Path) -> dict[str, Any]:
    """Entries of the directory of a `.grd` file by key: the IDL SIZE vector and the position in the file."""
    if not path.is_file():
        raise DataError(f"There is no file of departure coefficients {path}.")
    with path.open("rb") as file:
        version = file.read(_GRD_VERSION_BYTES)
        header = np.frombuffer(file.read(_GRD_HEADER.itemsize), _GRD_HEADER)
        n = int(header["records"][0]) if header.size else 0
        raw = file.read(min(n * _GRD_ENTRY.itemsize, path.stat().st_size))
    if not version.startswith(_GRD_MAGIC) or n == 0 or len(raw) != n * _GRD_ENTRY.itemsize:
        raise DataError(f"{path.name} is not a grid of departure coefficients of PySME, version 1.10.")
    directory = np.frombuffer(raw, _GRD_ENTRY)
    return {entry["key"].decode("latin-1").strip(): entry for entry in directory}


def _grd_array(path: Path, entry: Any) -> NDArray:
    """Array of an entry: SIZE is (dimensions, n1, n2, ..., type, elements) in IDL's order, the reverse of numpy's."""
    size = entry["size"]
    n = int(size[0])
    shape, kind = tuple(int(x) for x in size[1 : n + 1]), int(size[n + 1])
    if kind == _IDL_BYTES and shape:
        dtype, shape = np.dtype(f"S{shape[0]}"), shape[1:]
    elif kind in _IDL_TYPES:
        dtype = np.dtype(_IDL_TYPES[kind])
    else:
        raise DataError(f"{path.name} holds an array of the IDL type {kind}, which no grid of departures has.")
    count = int(np.prod(shape, dtype=np.int64))
    if int(entry["pointer"]) + count * dtype.itemsize > path.stat().st_size:
        raise DataError(f"{path.name} is shorter than its directory says; get the file again.")
    return np.fromfile(path, dtype, count, offset=int(entry["pointer"])).reshape(shape[::-1])


def open_turbospectrum_grid(binary: Path, index: Path, element: str) -> DepartureGrid:
    """Open a `.bin` file of Turbospectrum with its auxData index.

    Rows of the index after its header: 'id' Teff logg [Fe/H] [alpha/Fe] mass vturb A(X) pointer, where pointer counts
    bytes from 1. Of models that differ in mass or vturb alone, the one with vturb nearest 1 km/s is kept. Raises
    DataError for files that are missing or not of this format.
    """
    rows = _turbospectrum_index(index)
    if not binary.is_file():
        raise DataError(f"There is no file of departure coefficients {binary}.")
    order = np.argsort(np.abs(rows[:, 5] - _VMIC_PREFERRED), kind="stable")
    _, first = np.unique(np.round(rows[order][:, [0, 1, 2, 6]], 4), axis=0, return_index=True)
    models = rows[order][first]
    load = partial(_turbospectrum_departures, binary, models[:, 7].astype(int), element)
    return DepartureGrid(element, load(0).levels, models[:, [0, 1, 2, 6]], load)


def _turbospectrum_index(path: Path) -> NDArray:
    """Rows (n, 8) of an auxData file: Teff logg feh alpha mass vturb abundance pointer."""
    try:
        lines = path.read_text(encoding="latin-1").splitlines()[1:]
        rows = [re.sub(r"'[^']*'", "", line).split() for line in lines if line.strip() and not line.startswith("#")]
        table = np.array(rows, float)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not an index of departure coefficients: {error}.") from error
    if table.ndim != 2 or table.shape[1] != 8:
        raise DataError(
            f"{path} is not an index of departure coefficients: needed are an identifier and eight numbers a row."
        )
    return table


def _turbospectrum_departures(binary: Path, pointers: NDArray, element: str, i: int) -> Departures:
    """Departures of node i: 500 bytes of text, int32 depths, int32 levels, float64 tau, float64 b (levels, depths)."""
    with binary.open("rb") as file:
        file.seek(int(pointers[i]) - 1 + _TURBOSPECTRUM_ID_BYTES)
        counts = np.frombuffer(file.read(8).ljust(8, b"\0"), "<i4")
        if not all(0 < n < _MOST_LEVELS_OR_DEPTHS for n in counts):
            raise DataError(f"{binary.name} holds no model at byte {pointers[i]}; its index belongs to another file.")
        n_depths, n_levels = (int(n) for n in counts)
        raw = file.read(8 * n_depths * (1 + n_levels))
    numbers = np.frombuffer(raw[: len(raw) // 8 * 8], "<f8")
    tau, b = numbers[:n_depths], numbers[n_depths:]
    if b.size != n_depths * n_levels or not (tau > 0).all():
        raise DataError(f"{binary.name} ends within the model at byte {pointers[i]}; get the file again.")
    return Departures(element, numbered_levels(n_levels), np.log10(tau), b.reshape(n_levels, n_depths).copy())


def numbered_levels(n: int) -> tuple[Level, ...]:
    """Levels that are known by number alone, from 1, as line lists with NLTE columns name them."""
    return tuple(Level(str(i + 1)) for i in range(n))


def read_turbospectrum_text(path: Path, element: str) -> Departures:
    """Read the departure coefficients of one model from a `_coef.dat` file of Turbospectrum.

    It holds eight lines of comment; A(X), which older files lack; numbers of depths and levels; log tau; a row of b per depth.
    Raises DataError for anything else.
    """
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
        numbers = [float(word) for line in lines[_COMMENT_LINES : _COMMENT_LINES + 3] for word in line.split()[:1]]
        start = 0 if _are_counts(lines, numbers[0], numbers[1], 2) else 1
        n_depths, n_levels = int(numbers[start]), int(numbers[start + 1])
        at = _COMMENT_LINES + start + 2
        log_tau = np.array([float(line) for line in lines[at : at + n_depths]])
        b = np.array([line.split() for line in lines[at + n_depths : at + 2 * n_depths]], float).T
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{path} is not a text file of departure coefficients in Turbospectrum's format: {error}."
        ) from error
    return Departures(element, numbered_levels(n_levels), log_tau, b)


def _are_counts(lines: list[str], n_depths: float, n_levels: float, after: int) -> bool:
    """Whether two numbers can be those of depths and levels: then the first row of b holds n_levels words."""
    at = _COMMENT_LINES + after + int(n_depths)
    return n_depths.is_integer() and n_levels.is_integer() and at < len(lines) and len(lines[at].split()) == n_levels
