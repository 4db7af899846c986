"""Files of synthesised stars: chunks of a few, and the grid file (.h5) they are merged into, each written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..targets import SYNTHESIS_NAMES
from ..training.grid_data import FLUX_SCALE
from .engine import Engine, grid_wavelength

_ROWS_COMPRESSED_TOGETHER = 16


@dataclass(frozen=True, eq=False)
class Chunk:
    """labels (n, 25) float32, flux (n, 32483) uint16 x 50 000, index (n,) int64 of some stars of a grid."""

    labels: NDArray
    flux: NDArray
    index: NDArray


def encode_flux(flux: NDArray) -> NDArray:
    """Flux over continuum (m,) as uint16 x 50 000.

    Raises SynthesisError when it does not fit, which no spectrum over its true continuum fails to.
    """
    scaled = np.rint(flux * FLUX_SCALE)
    if not (np.isfinite(scaled).all() and scaled.min() >= 0 and scaled.max() <= np.iinfo(np.uint16).max):
        raise SynthesisError(
            f"Its normalised flux runs from {flux.min():.3g} to {flux.max():.3g}, which is no spectrum."
        )
    return scaled.astype(np.uint16)


def open_grid(out: Path, engine: Engine) -> None:
    """Makes the grid file without stars where there is none, so that it says from the start what it is made of.

    Raises DataError when `out` exists and holds something else than this engine makes.
    """
    attributes = {"linelist": engine.linelist, **engine.provenance}
    if out.exists():
        _require_same(out, attributes)
        return
    part = _beside(out)
    with h5py.File(part, "w") as f:
        n_labels, n_pixels = len(SYNTHESIS_NAMES), grid_wavelength().size
        f.attrs.update(attributes)
        labels = f.create_dataset("labels", (0, n_labels), "f4", maxshape=(None, n_labels))
        labels.attrs.create("names", SYNTHESIS_NAMES, dtype=h5py.string_dtype())
        rows = (_ROWS_COMPRESSED_TOGETHER, n_pixels)
        f.create_dataset("flux", (0, n_pixels), "u2", maxshape=(None, n_pixels), chunks=rows, compression="gzip")
        f.create_dataset("index", (0,), "i8", maxshape=(None,))
        f["wavelength"] = grid_wavelength()
    os.replace(part, out)


def _require_same(out: Path, attributes: Mapping[str, str]) -> None:
    try:
        with h5py.File(out) as f:
            found = {name: str(f.attrs.get(name, "missing")) for name in attributes}
            fits = np.array_equal(f["wavelength"][:], grid_wavelength()) and "labels" in f and "index" in f
    except (OSError, KeyError) as error:
        raise DataError(f"{out} exists and is no grid file; name another file.") from error
    differing = [name for name in attributes if found[name] != attributes[name]]
    if differing or not fits:
        what = (
            f"{differing[0]} {found[differing[0]]}, not {attributes[differing[0]]}"
            if differing
            else "other wavelengths"
        )
        raise DataError(f"{out} holds stars made another way ({what}); name another file.")


def indices_in(out: Path) -> set[int]:
    """The index of every star of a grid file."""
    with h5py.File(out) as f:
        return set(f["index"][:].tolist())


def save_chunk(chunk: Chunk, path: Path) -> None:
    part = _beside(path)
    with part.open("wb") as f:
        np.savez(f, **vars(chunk))
    os.replace(part, path)


def load_chunk(path: Path) -> Chunk:
    with np.load(path, allow_pickle=False) as arrays:
        return Chunk(**arrays)


def merge(chunks: list[Path], out: Path) -> None:
    """Appends chunks to the grid file and removes them; a star that the file already holds is left out.

    Killed at any moment, it loses nothing: the chunks go only when the file that holds them has its name.
    """
    if not chunks:
        return
    part = _beside(out)
    shutil.copyfile(out, part)
    with h5py.File(part, "a") as f:
        for path in chunks:
            chunk = load_chunk(path)
            new = ~np.isin(chunk.index, f["index"][:])
            n = f["index"].shape[0]
            for name, rows in vars(chunk).items():
                f[name].resize(n + int(new.sum()), axis=0)
                f[name][n:] = rows[new]
    os.replace(part, out)
    for path in chunks:
        path.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".part")
