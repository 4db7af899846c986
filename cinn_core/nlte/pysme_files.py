"""Departure coefficients as PySME fetches them: `.grd` files, records of IDL arrays behind a directory (version 1.10).

Format of Wehrhahn et al. (2023, A&A 671, A171); grids of Amarsi et al. (2020) and others come in it.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .departures import DepartureGrid, Departures, Level

_VERSION_BYTES = 64
_MAGIC = b"DirectAccess file Version 1.1"
_HEADER = np.dtype([("blocks", "<u8"), ("directory_bytes", "<i2"), ("records", "<u8")])
_ENTRY = np.dtype([("key", "S256"), ("size", "<i4", 23), ("pointer", "<i8")])
_BYTES = 1
_TYPES = {2: "<i2", 3: "<i4", 4: "<f4", 5: "<f8", 12: "<u2", 13: "<u4", 14: "<i8", 15: "<u8"}
_PER_CM_IN_EV = 1.239841984e-4


def open_grd(path: Path, element: str, solar_abundance: float) -> DepartureGrid:
    """The grid of a `.grd` file, whose abundances are [X/Fe]: A(X) = solar_abundance + [Fe/H] + [X/Fe].

    Raises DataError for a file that is missing or not of this format.
    """
    records = _records(path)

    def array(key: str) -> NDArray:
        if key not in records:
            raise DataError(f"{path.name} holds no record {key}; it is no grid of departure coefficients of PySME.")
        return _array(path, records[key])

    teff, logg, feh, x_fe = (array(key).astype(float) for key in ("teff", "grav", "feh", "abund"))
    models = array("models").astype("U")
    if models.shape != (feh.size, logg.size, teff.size, x_fe.size):
        raise DataError(f"{path.name}: models has the shape {models.shape}, which is not that of its axes.")
    depths = array("tau").astype(float)
    indices = [i for i in product(*map(range, models.shape)) if models[i].strip() in records]
    nodes = np.array([[teff[t], logg[g], feh[f], solar_abundance + feh[f] + x_fe[x]] for f, g, t, x in indices])
    levels = _levels(array, "energy" in records)
    load = partial(_load, path, records, models, depths, indices, levels, element)
    return DepartureGrid(element, levels, nodes, load)


def _load(
    path: Path,
    records: dict[str, Any],
    models: NDArray,
    depths: NDArray,
    indices: list[tuple[int, ...]],
    levels: tuple[Level, ...],
    element: str,
    i: int,
) -> Departures:
    b = _array(path, records[models[indices[i]].strip()]).astype(float)
    return Departures(element, levels, depths[indices[i][:3]], b)


def _levels(array: Any, with_energy: bool) -> tuple[Level, ...]:
    """Levels labelled "configuration term", with weight 2J + 1 and, where the file has them, energies [eV]."""
    conf, term = (array(key).astype("U") for key in ("conf", "term"))
    weight = 2 * array("J").astype(float) + 1
    energy = array("energy").astype(float) / _PER_CM_IN_EV if with_energy else np.full(conf.shape, np.nan)
    rows = zip(conf, term, energy, weight, strict=True)
    return tuple(Level(f"{c.strip()} {t.strip()}", float(e), float(g)) for c, t, e, g in rows)


def _records(path: Path) -> dict[str, Any]:
    """Entries of the directory by key: the IDL SIZE vector and the position in the file."""
    if not path.is_file():
        raise DataError(f"There is no file of departure coefficients {path}.")
    with path.open("rb") as file:
        version = file.read(_VERSION_BYTES)
        header = np.frombuffer(file.read(_HEADER.itemsize), _HEADER)
        n = int(header["records"][0]) if header.size else 0
        raw = file.read(min(n * _ENTRY.itemsize, path.stat().st_size))
    if not version.startswith(_MAGIC) or n == 0 or len(raw) != n * _ENTRY.itemsize:
        raise DataError(f"{path.name} is no grid of departure coefficients of PySME, version 1.10.")
    directory = np.frombuffer(raw, _ENTRY)
    return {entry["key"].decode("latin-1").strip(): entry for entry in directory}


def _array(path: Path, entry: Any) -> NDArray:
    """The array of an entry: SIZE is (dimensions, n1, n2, ..., type, elements) in IDL's order, the reverse of ours."""
    size = entry["size"]
    n = int(size[0])
    shape, kind = tuple(int(x) for x in size[1 : n + 1]), int(size[n + 1])
    if kind == _BYTES and shape:
        dtype, shape = np.dtype(f"S{shape[0]}"), shape[1:]
    elif kind in _TYPES:
        dtype = np.dtype(_TYPES[kind])
    else:
        raise DataError(f"{path.name} holds an array of the IDL type {kind}, which no grid of departures has.")
    count = int(np.prod(shape, dtype=np.int64))
    if int(entry["pointer"]) + count * dtype.itemsize > path.stat().st_size:
        raise DataError(f"{path.name} is shorter than its directory says; get the file again.")
    return np.fromfile(path, dtype, count, offset=int(entry["pointer"])).reshape(shape[::-1])
