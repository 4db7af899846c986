"""Files of synthesised stars: chunks of a few, and the grid file (.h5) they are merged into, each written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..prior import MAX_LOG_C_O, MAX_METALLICITY
from ..targets import COLUMN, LABEL_NAMES, SYNTHESIS_NAMES, effective_metallicity, log_c_over_o
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


FLUX_SCALE = 50_000
CALIBRATED = "calibrated"
"""Name, in a file's attribute `linelist`, of the line list calibrated on the Sun, which is what ships."""
TEST, VALIDATION = 7, 3
"""Remainder of index / 10 that marks test stars (only reported on) and validation stars (early stopping, tuning)."""


@dataclass(frozen=True, eq=False)
class Grid:
    """labels (n, 26) with vbroad NaN (the grid has none), flux (n, m) uint16 x 50 000, index (n,), wavelength (m,)."""

    labels: NDArray
    flux: NDArray
    index: NDArray
    wavelength: NDArray
    digest: str

    def __len__(self) -> int:
        return len(self.index)

    def normalised(self) -> NDArray:
        """Flux over the true continuum, float32 (n, m)."""
        return self.flux.astype(np.float32) / FLUX_SCALE

    def select(self, keep: NDArray) -> Grid:
        return Grid(self.labels[keep], self.flux[keep], self.index[keep], self.wavelength, self.digest)

    @property
    def is_test(self) -> NDArray:
        return self.index % 10 == TEST

    @property
    def is_validation(self) -> NDArray:
        return self.index % 10 == VALIDATION


def calibrated_files(data: Path) -> list[Path]:
    """All grid files under DATA/grid whose line list is the calibrated one.

    Raises DataError when there is none.
    """
    files = [path for path in _grid_files(data) if _line_list(path) == CALIBRATED]
    if not files:
        raise DataError(
            f"No grid file with the calibrated line list under {data / 'grid'}; name the data with --data DIR."
        )
    return files


def other_files(data: Path) -> list[Path]:
    """The grid files under DATA/grid that were computed with another line list; there may be none."""
    return [path for path in _grid_files(data) if _line_list(path) != CALIBRATED]


def _grid_files(data: Path) -> list[Path]:
    return sorted((data / "grid").glob("*.h5"))


def _line_list(path: Path) -> str:
    with h5py.File(path) as f:
        return str(f.attrs.get("linelist", "original"))


def read_grid(files: list[Path]) -> Grid:
    """The stars of several grid files as one, without those outside the prior: effective [M/H] above 0.5, or C/O near 1.

    Raises DataError when a file's columns or wavelengths are not the expected ones.
    """
    labels, fluxes, indices = [], [], []
    wavelength: NDArray = np.empty(0)
    digest = hashlib.sha256()
    for path in files:
        with h5py.File(path) as f:
            names = tuple(n.decode() if isinstance(n, bytes) else str(n) for n in f["labels"].attrs["names"])
            if names != SYNTHESIS_NAMES:
                raise DataError(
                    f"{path.name} has the labels {', '.join(names)}; needed are {', '.join(SYNTHESIS_NAMES)}."
                )
            grid_wavelength = f["wavelength"][:]
            if wavelength.size and not np.array_equal(wavelength, grid_wavelength):
                raise DataError(f"{path.name} has another wavelength grid than the files before it.")
            wavelength = grid_wavelength
            labels.append(all_labels(f["labels"][:]))
            fluxes.append(f["flux"][:])
            indices.append(f["index"][:])
            digest.update(indices[-1].tobytes() + labels[-1].tobytes())
    grid = Grid(np.concatenate(labels), np.concatenate(fluxes), np.concatenate(indices), wavelength, digest.hexdigest())
    return grid.select(
        (effective_metallicity(grid.labels) <= MAX_METALLICITY) & (log_c_over_o(grid.labels) < MAX_LOG_C_O)
    )


def all_labels(synthesis_labels: NDArray) -> NDArray:
    """The 26 labels (n, 26), vbroad NaN, from the 25 of a synthesis (n, 25)."""
    out = np.full((len(synthesis_labels), len(LABEL_NAMES)), np.nan)
    for i, name in enumerate(SYNTHESIS_NAMES):
        out[:, COLUMN[name]] = synthesis_labels[:, i]
    return out


def synthesis_labels(labels: NDArray) -> NDArray:
    """The 25 labels a synthesis takes (n, 25) from all 26 (n, 26)."""
    return labels[:, [COLUMN[name] for name in SYNTHESIS_NAMES]]
