"""What a batch is made of: every spectrum among the inputs by file and row, found without reading any flux."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from astropy.io import fits

from ..errors import DataError, KielError
from ..readers import list_spectra
from ..readers.common import DAMAGE
from ..readers.hdf5 import MAGIC
from ..readers.table import table_columns
from .stacks import is_zarr, stack_length

_LIST_ENDINGS = (".lst", ".list")
_IGNORED_ENDINGS = (".json", ".md", ".log", ".part", ".parquet", ".png", ".pdf", ".py", ".xml")
_SMALL = 4_000_000  # bytes below which a file is looked into by the readers themselves


@dataclass(frozen=True)
class Item:
    """One spectrum: a path or URL, and the extension and row that choose it where the file holds several."""

    file: str
    hdu: int | None = None
    row: int | None = None


def find_items(inputs: Iterable[str]) -> Iterator[Item]:
    """Every spectrum of the inputs, in a fixed order: files, folders (all below them), globs, URLs, lists of these.

    A list is a text file ending in .lst or .list, or any named with an @ before it, one path or URL a line. Raises
    DataError for an input that names nothing. A file that cannot be opened is an item: its row will say why.
    """
    for name in inputs:
        yield from _of_input(name)


def _of_input(name: str) -> Iterator[Item]:
    if is_url(name):
        yield Item(name)
        return
    if name.startswith("@") or (name.endswith(_LIST_ENDINGS) and Path(name).is_file()):
        yield from _of_list(Path(name.removeprefix("@")))
        return
    path = Path(name)
    if is_zarr(path):
        yield from _of_file(path)
    elif path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        stores = sorted(p for p in path.rglob("*.zarr") if p.is_dir())
        for found in sorted([*stores, *(f for f in files if not any(s in f.parents for s in stores))]):
            if not found.name.endswith(_IGNORED_ENDINGS):
                yield from _of_file(found)
    elif path.exists():
        yield from _of_file(path)
    else:
        matches = sorted(glob(name, recursive=True))
        if not matches:
            raise DataError(f"There is no file, folder or match for {name}; check the name.")
        for match in matches:
            yield from _of_input(match)


def is_url(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def _of_list(path: Path) -> Iterator[Item]:
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
            yield from _of_file(beside if beside.exists() else Path(name))


def _of_file(path: Path) -> Iterator[Item]:
    """The items of one file; the file itself where it holds one spectrum, or cannot be looked into."""
    file = str(path.absolute())
    try:
        length = stack_length(path)
        if length is not None:
            yield from (Item(file, None, row) for row in range(length))
            return
        table = _table_of_rows(path)
        if table is not None:
            yield from (Item(file, table[0], row) for row in range(table[1]))
            return
        choices = list_spectra(path) if path.stat().st_size < _SMALL or _may_hold_several(path) else ()
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
    """Extension and number of rows of a FITS table with a spectrum in each row, told from the header alone."""
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
