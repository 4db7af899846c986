"""Good files to start from: one made-up star in every format that Kiel reads, and in HDF5."""

from __future__ import annotations

import io
from functools import cache
from unittest.mock import patch

import file_formats
import h5py
import numpy as np
from file_formats import FORMATS, Observation, noise

from cinn_core.stages import Medium

_THINNED, _FEW_ORDERS = 40, 4
STAR = Observation(star=0, rv=20.0, medium=Medium.AIR, response=(0.2, -0.1, 0.05))


@cache
def seeds() -> dict[str, tuple[bytes, str]]:
    """Bytes and file name of each good file, by format."""
    made = {name: make(STAR) for name, make in FORMATS.items()}
    return made | {"hdf5": (_hdf5(), "HIRES_star.h5")}


@cache
def small_seeds() -> dict[str, tuple[bytes, str]]:
    """The same layouts with few pixels and orders: a reader takes milliseconds, and hardly anything can be prepared."""
    few = [(wave[::8], flux[::8]) for wave, flux in file_formats._orders(STAR)[:_FEW_ORDERS]]
    thin = {"LINEAR": file_formats.LINEAR[::_THINNED], "LOG10": file_formats.LOG10[::_THINNED]}
    with patch.multiple(file_formats, _orders=lambda _: few, **thin):
        return seeds.__wrapped__()


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
