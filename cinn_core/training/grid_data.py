"""Reads the files of synthetic spectra that the emulator learns from and the evaluations report on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..prior import MAX_LOG_C_O, MAX_METALLICITY
from ..targets import COLUMN, LABEL_NAMES, SYNTHESIS_NAMES, effective_metallicity, log_c_over_o

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
