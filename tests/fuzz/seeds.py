"""Good files to start from: one made-up star in every format that Kiel reads, and in HDF5."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from unittest.mock import patch

import file_formats
import h5py
import numpy as np
from file_formats import FORMATS, Observation, noise

from cinn_core.stages import Medium

_THINNED, _FEW_ORDERS = 40, 4
_NAMES = "names.json"
STAR = Observation(star=0, rv=20.0, medium=Medium.AIR, response=(0.2, -0.1, 0.05))


LAYOUTS = (*FORMATS, "hdf5")


@cache
def good_file(layout: str) -> tuple[bytes, str]:
    """Bytes and name of the good file in a layout."""
    return _made(layout)


def _made(layout: str) -> tuple[bytes, str]:
    return FORMATS[layout](STAR) if layout in FORMATS else (_hdf5(), "HIRES_star.h5")


def seeds() -> dict[str, tuple[bytes, str]]:
    """Bytes and file name of each good file, by layout."""
    return {layout: good_file(layout) for layout in LAYOUTS}


@cache
def small_seeds() -> dict[str, tuple[bytes, str]]:
    """The same layouts with few pixels and orders: a reader takes milliseconds, and hardly anything can be prepared."""
    few = [(wave[::8], flux[::8]) for wave, flux in file_formats._orders(STAR)[:_FEW_ORDERS]]
    thin = {"LINEAR": file_formats.LINEAR[::_THINNED], "LOG10": file_formats.LOG10[::_THINNED]}
    with patch.multiple(file_formats, _orders=lambda _: few, **thin):
        return {layout: _made(layout) for layout in LAYOUTS}


def write_seeds(good: dict[str, tuple[bytes, str]], folder: Path) -> None:
    """Write good files to a folder, for processes that are to start without the emulator."""
    folder.mkdir(parents=True, exist_ok=True)
    for layout, (data, _) in good.items():
        (folder / layout).write_bytes(data)
    (folder / _NAMES).write_text(json.dumps({layout: name for layout, (_, name) in good.items()}))


def read_seeds(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Read what `write_seeds` wrote."""
    names = json.loads((folder / _NAMES).read_text())
    return {layout: ((folder / layout).read_bytes(), name) for layout, name in names.items()}


def _hdf5() -> bytes:
    wave = file_formats.LINEAR
    flux = STAR.flux(wave)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["AIRORVAC"] = "air"
        for name, values in {"wavelength": wave, "flux": flux, "error": noise(flux, wave)}.items():
            file.create_dataset(name, data=np.asarray(values), compression="gzip", compression_opts=1)
        file["wavelength"].attrs["unit"] = "Angstrom"
    return buffer.getvalue()
