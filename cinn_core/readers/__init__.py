"""Reading a star's spectrum from any supported file: the bytes, not the name, decide the format."""

from __future__ import annotations

import gzip
import hashlib
import io
import warnings
import zlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Spectrum, Step
from .common import Found
from .echelle import is_echelle, read_echelle
from .hdf5 import MAGIC, read_hdf5
from .image import is_image, read_image
from .several import choose, require_modest
from .table import is_table, read_table
from .text import is_text, read_text

MAX_BYTES = 250_000_000
"""Largest file, and largest content of a gzip file, that is read."""

MAX_TEXT_BYTES = 60_000_000
"""Largest text that is read: a million pixels of three columns."""

_FITS_FORMATS = ((is_table, read_table), (is_echelle, read_echelle), (is_image, read_image))
"""Tried in this order: (is it this format?, read it)."""

_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG picture"), (b"\x89PNG", "a PNG picture"), (b"GIF8", "a GIF picture"), (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"), (b"<!DOCTYPE", "a web page"), (b"<html", "a web page"),
    (b"<?xml", "an XML document"), (b"BZh", "a bzip2 archive"), (b"\xfd7zXZ", "an xz archive"),
)  # fmt: skip

_READABLE = "Kiel reads FITS images, FITS tables, HDF5 and text columns"


def read(source: Path | bytes, name: str | None = None, *, hdu: int | None = None, row: int | None = None) -> Spectrum:
    """One spectrum from a file or its bytes; raises SpectrumError, in a sentence, for anything that is none.

    `hdu` and `row` (from 0) choose among several spectra in a FITS file; where there is a choice and none was made, the
    error says what is there.
    """
    name = name or (Path(source).name if not isinstance(source, bytes) else "the file")
    data = source if isinstance(source, bytes) else _load(Path(source), name)
    content = _decompressed(data, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's remarks on headers are not the user's concern
        found = _parse(content, name, hdu, row)
    good = np.isfinite(found.flux) & (True if found.good is None else found.good)
    kept, steps = _increasing(found.wavelength, good)
    kept = kept[_without_empty_ends(found.flux[kept])]
    return Spectrum(
        wavelength=found.wavelength[kept],
        flux=np.where(np.isfinite(found.flux), found.flux, 0.0)[kept],
        error=None if found.error is None else found.error[kept],
        good=good[kept],
        medium=found.medium,
        star=found.star,
        file=name,
        sha256=hashlib.sha256(data).hexdigest(),
        flavour=found.flavour,
        resolving_power=found.resolving_power,
        snr_header=found.snr_header,
        steps=found.steps + steps,
    )


def _increasing(wavelength: NDArray, good: NDArray) -> tuple[NDArray, tuple[Step, ...]]:
    """Indices of pixels in increasing wavelength; bad pixels that run back in wavelength are dropped, good ones are sorted."""
    kept = np.flatnonzero(np.isfinite(wavelength))
    if kept.size and np.all(np.diff(wavelength[kept]) > 0):
        return kept, ()
    if np.any(np.diff(wavelength[kept]) < 0):
        bad_too = kept.size
        kept = kept[good[kept]]
        kept = kept[np.argsort(wavelength[kept], kind="stable")]
        reason = "wavelengths run back in the file; pixels without flux dropped, the others sorted"
    else:
        bad_too, reason = kept.size, "of pixels with equal wavelength the first is kept"
    kept = kept[np.concatenate([[True], np.diff(wavelength[kept]) > 0])] if kept.size else kept
    return kept, (Step("order of pixels", reason, {"dropped": int(bad_too - kept.size)}),)


def _without_empty_ends(flux: NDArray) -> slice:
    """The part from the first to the last pixel that is neither zero nor NaN."""
    measured = np.flatnonzero(np.isfinite(flux) & (flux != 0))
    return slice(measured[0], measured[-1] + 1) if measured.size else slice(None)


def _load(path: Path, name: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpectrumError(
                f"{name} is {size / 1e6:.0f} MB large, which no spectrum of one star is; files up to {MAX_BYTES / 1e6:.0f} MB are read."
            )
        return path.read_bytes()
    except OSError as problem:
        raise SpectrumError(f"{name} cannot be opened ({problem.strerror or problem}).") from problem


def _decompressed(data: bytes, name: str) -> bytes:
    """The content of gzip data up to MAX_BYTES, other data as they are."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise SpectrumError(f"{name} is a damaged gzip file ({problem}); fetch it again.") from problem
    if len(content) > MAX_BYTES:
        raise SpectrumError(f"{name} unpacks to more than {MAX_BYTES / 1e6:.0f} MB; no single spectrum is that large.")
    return content


def _parse(content: bytes, name: str, hdu: int | None, row: int | None) -> Found:
    if not content:
        raise SpectrumError(f"{name} is empty; there is no spectrum to read.")
    if content[:6] == b"SIMPLE":
        return _parse_fits(content, name, hdu, row)
    if hdu is not None or row is not None:
        raise SpectrumError(f"{name} is no FITS file; it has no extensions or rows to choose from.")
    if content.startswith(MAGIC):
        return read_hdf5(content, name)
    for magic, kind in _OTHER_FILES:
        if content.lstrip()[: len(magic)].lower() == magic.lower():
            raise SpectrumError(f"{name} is {kind}, not a spectrum; {_READABLE}.")
    if is_text(content):
        if len(content) > MAX_TEXT_BYTES:
            raise SpectrumError(
                f"{name} is a text of {len(content) / 1e6:.0f} MB, which no spectrum of one star is; up to "
                f"{MAX_TEXT_BYTES / 1e6:.0f} MB are read."
            )
        return read_text(content, name)
    raise SpectrumError(f"{name} is neither FITS nor text; {_READABLE}.")


def _parse_fits(content: bytes, name: str, hdu: int | None, row: int | None) -> Found:
    try:
        with fits.open(io.BytesIO(content), memmap=False, ignore_missing_simple=True) as opened:
            require_modest(list(opened), name)
            hdus = [found for found in opened if hasattr(found, "data")]  # damaged ones have none
            shapes = [None if found.data is None else np.shape(found.data) for found in hdus]
            hdus = choose(hdus, name, hdu, row)
            for matches, reader in _FITS_FORMATS:
                if matches(hdus):
                    return reader(hdus, name)
    except SpectrumError:
        raise
    except (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, fits.VerifyError, MemoryError) as problem:
        raise SpectrumError(
            f"{name} is a damaged or cut FITS file ({str(problem).splitlines()[0][:120]}); fetch it again."
        ) from problem
    holds = ", ".join("an empty header" if s is None else f"data of shape {s}" for s in shapes[:5])
    raise SpectrumError(f"{name} is a FITS file holding {holds}, but no spectrum with wavelengths; {_READABLE}.")
