"""Grid files (.h5) of synthesised stars: written in chunks that are merged, whole or not at all; read for training."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..files import write_arrays, written
from ..prior import MAX_LOG_C_O, MAX_METALLICITY
from ..targets import COLUMN, SYNTHESIS_COLUMNS, SYNTHESIS_NAMES, effective_metallicity, labels_of, log_c_over_o
from .engine import Engine, grid_wavelength

FLUX_SCALE = 50_000
CALIBRATED = "calibrated"
"""Name, in a file's attribute `linelist`, of the line list calibrated on the Sun, which is what ships."""
TEST, VALIDATION = 7, 3
"""Remainder of index / 10 that marks test stars (only reported on) and validation stars (early stopping, tuning)."""
_ROWS_COMPRESSED_TOGETHER = 16


def are_held_out(index: NDArray) -> NDArray:
    """True (n,) for the stars of these indices (n,) that are test or validation stars, a fifth of all."""
    return np.isin(index % 10, (TEST, VALIDATION))


@dataclass(frozen=True, eq=False)
class Chunk:
    """A few stars of a grid: labels (n, 25) float32, flux (n, 32483) uint16 x 50 000, index (n,) int64."""

    labels: NDArray
    flux: NDArray
    index: NDArray


def encode_flux(flux: NDArray) -> NDArray:
    """Flux over continuum (m,) as uint16 x 50 000.

    Raises SynthesisError where it is negative, above 1.31 or not finite, which no spectrum over its true continuum is.
    """
    scaled = np.rint(flux * FLUX_SCALE)
    if not (np.isfinite(scaled).all() and scaled.min() >= 0 and scaled.max() <= np.iinfo(np.uint16).max):
        raise SynthesisError(
            f"Its normalised flux runs from {flux.min():.3g} to {flux.max():.3g}, which is not a spectrum."
        )
    return scaled.astype(np.uint16)


def open_grid_file(out: Path, engine: Engine) -> None:
    """Create the grid file without stars where there is none; its attributes say from the start how its stars are made.

    Raises DataError where `out` exists and its stars were made in another way than this engine makes them.
    """
    attributes = {"linelist": engine.linelist, **engine.provenance}
    if out.exists():
        _require_same(out, attributes)
        return
    with written(out) as part, h5py.File(part, "w") as f:
        n_labels, n_pixels = len(SYNTHESIS_NAMES), grid_wavelength().size
        f.attrs.update(attributes)
        labels = f.create_dataset("labels", (0, n_labels), "f4", maxshape=(None, n_labels))
        labels.attrs.create("names", SYNTHESIS_NAMES, dtype=h5py.string_dtype())
        rows = (_ROWS_COMPRESSED_TOGETHER, n_pixels)
        f.create_dataset("flux", (0, n_pixels), "u2", maxshape=(None, n_pixels), chunks=rows, compression="gzip")
        f.create_dataset("index", (0,), "i8", maxshape=(None,))
        f["wavelength"] = grid_wavelength()


def _require_same(out: Path, attributes: Mapping[str, str]) -> None:
    """Check that an existing grid file has these attributes and the columns and wavelengths of this version."""
    try:
        with h5py.File(out) as f:
            present = {name: str(f.attrs.get(name, "missing")) for name in attributes}
            same_columns = same_wavelengths(f["wavelength"][:], grid_wavelength()) and "labels" in f and "index" in f
    except (OSError, KeyError) as error:
        raise DataError(f"{out} exists and is not a grid file; name another file.") from error
    differing = [name for name in attributes if present[name] != attributes[name]]
    if differing or not same_columns:
        difference = (
            f"{differing[0]} {present[differing[0]]}, not {attributes[differing[0]]}"
            if differing
            else "other wavelengths"
        )
        raise DataError(f"{out} holds stars made another way ({difference}); name another file.")


def same_wavelengths(one: NDArray, other: NDArray) -> bool:
    """Whether two grids have the same wavelengths, up to the last bits, which depend on the kind of processor."""
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-12, atol=0)


def indices_in(out: Path) -> set[int]:
    """Indices of all stars of a grid file."""
    with h5py.File(out) as f:
        return set(f["index"][:].tolist())


def save_chunk(chunk: Chunk, path: Path) -> None:
    """Write a chunk as .npz, whole or not at all."""
    write_arrays(path, vars(chunk))


def load_chunk(path: Path) -> Chunk:
    """Read a chunk that `save_chunk` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Chunk(**arrays)


def merge_chunks(chunks: list[Path], out: Path) -> None:
    """Append chunks to the grid file and remove them; stars that the file already holds are left out.

    A run killed at any moment loses nothing: chunks are removed only when the new file is in place.
    """
    if not chunks:
        return
    with written(out) as part:
        shutil.copyfile(out, part)
        with h5py.File(part, "a") as f:
            for path in chunks:
                chunk = load_chunk(path)
                new = ~np.isin(chunk.index, f["index"][:])
                n = f["index"].shape[0]
                for name, rows in vars(chunk).items():
                    f[name].resize(n + int(new.sum()), axis=0)
                    f[name][n:] = rows[new]
    for path in chunks:
        path.unlink()


@dataclass(frozen=True, eq=False)
class Grid:
    """The stars of grid files: labels (n, 29), flux (n, m) uint16 x 50 000, index (n,), wavelength (m,) [air Angstrom].

    vbroad is NaN: the spectra are not rotated. `digest` is the SHA-256 of indices and labels.
    """

    labels: NDArray
    flux: NDArray
    index: NDArray
    wavelength: NDArray
    digest: str

    def __len__(self) -> int:
        return len(self.index)

    def normalised(self) -> NDArray:
        """Flux over the true continuum (n, m) float32."""
        return self.flux.astype(np.float32) / FLUX_SCALE

    def select(self, keep: NDArray) -> Grid:
        """The stars of a mask (n,) bool."""
        return Grid(self.labels[keep], self.flux[keep], self.index[keep], self.wavelength, self.digest)

    @property
    def is_test(self) -> NDArray:
        """True (n,) for test stars, only reported on."""
        return self.index % 10 == TEST

    @property
    def is_validation(self) -> NDArray:
        """True (n,) for validation stars, for early stopping and tuning."""
        return self.index % 10 == VALIDATION


def calibrated_files(data: Path) -> list[Path]:
    """Grid files under DATA/grid that were computed with the calibrated line list.

    Raises DataError where there is none.
    """
    files = [path for path in _grid_files(data) if _line_list(path) == CALIBRATED]
    if not files:
        raise DataError(
            f"No grid file with the calibrated line list under {data / 'grid'}; name the data with --data DIR."
        )
    return files


def other_files(data: Path) -> list[Path]:
    """Grid files under DATA/grid that were computed with another line list; there may be none."""
    return [path for path in _grid_files(data) if _line_list(path) != CALIBRATED]


def _grid_files(data: Path) -> list[Path]:
    return sorted((data / "grid").glob("*.h5"))


def _line_list(path: Path) -> str:
    with h5py.File(path) as f:
        return str(f.attrs.get("linelist", "original"))


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Give a grid file to read. Raises DataError for another file or a damaged one."""
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, KeyError) as error:
        raise DataError(f"{path} is not a grid file: {error}.") from error


def read_grid(files: list[Path]) -> Grid:
    """Read the stars of several grid files, without stars outside the prior: effective [M/H] above 0.5, or C/O near 1.

    Raises DataError where a file is not a grid file, or its columns or wavelengths are not the expected ones.
    """
    labels, fluxes, indices = [], [], []
    wavelength: NDArray = np.empty(0)
    digest = hashlib.sha256()
    for path in files:
        with _opened(path) as f:
            names = tuple(n.decode() if isinstance(n, bytes) else str(n) for n in f["labels"].attrs["names"])
            if names != SYNTHESIS_NAMES:
                raise DataError(
                    f"{path.name} has the labels {', '.join(names)}; needed are {', '.join(SYNTHESIS_NAMES)}."
                )
            grid_wavelength = f["wavelength"][:]
            if wavelength.size and not same_wavelengths(wavelength, grid_wavelength):
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
    """Labels (n, 29), vbroad NaN and the physics as nothing else is said, from the labels (n, 25) of a synthesis."""
    out = np.repeat(labels_of({"vbroad": np.nan})[None], len(synthesis_labels), 0)
    for i, name in enumerate(SYNTHESIS_NAMES):
        out[:, COLUMN[name]] = synthesis_labels[:, i]
    return out


def synthesis_labels(labels: NDArray) -> NDArray:
    """Labels (n, 25) of a synthesis, in the order of SYNTHESIS_NAMES, from all labels (n, 29)."""
    return labels[:, SYNTHESIS_COLUMNS]
