"""Good files to start from: one made-up star in every format that Kiel reads, and in HDF5."""

from __future__ import annotations

import io
from functools import cache

import h5py
import numpy as np
from file_formats import FORMATS, LINEAR, Observation, noise

from cinn_core.stages import Medium

STAR = Observation(star=0, rv=20.0, medium=Medium.AIR, response=(0.2, -0.1, 0.05))


@cache
def seeds() -> dict[str, tuple[bytes, str]]:
    """Bytes and file name of each good file, by format."""
    made = {name: make(STAR) for name, make in FORMATS.items()}
    return made | {"hdf5": (_hdf5(), "HIRES_star.h5")}


def _hdf5() -> bytes:
    flux = STAR.flux(LINEAR)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["AIRORVAC"] = "air"
        for name, values in {"wavelength": LINEAR, "flux": flux, "error": noise(flux, LINEAR)}.items():
            file.create_dataset(name, data=np.asarray(values), compression="gzip", compression_opts=1)
        file["wavelength"].attrs["unit"] = "Angstrom"
    return buffer.getvalue()
