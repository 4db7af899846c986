"""Stacks of many spectra in one HDF5 or Zarr store: raw ones on a common grid, and prepared ones that need no preparation.

Raw: datasets `wavelength` (p,) or (n, p), `flux` (n, p), optionally `error` (n, p); attributes of the store `medium`
("air" or "vacuum") and `resolving_power`. Prepared: `flux` (n, N_PIXELS) with NaN where nothing was observed, `snr`
(n, arms) per Angstrom, and the attribute `kiel_prepared` = 1; optionally `rv_kms` (n,). Both may have `name` (n,).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SpectrumError
from ..files import written
from ..instrument import ARMS, N_PIXELS, RESOLVING_POWER
from ..readers.common import DAMAGE, in_words
from ..readers.hdf5 import MAGIC
from ..stages import FluxVector, Medium, Spectrum, Step

_WAVELENGTH = ("wavelength", "wave", "lambda")
PREPARED = "kiel_prepared"


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def stack_length(path: Path) -> int | None:
    """Number of spectra in a stack; None for a file that is not a stack (a table, one spectrum, its orders)."""
    if not is_zarr(path) and not _is_hdf5(path):
        return None
    with _opened(path) as store:
        flux = store.get("flux")
        if flux is None or len(flux.shape) != 2:
            return None
        if store.attrs.get(PREPARED) or (_wavelengths(store) is not None and _is_stack(store)):
            return int(flux.shape[0])
    return None


def read_stack(path: Path, rows: Sequence[int]) -> Iterator[Spectrum | FluxVector | SpectrumError]:
    """Read the spectra in some rows of a stack, prepared ones as flux vectors; an error stands for one that cannot be read."""
    with _opened(path) as store:
        prepared = bool(store.attrs.get(PREPARED))
        for row in rows:
            try:
                yield _prepared(store, path, row) if prepared else _raw(store, path, row)
            except SpectrumError as problem:
                yield problem
            except DAMAGE as problem:
                yield SpectrumError(f"Row {row} of {path.name} is damaged ({in_words(problem)}).")


def write_prepared_stack(path: Path, flux: NDArray, snr: NDArray, rv_kms: NDArray, names: Sequence[str]) -> None:
    """Write a prepared HDF5 stack: flux (n, N_PIXELS) NaN where missing, snr (n, arms), rv_kms (n,); whole or not at all."""
    with written(path) as part, h5py.File(part, "w") as store:
        store.attrs[PREPARED] = 1
        store.create_dataset("flux", data=flux.astype(np.float32), chunks=(min(64, len(flux)), N_PIXELS))
        store["snr"], store["rv_kms"], store["name"] = snr, rv_kms, [n.encode() for n in names]


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not is_zarr(path):
        with h5py.File(path, "r") as store:
            yield store
        return
    try:
        import zarr
    except ImportError as problem:
        raise DataError(
            f"{path.name} is a Zarr store; reading it needs `pip install -e '.[batch]'` in the checkout."
        ) from problem
    yield zarr.open_group(str(path), mode="r")


def _wavelengths(store: Any) -> Any:
    return next((store[name] for name in _WAVELENGTH if name in store), None)


def _is_stack(store: Any) -> bool:
    """Rows over one grid, or over grids that start at nearly the same wavelength: stars, not orders."""
    wave = _wavelengths(store)
    if len(wave.shape) == 1:
        return bool(store["flux"].shape[0] > 1 and store["flux"].shape[1] == wave.shape[0])
    first = np.asarray(wave[: min(20, wave.shape[0]), 0], float)
    return bool(wave.shape == store["flux"].shape and np.ptp(first) < 10.0)


def _name(store: Any, path: Path, row: int) -> str:
    name = store["name"][row] if "name" in store else f"{path.stem} row {row}"
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _raw(store: Any, path: Path, row: int) -> Spectrum:
    wave = _wavelengths(store)
    wavelength = np.asarray(wave[row] if len(wave.shape) == 2 else wave[:], float)
    flux = np.asarray(store["flux"][row], float)
    error = np.asarray(store["error"][row], float) if "error" in store else None
    good = np.isfinite(flux) & (flux != 0)
    if error is not None:
        good &= np.isfinite(error) & (error > 0)
    medium = str(store.attrs.get("medium", "unknown"))
    known = {m.value for m in Medium}
    power = store.attrs.get("resolving_power")
    return Spectrum(
        wavelength=wavelength,
        flux=np.where(np.isfinite(flux), flux, 0.0),
        error=error,
        good=good,
        medium=Medium(medium) if medium in known else Medium.UNKNOWN,
        star=_name(store, path, row),
        file=path.name,
        sha256="",
        format="stack",
        resolving_power=None if power is None else float(power),
        steps=(Step("format", "row of a stack", {"row": row, "pixels": wavelength.size}),),
    )


def _prepared(store: Any, path: Path, row: int) -> FluxVector:
    flux, snr = np.asarray(store["flux"][row], float), np.asarray(store["snr"][row], float)
    if flux.shape != (N_PIXELS,) or snr.shape != (len(ARMS),):
        raise SpectrumError(
            f"Row {row} of {path.name} has {flux.size} pixels and {snr.size} values of S/N; a prepared spectrum has "
            f"{N_PIXELS} and {len(ARMS)}."
        )
    good = np.isfinite(flux)
    if good.sum() < 500 or not np.isfinite(snr).any():
        raise SpectrumError(f"Row {row} of {path.name} holds next to no pixels, or no S/N.")
    return FluxVector(
        flux=flux,
        good=good,
        continuum=np.ones(N_PIXELS),
        snr=tuple(float(s) for s in snr),
        rv_kms=float(store["rv_kms"][row]) if "rv_kms" in store else 0.0,
        rv_error_kms=float("nan"),
        native_resolving_power=RESOLVING_POWER,
        noise_fwhm_kms=0.0,
        star=_name(store, path, row),
        file=path.name,
        sha256="",
        steps=(Step("format", "row of a prepared stack", {"row": row}),),
        flags=(),
    )
