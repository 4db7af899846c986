"""The spectra of a shard from files, tables, stacks and URLs; what cannot be read stands as its error, never a stop."""

from __future__ import annotations

import io
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from astropy.io import fits

from ..errors import KielError, SpectrumError
from ..readers import MAX_BYTES, read
from ..readers.common import DAMAGE, in_words
from ..stages import FluxVector, Spectrum
from .items import Item, is_url
from .stacks import read_stack, stack_length

Loaded = Spectrum | FluxVector | KielError
_TRIES, _TIMEOUT_S = 3, 30.0


def load(items: Sequence[Item]) -> list[Loaded]:
    """Each item's spectrum, a prepared one as its flux vector, or its error; successive rows of a file are read together."""
    out: list[Loaded] = []
    for file, group in groupby(items, key=lambda item: item.file):
        some = list(group)
        try:
            out += _of_file(file, some)
        except KielError as problem:
            out += [problem] * len(some)
        except (*DAMAGE, fits.VerifyError, MemoryError) as problem:
            out += [SpectrumError(f"{file} cannot be read ({in_words(problem)}).")] * len(some)
    return out


def _of_file(file: str, items: list[Item]) -> list[Loaded]:
    if is_url(file):
        data = _fetch(file)
        return [_one(data, file.rsplit("/", 1)[-1], item) for item in items]
    path = Path(file)
    rows = [item.row for item in items if item.row is not None]
    if len(rows) == len(items):
        if items[0].hdu is None and stack_length(path) is not None:
            return list(read_stack(path, rows))
        if items[0].hdu is not None and _is_fits(path):
            return _table_rows(path, items)
    return [_one(path, path.name, item) for item in items]


def _one(source: Path | bytes, name: str, item: Item) -> Loaded:
    try:
        return read(source, name, hdu=item.hdu, row=item.row)
    except KielError as problem:
        return problem


def _is_fits(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"


def _table_rows(path: Path, items: list[Item]) -> list[Loaded]:
    """Rows of a table of stars: each is cut out as a file of its own and read like one; the table is opened once."""
    out: list[Loaded] = []
    with warnings.catch_warnings(action="ignore"), fits.open(path, memmap=True) as hdus:
        for item in items:
            table = hdus[item.hdu]
            if not isinstance(table, fits.BinTableHDU):
                out.append(_one(path, path.name, item))
                continue
            if not 0 <= (item.row or 0) < len(table.data):
                out.append(SpectrumError(f"{path.name} has rows 0 to {len(table.data) - 1}; there is no {item.row}."))
                continue
            row = fits.BinTableHDU(table.data[item.row : (item.row or 0) + 1], table.header)
            alone = io.BytesIO()
            fits.HDUList([fits.PrimaryHDU(header=_plain(hdus[0].header)), row]).writeto(
                alone, output_verify="silentfix"
            )
            out.append(_one(alone.getvalue(), path.name, Item(item.file)))
    return out


def _plain(header: fits.Header) -> fits.Header:
    """A primary header without what describes data of its own."""
    plain = header.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM"):
        plain.remove(key, ignore_missing=True)
    return plain


def _fetch(url: str) -> bytes:
    """The bytes behind a URL, tried three times; SpectrumError where there are none or too many."""
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
