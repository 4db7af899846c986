"""FITS files that hold more than one spectrum, of which one has to be chosen, or too many pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits

from ..errors import SpectrumError
from .common import Choice, repeats, require_choice, wavelength_range
from .image import first_image, holds_bands, images_in, is_multispec, spectra_apart, wavelength_axis
from .table import table_columns

MAX_ELEMENTS = 30_000_000
"""Largest number of values in one file that is read; a spectrum of 100 orders has a million."""

MAX_PIXELS = 3_000_000
"""Largest number of pixels along one axis; the finest echelle spectrum of the whole optical has a million."""

_NAMES = ("TARGNAME", "OBJECT", "NAME", "TARGET", "STAR", "CNAME", "SOBJECT_ID")
"""Columns that name the star of each row."""


def require_modest(hdus: list[Any], name: str) -> None:
    """Raise SpectrumError, from the headers alone, for a file whose HDUs, alone or together, are larger than any spectrum."""
    total = 0
    for i, hdu in enumerate(hdus):
        header = hdu.header
        sides = [int(header.get(f"NAXIS{k + 1}", 0)) for k in range(int(header.get("NAXIS", 0)))]
        count = int(np.prod(sides, dtype=float)) if sides else 0
        if header.get("XTENSION") in ("BINTABLE", "TABLE") and not isinstance(hdu, fits.CompImageHDU):
            count //= 4
        total += count
        along = MAX_ELEMENTS if len(sides) > 1 else MAX_PIXELS
        if total > MAX_ELEMENTS or max(sides, default=0) > along:
            most = MAX_ELEMENTS if total > MAX_ELEMENTS else along
            raise SpectrumError(
                f"Extension {i} of {name} holds {' x '.join(map(str, sides))} values; no spectrum of one star is that large "
                f"(at most {most / 1e6:.0f} million are read). Load an extracted, one-dimensional spectrum."
            )


def choices_in(hdus: list[Any]) -> tuple[Choice, ...]:
    """Spectra among which one has to choose; none where the file holds one."""
    tables = [(i, roles) for i, h in enumerate(hdus) if (roles := table_columns(h)) is not None and len(h.data)]
    if len(tables) > 1 and repeats([wavelength_range(hdus[i].data.field(roles["wave"])) for i, roles in tables]):
        return tuple(Choice(i, None, f"{i} {hdus[i].name}".strip()) for i, _ in tables)
    if tables:
        place, roles = tables[0]
        wave = hdus[place].data.field(roles["wave"])
        spectra = np.ndim(wave) == 2 and len(wave) > 1 and repeats([wavelength_range(w) for w in wave[:50]])
        return _rows(hdus, place) if spectra else ()
    apart = spectra_apart(images_in(hdus))
    if len(apart) > 1 and repeats([wavelength_range(wavelength_axis(h.header, h.data.size, h.name)[0]) for h in apart]):
        return tuple(Choice(place, None, f"{place} {h.name}".strip()) for h in apart for place in [hdus.index(h)])
    image = first_image(hdus)
    if image is not None and _stack(image) and not holds_bands(image):
        return _rows(hdus, hdus.index(image))
    return ()


def _rows(hdus: list[Any], place: int) -> tuple[Choice, ...]:
    """One choice a row of the HDU at `place`, called by the star where a column of names as long as it is there."""
    n = len(hdus[place].data)
    names = next((found for h in hdus if (found := _star_names(h, n)) is not None), None)
    labels = [f"row {i}" if names is None else f"row {i}: {names[i]}" for i in range(n)]
    return tuple(Choice(place, i, label) for i, label in enumerate(labels))


def _star_names(hdu: Any, n: int) -> list[str] | None:
    if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU) or hdu.data is None or len(hdu.data) != n:
        return None
    column = next((c for c in hdu.columns.names if c.upper() in _NAMES), None)
    return None if column is None else [str(v).strip()[:40] for v in hdu.data.field(column)]


def choose(hdus: list[Any], name: str, hdu: int | None, row: int | None) -> list[Any]:
    """HDUs to read: the primary header and the extension and row of the choice, or all where none was made.

    Raises SpectrumError, with what is there, where the extension or row does not exist or several spectra leave a choice.
    """
    if hdu is None and row is None:
        require_choice(choices_in(hdus), name)
        return hdus
    if hdu is not None:
        if not 0 <= hdu < len(hdus):
            raise SpectrumError(
                f"{name} has extensions 0 to {len(hdus) - 1}; there is no {hdu}. It holds {_contents(hdus)}."
            )
        if hdus[hdu].data is None:
            raise SpectrumError(f"Extension {hdu} of {name} is empty; it holds {_contents(hdus)}.")
        if row is None:
            selected = [hdus[hdu]] if hdu == 0 else [_header_alone(hdus[0]), hdus[hdu]]
            require_choice(choices_in(selected), name)
            return selected
    place = hdu if hdu is not None else _place_of_rows(hdus)
    if place is None:
        raise SpectrumError(f"{name} has no rows to choose from; it holds {_contents(hdus)}.")
    assert row is not None
    return _with_row(hdus, place, row, name)


def _place_of_rows(hdus: list[Any]) -> int | None:
    tables = [i for i, h in enumerate(hdus) if table_columns(h) is not None]
    return tables[0] if tables else next((i for i, h in enumerate(hdus) if _stack(h)), None)


def _with_row(hdus: list[Any], place: int, row: int, name: str) -> list[Any]:
    """HDU at `place` cut to one row, and images of its shape (errors, wavelengths) with it; empty and other HDUs stay."""
    selected = hdus[place]
    if np.ndim(selected.data) == 0 or not 0 <= row < len(selected.data):
        raise SpectrumError(f"{name} has rows 0 to {len(selected.data) - 1}; there is no {row}.")
    if not selected.is_image:
        roles = table_columns(selected) or {}
        if np.size(selected.data.field(roles["flux"])[0]) == 1:
            raise SpectrumError(f"The rows of the table in {name} are the pixels of one spectrum; leave the row out.")
        return [_header_alone(hdus[0]), fits.BinTableHDU(selected.data[row : row + 1], selected.header)]
    shape = np.shape(selected.data)
    like = [h for h in hdus if h is not selected and h.is_image and h.data is not None and np.shape(h.data) == shape]
    first = fits.PrimaryHDU(np.array(selected.data[row]), selected.header)
    return [first, *(fits.ImageHDU(np.array(h.data[row]), h.header, name=h.name) for h in like)]


def _header_alone(primary: Any) -> fits.PrimaryHDU:
    """Primary header without its data."""
    alone = fits.PrimaryHDU()
    structure = ("SIMPLE", "BITPIX", "EXTEND", "XTENSION", "PCOUNT", "GCOUNT", "CHECKSUM", "DATASUM")
    for card in primary.header.cards:
        if not card.keyword.startswith("NAXIS") and card.keyword not in (*structure, "COMMENT", "HISTORY", ""):
            alone.header[card.keyword] = card.value
    return alone


def _contents(hdus: list[Any]) -> str:
    descriptions = []
    for i, h in enumerate(hdus):
        label = f" {h.name}" if h.name and h.name != "PRIMARY" else ""
        if h.data is not None:
            what = (
                f"a table of {len(h.data)} rows"
                if table_columns(h) is not None
                else f"data of shape {np.shape(h.data)}"
            )
            descriptions.append(f"{i}{label}: {what}")
    more = f" and {len(descriptions) - 8} more" if len(descriptions) > 8 else ""
    return "; ".join(descriptions[:8]) + more if descriptions else "no data"


def _stack(hdu: Any) -> bool:
    """Whether an image holds rows over one wavelength axis of its header."""
    return bool(
        hdu.is_image
        and hdu.data is not None
        and hdu.data.ndim == 2
        and len(hdu.data) > 1
        and "CRVAL1" in hdu.header
        and ("CDELT1" in hdu.header or "CD1_1" in hdu.header)
        and not is_multispec(hdu.header)
    )
