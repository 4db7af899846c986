"""Files that hold more than they should: several spectra, of which one has to be chosen, or far too many pixels."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from astropy.io import fits

from ..errors import SpectrumError
from .image import is_multispec
from .table import table_columns

MAX_ELEMENTS = 30_000_000
"""Largest number of values in one HDU (or HDF5 dataset) that is read; a spectrum of 100 orders has a million."""

_SAME_RANGE = (
    0.8  # share of a wavelength range beyond which two spectra repeat each other, instead of being orders or arms
)


def require_modest(hdus: list[Any], name: str) -> None:
    """Refuses, from the headers alone, a file whose HDUs are larger than any spectrum."""
    for i, hdu in enumerate(hdus):
        header = hdu.header
        sides = [int(header.get(f"NAXIS{k + 1}", 0)) for k in range(int(header.get("NAXIS", 0)))]
        count = int(np.prod(sides, dtype=float)) if sides else 0
        if header.get("XTENSION") in ("BINTABLE", "TABLE") and not isinstance(hdu, fits.CompImageHDU):
            count //= 4
        if count > MAX_ELEMENTS:
            raise SpectrumError(
                f"Extension {i} of {name} holds {' x '.join(map(str, sides))} values; no spectrum of one star is that large "
                f"(at most {MAX_ELEMENTS / 1e6:.0f} million are read). Load an extracted, one-dimensional spectrum."
            )


def choose(hdus: list[Any], name: str, hdu: int | None, row: int | None) -> list[Any]:
    """The HDUs to read: the primary header and the extension and row asked for; all where nothing was asked.

    Raises SpectrumError, with what is there, where the extension or row does not exist or several spectra leave a choice.
    """
    if hdu is not None:
        if not 0 <= hdu < len(hdus):
            raise SpectrumError(
                f"{name} has extensions 0 to {len(hdus) - 1}; there is no {hdu}. It holds {_contents(hdus)}."
            )
        if hdus[hdu].data is None:
            raise SpectrumError(f"Extension {hdu} of {name} is empty; it holds {_contents(hdus)}.")
        hdus = [hdus[hdu]] if hdu == 0 else [_header_alone(hdus[0]), hdus[hdu]]
    elif row is None:
        _require_one_table(hdus, name)
    tables = [i for i, h in enumerate(hdus) if table_columns(h) is not None]
    if row is not None:
        place = tables[0] if tables else next((i for i, h in enumerate(hdus) if _stack(h)), None)
        if place is None:
            raise SpectrumError(f"{name} has no rows to choose from; it holds {_contents(hdus)}.")
        hdus = [*hdus[:place], _row_of(hdus[place], row, name), *hdus[place + 1 :]]
    elif tables:
        _require_one_row(hdus[tables[0]], name)
    return hdus


def _header_alone(primary: Any) -> fits.PrimaryHDU:
    """The primary header without its data."""
    alone = fits.PrimaryHDU()
    structure = ("SIMPLE", "BITPIX", "EXTEND", "XTENSION", "PCOUNT", "GCOUNT", "CHECKSUM", "DATASUM")
    for card in primary.header.cards:
        if not card.keyword.startswith("NAXIS") and card.keyword not in (*structure, "COMMENT", "HISTORY", ""):
            alone.header[card.keyword] = card.value
    return alone


def _contents(hdus: list[Any]) -> str:
    told = []
    for i, h in enumerate(hdus):
        label = f" {h.name}" if h.name and h.name != "PRIMARY" else ""
        if h.data is not None:
            what = (
                f"a table of {len(h.data)} rows"
                if table_columns(h) is not None
                else f"data of shape {np.shape(h.data)}"
            )
            told.append(f"{i}{label}: {what}")
    more = f" and {len(told) - 8} more" if len(told) > 8 else ""
    return "; ".join(told[:8]) + more if told else "no data"


def _stack(hdu: Any) -> bool:
    """Whether an image holds rows over one wavelength axis of its header."""
    return bool(
        hdu.is_image
        and hdu.data is not None
        and hdu.data.ndim == 2
        and "CRVAL1" in hdu.header
        and not is_multispec(hdu.header)
    )


def _row_of(hdu: Any, row: int, name: str) -> Any:
    if not 0 <= row < len(hdu.data):
        raise SpectrumError(f"{name} has rows 0 to {len(hdu.data) - 1}; there is no {row}.")
    if hdu.is_image:
        return fits.PrimaryHDU(np.array(hdu.data[row]), hdu.header)
    roles = table_columns(hdu) or {}
    if np.size(hdu.data.field(roles["flux"])[0]) == 1:
        raise SpectrumError(f"The rows of the table in {name} are the pixels of one spectrum; leave the row out.")
    return fits.BinTableHDU(hdu.data[row : row + 1], hdu.header)


def _range(values: Any) -> tuple[float, float]:
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _repeats(ranges: list[tuple[float, float]]) -> bool:
    """Whether any two successive wavelength ranges are nearly the same: spectra, not orders or arms."""
    for (a, b), (c, d) in pairwise(ranges):
        shorter = min(b - a, d - c)
        if shorter > 0 and min(b, d) - max(a, c) > _SAME_RANGE * shorter:
            return True
    return False


def _require_one_row(hdu: Any, name: str) -> None:
    """Refuses a table with one spectrum a row until one is chosen; rows that are orders of one spectrum may stay."""
    wave = hdu.data.field((table_columns(hdu) or {})["wave"])
    if len(wave) > 1 and np.ndim(wave) == 2 and _repeats([_range(w) for w in wave[:50]]):
        raise SpectrumError(
            f"{name} holds {len(wave)} spectra, one in each row of its table; choose one with --row 0 to {len(wave) - 1}."
        )


def _require_one_table(hdus: list[Any], name: str) -> None:
    """Refuses several tables over one wavelength range until one is chosen."""
    found = [(i, roles["wave"]) for i, h in enumerate(hdus) if (roles := table_columns(h)) is not None and len(h.data)]
    if len(found) > 1 and _repeats([_range(hdus[i].data.field(w)) for i, w in found]):
        raise SpectrumError(
            f"{name} holds {len(found)} spectra in several extensions ({_contents(hdus)}); choose one with --hdu "
            f"{', '.join(str(i) for i, _ in found[:8])}."
        )
