"""Readers of stars' spectra: `read` for any supported file; the bytes, not the name, decide the format."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Spectrum, Step
from .arrays import is_arrays, read_arrays, read_named
from .columns import nothing_found, values_by_name
from .common import DAMAGE, Choice, Contents, Naming, Pixels, Unnamed, in_words
from .dialects import is_votable
from .hdf5 import MAGIC, choices_in_hdf5, read_hdf5, values_in_hdf5
from .image import (
    has_orders,
    is_header_orders,
    is_image,
    read_header_orders,
    read_image,
    read_orders,
    wavelengths_along_rows,
)
from .orders import joined_orders
from .roles import require_complete
from .several import choices_for_names, choices_in, choose, chosen_for_names, require_modest
from .table import is_table, read_table
from .text import is_text, read_text, values_in_text

__all__ = ["Choice", "Naming", "Unnamed", "list_arrays", "list_names", "list_spectra", "read"]

MAX_BYTES = 250_000_000
"""Largest file, and largest content of a gzip file, that is read."""

MAX_TEXT_BYTES = 60_000_000
"""Largest text that is read: a million pixels of three columns."""

_LONGEST_NAME = 120
_Found = TypeVar("_Found")

_FITS_FORMATS = (
    (is_table, read_table),
    (is_header_orders, read_header_orders),
    (is_arrays, read_arrays),
    (has_orders, read_orders),
    (is_image, read_image),
)
"""Tried in this order: (is it this format?, read it)."""

_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG picture"), (b"\x89PNG", "a PNG picture"), (b"GIF8", "a GIF picture"), (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"), (b"<!DOCTYPE", "a web page"), (b"<html", "a web page"),
    (b"<?xml", "an XML document"), (b"BZh", "a bzip2 archive"), (b"\xfd7zXZ", "an xz archive"),
)  # fmt: skip

_ENDLESS = tuple(re.compile(rb"(%s) *=\s*\+?0*([1-9]\d{3,})" % key) for key in (rb"NAXIS  ", rb"TFIELDS"))
"""More axes of an image or columns of a table than the FITS standard allows."""

_READABLE = "Kiel reads FITS images, FITS tables, HDF5, VOTable and text columns"


def read(
    source: Path | bytes,
    name: str | None = None,
    *,
    hdu: int | None = None,
    row: int | None = None,
    naming: Naming | None = None,
) -> Spectrum:
    """Read one spectrum from a file or its bytes; raises SpectrumError for anything that is not a spectrum.

    `hdu` (in HDF5: the group) and `row`, from 0, choose among several spectra in a file; where there is a choice and none was made, the
    error says what is there. `naming` tells which columns, planes or extensions are wavelength, flux, error and order; where the file's own
    names do not tell, the error is an Unnamed that lists them.
    """
    if naming:
        require_complete(naming)
    content, name, sha256 = _content(source, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's remarks on headers are not the user's concern
        contents = _parse(content, name, hdu, row, naming or None)
    pixels, order_steps = _in_order(contents.pixels)
    return Spectrum(
        wavelength=pixels.wavelength,
        flux=pixels.flux,
        error=pixels.error,
        good=pixels.good,
        medium=contents.medium,
        star=contents.star,
        file=name,
        sha256=sha256,
        format=contents.format,
        resolving_power=contents.resolving_power,
        usual_power=contents.usual_power,
        snr_header=contents.snr_header,
        steps=contents.steps + order_steps,
    )


def list_spectra(source: Path | bytes, name: str | None = None, naming: Naming | None = None) -> tuple[Choice, ...]:
    """List the spectra in a file among which one has to choose, for the hdu and row of `read`; none where it holds one.

    `naming` tells which columns are wavelength and flux, as for `read`. Raises SpectrumError for a file that cannot be
    opened; whether a spectrum can be used only `read` tells.
    """
    return _looked_into(
        source,
        name,
        lambda content, file: choices_in_hdf5(content, file, naming or None),
        lambda hdus: choices_for_names(hdus, naming) if naming else choices_in(hdus),
        lambda content, file: (),
    )


def list_names(source: Path | bytes, name: str | None = None) -> tuple[str, ...]:
    """List the columns, planes and extensions among which one has to name wavelength and flux; none where the file tells them itself.

    What cannot be read for another reason has none: `read` says it.
    """
    try:
        read(source, name)
    except Unnamed as question:
        return question.names
    except SpectrumError:
        return ()
    return ()


def list_arrays(source: Path | bytes, name: str | None = None) -> dict[str, NDArray]:
    """List the arrays of a file by the names of `list_names`, each (n,) of its own length, to look at; none that cannot be read."""
    try:
        return _looked_into(source, name, values_in_hdf5, values_by_name, values_in_text)
    except SpectrumError:
        return {}


def _looked_into(
    source: Path | bytes,
    name: str | None,
    hdf5: Callable[[bytes, str], _Found],
    hdus: Callable[[list[Any]], _Found],
    text: Callable[[bytes, str], _Found],
) -> _Found:
    """What one of three functions finds in a file: of an HDF5 file's bytes and name, of FITS HDUs, of any other bytes and name."""
    content, name, _ = _content(source, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if content.startswith(MAGIC):
            return hdf5(content, name)
        if content[:6] == b"SIMPLE":
            with _opened(content, name) as opened:
                return hdus(opened)
        return text(content, name)


def _content(source: Path | bytes, name: str | None) -> tuple[bytes, str, str]:
    """Bytes of a file, decompressed, its name, and the hash of its bytes as they came."""
    name = _shown(name or (Path(source).name if not isinstance(source, bytes) else ""))
    data = source if isinstance(source, bytes) else _load(Path(source), name)
    return _decompressed(data, name), name, hashlib.sha256(data).hexdigest()


def _shown(name: str) -> str:
    """Name of a file for a sentence: printable, of a sensible length."""
    plain = "".join(c for c in name[:_LONGEST_NAME] if c.isprintable()).strip()
    return plain or "the file"


def _in_order(pixels: Pixels) -> tuple[Pixels, tuple[Step, ...]]:
    """Pixels in increasing wavelength, without empty ends and with a finite flux everywhere, and the ledger's entry."""
    good = np.isfinite(pixels.flux) & pixels.good
    pixels, steps = joined_orders(Pixels(pixels.wavelength, pixels.flux, pixels.error, good))
    kept = _without_empty_ends(pixels.flux)
    flux = np.where(np.isfinite(pixels.flux), pixels.flux, 0.0)[kept]
    error = None if pixels.error is None else pixels.error[kept]
    return Pixels(pixels.wavelength[kept], flux, error, pixels.good[kept]), steps


def _without_empty_ends(flux: NDArray) -> slice:
    """Part from the first to the last pixel that is neither zero nor NaN."""
    measured = np.flatnonzero(np.isfinite(flux) & (flux != 0))
    return slice(measured[0], measured[-1] + 1) if measured.size else slice(None)


def _load(path: Path, name: str) -> bytes:
    try:
        if not path.is_file():  # a pipe or a device would never end
            raise SpectrumError(f"{name} is not a file; name the file of one spectrum.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpectrumError(
                f"{name} is {size / 1e6:.0f} MB large, which no spectrum of one star is; files up to {MAX_BYTES / 1e6:.0f} MB are read."
            )
        return path.read_bytes()
    except OSError as problem:
        raise SpectrumError(f"{name} cannot be opened ({problem.strerror or problem}).") from problem


def _decompressed(data: bytes, name: str) -> bytes:
    """Content of gzip data up to MAX_BYTES, other data as they are."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise SpectrumError(f"{name} is a damaged gzip file ({in_words(problem)}); fetch it again.") from problem
    if len(content) > MAX_BYTES:
        raise SpectrumError(f"{name} unpacks to more than {MAX_BYTES / 1e6:.0f} MB; no single spectrum is that large.")
    return content


def _parse(content: bytes, name: str, hdu: int | None, row: int | None, naming: Naming | None) -> Contents:
    if not content:
        raise SpectrumError(f"{name} is empty; there is no spectrum to read.")
    if content[:6] == b"SIMPLE":
        return _parse_fits(content, name, hdu, row, naming)
    if content.startswith(MAGIC):
        return read_hdf5(content, name, hdu, row, naming)
    if hdu is not None or row is not None:
        raise SpectrumError(f"{name} is neither FITS nor HDF5; it has no extensions or rows to choose from.")
    for magic, kind in _OTHER_FILES if not is_votable(content) else ():
        if content.lstrip()[: len(magic)].lower() == magic.lower():
            raise SpectrumError(f"{name} is {kind}, not a spectrum; {_READABLE}.")
    if is_text(content):
        if len(content) > MAX_TEXT_BYTES:
            raise SpectrumError(
                f"{name} is a text of {len(content) / 1e6:.0f} MB, which no spectrum of one star is; up to "
                f"{MAX_TEXT_BYTES / 1e6:.0f} MB are read."
            )
        return read_text(content, name, naming)
    raise SpectrumError(f"{name} is neither FITS, HDF5 nor text; {_READABLE}.")


def _parse_fits(content: bytes, name: str, hdu: int | None, row: int | None, naming: Naming | None) -> Contents:
    with _opened(content, name) as hdus:
        if naming is not None:
            return read_named(chosen_for_names(hdus, name, naming, hdu, row), name, naming)
        selected = choose(hdus, name, hdu, row)
        for matches, reader in _FITS_FORMATS:
            if matches(selected):
                return reader(selected, name)
        raise nothing_found(hdus, name)


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[list[Any]]:
    """Readable HDUs of a FITS file; raises SpectrumError where it is damaged or larger than any spectrum."""
    count = next((found for key in _ENDLESS if (found := key.search(content))), None)
    if count is not None:  # astropy counts up to it
        raise SpectrumError(
            f"{name} is a damaged FITS file (its header gives {count.group(1).decode().strip()} as {count.group(2).decode()[:20]}, and the "
            "standard allows 999); fetch it again."
        )
    try:
        with fits.open(io.BytesIO(content), memmap=False, ignore_missing_simple=True) as opened:
            hdus = list(one_after_the_other(opened, name))
            require_modest(hdus, name)
            yield [wavelengths_along_rows(one) for one in hdus if hasattr(one, "data")]  # damaged ones have none
    except (*DAMAGE, fits.VerifyError, zlib.error) as problem:
        raise SpectrumError(f"{name} is a damaged or cut FITS file ({in_words(problem)}); fetch it again.") from problem


def one_after_the_other(hdus: Iterable[Any], name: str) -> Iterator[Any]:
    """HDUs of a FITS file; raises SpectrumError where one does not begin behind the one before, which would never end."""
    before = -1
    for one in hdus:
        begins = (one.fileinfo() or {}).get("hdrLoc")
        if begins is not None and begins <= before:
            raise SpectrumError(
                f"{name} is a damaged FITS file (an extension says that the next one begins before it); fetch it again."
            )
        before = before if begins is None else begins
        yield one
