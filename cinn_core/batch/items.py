"""Items of a batch: every spectrum among the inputs by file and row, listed without reading any flux, and read when needed."""

from __future__ import annotations

import io
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import groupby
from pathlib import Path

from astropy.io import fits

from ..errors import DataError, KielError, SpectrumError
from ..readers import MAX_BYTES, Naming, list_spectra, read
from ..readers.columns import table_columns
from ..readers.common import DAMAGE, in_words
from ..readers.hdf5 import MAGIC
from ..readers.roles import require_complete
from ..stages import FluxVector, Spectrum
from .stacks import is_zarr, read_stack, stack_length

_LIST_ENDINGS = (".lst", ".list")
_IGNORED_ENDINGS = (".json", ".md", ".log", ".part", ".parquet", ".png", ".pdf", ".py", ".xml")
_SMALL = 4_000_000  # bytes below which a file is looked into by the readers themselves


@dataclass(frozen=True)
class Item:
    """One spectrum: a path or URL, and the extension and row that choose it where the file holds several."""

    file: str
    hdu: int | None = None
    row: int | None = None


def find_items(inputs: Iterable[str], naming: Naming | None = None) -> Iterator[Item]:
    """List every spectrum of the inputs in a fixed order: files, folders (all below them), globs, URLs, lists of these.

    A list is a text file ending in .lst or .list, or any named with an @ before it, one path or URL a line. Raises
    DataError for an input that names nothing. A file that cannot be opened is an item: its row will say why. With names of
    wavelengths and flux, as for `read`, files are looked into by these.
    """
    if naming:
        require_complete(naming)
    for name in inputs:
        yield from _of_input(name, naming or None)


def _of_input(name: str, naming: Naming | None) -> Iterator[Item]:
    if is_url(name):
        yield Item(name)
        return
    if name.startswith("@") or (name.endswith(_LIST_ENDINGS) and Path(name).is_file()):
        yield from _of_list(Path(name.removeprefix("@")), naming)
        return
    path = Path(name)
    if is_zarr(path):
        yield from _of_file(path, naming)
    elif path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        stores = sorted(p for p in path.rglob("*.zarr") if p.is_dir())
        for one in sorted([*stores, *(f for f in files if not any(s in f.parents for s in stores))]):
            if not one.name.endswith(_IGNORED_ENDINGS):
                yield from _of_file(one, naming)
    elif path.exists():
        yield from _of_file(path, naming)
    else:
        matches = sorted(glob(name, recursive=True))
        if not matches:
            raise DataError(f"There is no file, folder or match for {name}; check the name.")
        for match in matches:
            yield from _of_input(match, naming)


def is_url(name: str) -> bool:
    """Whether an input is a web address."""
    return name.startswith(("http://", "https://"))


def _of_list(path: Path, naming: Naming | None) -> Iterator[Item]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(
            f"The list {path} cannot be read as text ({problem}); it needs one path or URL a line."
        ) from problem
    for line in lines:
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if is_url(name):
            yield Item(name)
        else:
            beside = path.parent / name
            yield from _of_file(beside if beside.exists() else Path(name), naming)


def _of_file(path: Path, naming: Naming | None) -> Iterator[Item]:
    """Items of one file; the file itself where it holds one spectrum, or cannot be looked into."""
    file = str(path.absolute())
    try:
        length = stack_length(path) if naming is None or is_zarr(path) else None
        if length is not None:
            yield from (Item(file, None, row) for row in range(length))
            return
        table = _table_of_rows(path) if naming is None else None
        if table is not None:
            yield from (Item(file, table[0], row) for row in range(table[1]))
            return
        choices = list_spectra(path, naming=naming) if path.stat().st_size < _SMALL or _may_hold_several(path) else ()
    except (KielError, *DAMAGE, fits.VerifyError):
        choices = ()
    if not choices:
        yield Item(file)
    for choice in choices:
        yield Item(file, choice.hdu, choice.row)


def _may_hold_several(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(8)
    return head[:6] == b"SIMPLE" or head == MAGIC


def _table_of_rows(path: Path) -> tuple[int, int] | None:
    """Extension and number of rows of a FITS table with a spectrum in each row, from the header alone."""
    with path.open("rb") as file:
        if file.read(6) != b"SIMPLE":
            return None
    with warnings.catch_warnings(action="ignore"), fits.open(path, memmap=True) as hdus:
        for i, hdu in enumerate(hdus):
            if not isinstance(hdu, fits.BinTableHDU) or int(hdu.header["NAXIS2"]) < MANY_ROWS:
                continue
            roles = table_columns(hdu)
            if roles and hdu.columns[roles["flux"]].dtype.shape:
                return i, int(hdu.header["NAXIS2"])
    return None


MANY_ROWS = 200
"""Rows from which a table of vectors is a table of stars without a look at its wavelengths (an echelle has fewer orders)."""


Loaded = Spectrum | FluxVector | KielError
_TRIES, _TIMEOUT_S = 3, 30.0


def load(items: Sequence[Item], naming: Naming | None = None) -> list[Loaded]:
    """Read each item: a spectrum, a flux vector if prepared already, or an error; successive rows of a file are read together."""
    out: list[Loaded] = []
    for file, group in groupby(items, key=lambda item: item.file):
        some = list(group)
        try:
            out += _load_file(file, some, naming)
        except KielError as problem:
            out += [problem] * len(some)
        except (*DAMAGE, fits.VerifyError, MemoryError) as problem:
            out += [SpectrumError(f"{file} cannot be read ({in_words(problem)}).")] * len(some)
    return out


def _load_file(file: str, items: list[Item], naming: Naming | None) -> list[Loaded]:
    if is_url(file):
        data = _fetch(file)
        return [_one(data, file.rsplit("/", 1)[-1], item, naming) for item in items]
    path = Path(file)
    rows = [item.row for item in items if item.row is not None]
    if len(rows) == len(items):
        if items[0].hdu is None and stack_length(path) is not None:
            return list(read_stack(path, rows))
        if items[0].hdu is not None and _is_fits(path):
            return _table_rows(path, items, naming)
    return [_one(path, path.name, item, naming) for item in items]


def _one(source: Path | bytes, name: str, item: Item, naming: Naming | None) -> Loaded:
    try:
        return read(source, name, hdu=item.hdu, row=item.row, naming=naming)
    except KielError as problem:
        return problem


def _is_fits(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"


def _table_rows(path: Path, items: list[Item], naming: Naming | None) -> list[Loaded]:
    """Rows of a table of stars: each is cut out as a file of its own and read like one; the table is opened once."""
    out: list[Loaded] = []
    with warnings.catch_warnings(action="ignore"), fits.open(path, memmap=True) as hdus:
        for item in items:
            table = hdus[item.hdu]
            if not isinstance(table, fits.BinTableHDU):
                out.append(_one(path, path.name, item, naming))
                continue
            if not 0 <= (item.row or 0) < len(table.data):
                out.append(SpectrumError(f"{path.name} has rows 0 to {len(table.data) - 1}; there is no {item.row}."))
                continue
            row = fits.BinTableHDU(table.data[item.row : (item.row or 0) + 1], table.header)
            alone = io.BytesIO()
            fits.HDUList([fits.PrimaryHDU(header=_plain(hdus[0].header)), row]).writeto(
                alone, output_verify="silentfix"
            )
            out.append(_one(alone.getvalue(), path.name, Item(item.file), naming))
    return out


def _plain(header: fits.Header) -> fits.Header:
    """Primary header without the keywords on data of its own."""
    plain = header.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM"):
        plain.remove(key, ignore_missing=True)
    return plain


def _fetch(url: str) -> bytes:
    """Bytes behind a URL, tried three times. Raises SpectrumError where there are none or too many."""
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
                data = bytes(answer.read(MAX_BYTES + 1))
            if len(data) > MAX_BYTES:
                raise SpectrumError(f"{url} is larger than {MAX_BYTES / 1e6:.0f} MB, which no spectrum of one star is.")
            return data
        except urllib.error.HTTPError as problem:
            if problem.code < 500 or attempt == _TRIES - 1:
                raise SpectrumError(f"{url} cannot be fetched (HTTP {problem.code}).") from problem
        except (urllib.error.URLError, TimeoutError, ConnectionError) as problem:
            if attempt == _TRIES - 1:
                raise SpectrumError(f"{url} cannot be fetched ({problem}).") from problem
        time.sleep(2**attempt)
    raise AssertionError
