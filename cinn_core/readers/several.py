"""FITS files that hold more than one spectrum, of which one has to be chosen, or too many pixels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from .arrays import array_choices, groups_in, is_arrays
from .columns import star_tables, table_columns
from .common import Choice, Naming, repeats, require_choice, wavelength_range
from .headers import number
from .image import first_image, holds_bands, images_in, spectra_apart, wavelength_axis
from .iraf import aperture_axes, is_makee, is_multispec
from .planes import FEWEST_PIXELS
from .roles import Role, is_sky, role_of
from .table import fibres_of, named_tables, range_of

_NAMES = ("TARGNAME", "OBJECT", "NAME", "TARGET", "STAR", "CNAME", "SOBJECT_ID")
"""Columns that name the star of each row."""


MAX_ELEMENTS = 30_000_000
"""Largest number of values in one file that is read; a spectrum of 100 orders has a million."""

MAX_PIXELS = 3_000_000
"""Largest number of pixels along one axis; the finest echelle spectrum of the whole optical has a million."""


def require_modest(hdus: list[Any], name: str) -> None:
    """Raise SpectrumError, from the headers alone, for a file whose HDUs, alone or together, are larger than any spectrum."""
    total = 0
    for i, hdu in enumerate(hdus):
        header = hdu.header
        sides = [int(header.get(f"NAXIS{k + 1}", 0)) for k in range(int(header.get("NAXIS", 0)))]
        if min(sides, default=0) < 0:  # numpy divides by the size of a row where a table has no columns, and dies
            raise SpectrumError(
                f"{name} is a damaged FITS file (extension {i} has {' x '.join(map(str, sides))} values by its header); fetch it again."
            )
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
    choices = _table_choices(hdus)
    if choices is not None:
        return choices
    if is_arrays(hdus):
        return _named_rows(hdus, array_choices(hdus))
    image = first_image(hdus)
    if image is not None and is_multispec(image.header):
        return _apertures(hdus, image)
    apart = spectra_apart(images_in(hdus))
    if len(apart) > 1 and repeats([wavelength_range(wavelength_axis(h.header, h.data.size, h.name)[0]) for h in apart]):
        return tuple(Choice(place, None, f"{place} {h.name}".strip()) for h in apart for place in [hdus.index(h)])
    if image is not None and _stack(image) and not holds_bands(image):
        place = hdus.index(image)
        return _named_rows(hdus, tuple(Choice(place, i, f"row {i}") for i in range(len(image.data))))
    return ()


def _apertures(hdus: list[Any], image: Any) -> tuple[Choice, ...]:
    """Apertures of an IRAF multispec image where they are stars over the same wavelengths, not orders; none where they are orders."""
    n = image.data.shape[-2] if image.data.ndim > 1 else 1
    axes = aperture_axes(image.header, n, image.data.shape[-1])
    if sum(axis is not None for axis in axes) < 2 or not repeats(
        [wavelength_range(a) for a in axes[:50] if a is not None]
    ):
        return ()
    place = hdus.index(image)
    return _named_rows(hdus, tuple(Choice(place, i, f"row {i}") for i in range(n)))


def _table_choices(hdus: list[Any]) -> tuple[Choice, ...] | None:
    """Tables, fibres or rows among which one has to choose, none where the file holds one spectrum; None without tables."""
    tables = [(i, roles) for i, roles in star_tables(hdus) if len(hdus[i].data)]
    if not tables:
        return None
    if len(tables) > 1:
        objects = [_object_of(hdus[i].name) for i, _ in tables]
        ranges = [range_of(hdus[i], roles) for i, roles in tables]
        firsts = [t for j, t in enumerate(tables) if objects[j] not in objects[:j]]
        if 1 < len(firsts) < len(tables) and repeats(ranges):
            return tuple(Choice(i, None, f"{i} {_object_of(hdus[i].name)}") for i, _ in firsts)
        return tuple(Choice(i, None, f"{i} {hdus[i].name}".strip()) for i, _ in tables) if repeats(ranges) else ()
    place, roles = tables[0]
    hdu = hdus[place]
    if (found := fibres_of(hdu, roles, hdus[0].header)) is not None:
        return tuple(Choice(place, i, f"fibre {f}") for i, f in enumerate(found[0])) if len(found[0]) > 1 else ()
    return _rows_of_stars(hdus, hdu, roles)


def _rows_of_stars(hdus: list[Any], hdu: Any, roles: dict[str, int]) -> tuple[Choice, ...]:
    """Rows of a table that are each a star over the same wavelengths; none where they are pixels or orders."""
    place, wave = hdus.index(hdu), hdu.data.field(roles["wave"])
    if (
        len(wave) > 1
        and (wave.dtype == object or (np.ndim(wave) == 2 and wave.shape[1] >= FEWEST_PIXELS))
        and repeats([wavelength_range(w) for w in wave[:50]])
    ):
        names = _star_names(hdus, len(wave))
        return tuple(
            Choice(place, i, f"row {i}" if names is None else f"row {i}: {names[i]}") for i in range(len(wave))
        )
    return ()


def _fibre_rows(hdu: Any, row: int, primary: Any) -> NDArray | None:
    """Rows (n,) bool of the fibre that a choice counts; None where the rows of a table are not those of fibres."""
    roles = table_columns(hdu)
    found = None if roles is None else fibres_of(hdu, roles, primary)
    return None if found is None or not 0 <= row < len(found[0]) else found[1] == found[0][row]


def _object_of(name: str) -> str:
    """Name of an extension without the order it holds: what the orders of one star have in common."""
    return re.sub(r"[-_ ]?(order|ord)[-_ ]?\d+", "", name, flags=re.IGNORECASE)


def _star_names(hdus: list[Any], n: int) -> list[str] | None:
    """Names of n stars from a column of as many rows in any table, or from the keywords APIDn of IRAF; None where there is none."""
    for hdu in hdus:
        if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU) or hdu.data is None or len(hdu.data) != n:
            continue
        column = next((c for c in hdu.columns.names if c.upper() in _NAMES), None)
        if column is not None:
            return [str(v).strip()[:40] for v in hdu.data.field(column)]
    image = first_image(hdus)
    names = (
        [] if image is None else [str(image.header.get(f"APID{i + 1}", "")).strip()[:40] for i in range(min(n, 1000))]
    )
    return names if n > 1 and len(names) == n and all(names) else None


def _named_rows(hdus: list[Any], choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Choices of rows called by the star where a column of names as long is there."""
    names = _star_names(hdus, len(choices)) if choices and choices[0].row is not None else None
    if names is None:
        return choices
    return tuple(Choice(c.hdu, c.row, f"{c.label}: {n}") for c, n in zip(choices, names, strict=True))


def only_star(hdus: list[Any]) -> Choice | None:
    """The only choice left once the rows whose names say sky are put aside; None where it is not one."""
    choices = choices_in(hdus)
    stars = [c for c in choices if not is_sky(c.label.partition(": ")[2])]
    return stars[0] if len(stars) == 1 < len(choices) else None


def choose(hdus: list[Any], name: str, hdu: int | None, row: int | None) -> list[Any]:
    """HDUs to read: the primary header and the extension and row of the choice, or all where none was made.

    Raises SpectrumError, with what is there, where the extension or row does not exist or several spectra leave a choice.
    """
    if hdu is None and row is None:
        choices = choices_in(hdus)
        if (star := only_star(hdus)) is not None and star.row is not None and star.hdu is not None:
            return _with_row(hdus, star.hdu, star.row, name)
        require_choice(choices, name)
        return hdus
    if hdu is not None:
        if not 0 <= hdu < len(hdus):
            raise SpectrumError(
                f"{name} has extensions 0 to {len(hdus) - 1}; there is no {hdu}. It holds {_contents(hdus)}."
            )
        if hdus[hdu].data is None:
            raise SpectrumError(f"Extension {hdu} of {name} is empty; it holds {_contents(hdus)}.")
        if row is None:
            if (together := _with_hdu(hdus, hdu)) is not None:
                require_choice(choices_in(together), name)
                return together
            selected = [hdus[hdu]] if hdu == 0 else [_header_alone(hdus[0]), hdus[hdu]]
            require_choice(choices_in(selected), name)
            return selected
    place = hdu if hdu is not None else _place_of_rows(hdus)
    if place is None:
        raise SpectrumError(f"{name} has no rows to choose from; it holds {_contents(hdus)}.")
    assert row is not None
    return _with_row(hdus, place, row, name)


def choices_for_names(hdus: list[Any], naming: Naming, name: str = "the file") -> tuple[Choice, ...]:
    """Tables, or rows of one, that each hold a spectrum of one range in the columns that a person names; none where there is one."""
    tables = named_tables(hdus, naming, name)
    if len(tables) > 1:
        places = [hdus.index(h) for h, _ in tables]
        ranges = [range_of(h, roles) for h, roles in tables]
        return tuple(Choice(i, None, f"{i} {hdus[i].name}".strip()) for i in places) if repeats(ranges) else ()
    return _rows_of_stars(hdus, *tables[0]) if tables and naming.order is None else ()


def chosen_for_names(hdus: list[Any], name: str, naming: Naming, hdu: int | None, row: int | None) -> list[Any]:
    """HDUs among whose arrays a person names some: all, or those of one extension, or one row of it.

    Raises SpectrumError where these names are those of several stars.
    """
    if row is None:
        require_choice(choices_for_names(hdus if hdu is None else hdus[hdu : hdu + 1], naming, name), name)
    if hdu is None and row is None:
        return hdus
    if hdu is not None and (not 0 <= hdu < len(hdus) or hdus[hdu].data is None):
        raise SpectrumError(f"{name} has no data in extension {hdu}; it holds {_contents(hdus)}.")
    place = hdu if hdu is not None else next((i for i, h in enumerate(hdus) if h.data is not None), 0)
    if row is None:
        return [_header_alone(hdus[0]), hdus[place]]
    selected = hdus[place]
    if np.ndim(selected.data) == 0 or not 0 <= row < len(selected.data):
        raise SpectrumError(f"{name} has rows 0 to {np.size(selected.data) - 1}; there is no {row}.")
    if selected.is_image:
        return _with_row(hdus, place, row, name)
    return [_header_alone(hdus[0]), fits.BinTableHDU(selected.data[row : row + 1], selected.header)]


def _with_hdu(hdus: list[Any], place: int) -> list[Any] | None:
    """The extension at `place` with those that belong to its spectrum: the orders of its object, or its wavelengths and errors."""
    if table_columns(hdus[place]) is not None:
        own = _object_of(hdus[place].name)
        like = [h for h in hdus if table_columns(h) is not None and _object_of(h.name) == own]
        return [_header_alone(hdus[0]), *like] if len(like) > 1 and own != hdus[place].name else None
    if hdus[place].is_image and np.ndim(hdus[place].data) == 1 and "CRVAL1" in hdus[place].header:
        alike = [h for h in images_in(hdus) if h.name == hdus[place].name]
        beside = _companions(hdus, hdus[place], alike.index(hdus[place])) if len(alike) > 1 else []
        return [*([] if place == 0 else [_header_alone(hdus[0])]), hdus[place], *beside] if beside else None
    if not is_arrays(hdus) or not any(g.flux.place == place for g in groups_in(hdus)):
        return None
    names = [str(h.name) if h.is_image else "" for h in hdus]
    alike = [[i for i, n in enumerate(names) if n == name] for name in names]
    exposure = alike[place].index(place)
    fluxes = {g.flux.place for g in groups_in(hdus)} - {place}
    if len(alike[place]) > 1:  # exposures under the same names: what belongs to the others is left out
        fluxes |= {i for i, n in enumerate(names) if n and len(alike[i]) > exposure and alike[i][exposure] != i}
    rest = [h for i, h in enumerate(hdus) if i not in fluxes and (i > 0 or h.data is not None)]
    first = hdus[0] if place == 0 else _header_alone(hdus[0])
    return [first, *(h for h in rest if h is not hdus[0])]


def _companions(hdus: list[Any], flux: Any, exposure: int) -> list[Any]:
    """Errors and flags of one of several exposures whose extensions bear the same names (EXTVER)."""
    found = []
    for name in dict.fromkeys(str(h.name) for h in images_in(hdus) if role_of(h.name or "") not in (None, Role.FLUX)):
        like = [h for h in images_in(hdus) if h.name == name]
        found += [h for h in like[exposure : exposure + 1] if h.data.size == flux.data.size]
    return found


def _place_of_rows(hdus: list[Any]) -> int | None:
    tables = [i for i, h in enumerate(hdus) if table_columns(h) is not None]
    return tables[0] if tables else next((i for i, h in enumerate(hdus) if _stack(h) or _holds_apertures(h)), None)


def _with_row(hdus: list[Any], place: int, row: int, name: str) -> list[Any]:
    """HDU at `place` cut to one row, and images of its shape (errors, wavelengths) with it; empty and other HDUs stay."""
    selected = hdus[place]
    rows = (
        np.shape(selected.data)[-2]
        if np.ndim(selected.data) == 3
        else np.size(selected.data, 0)
        if np.ndim(selected.data)
        else 0
    )
    if not 0 <= row < rows:
        raise SpectrumError(f"{name} has rows 0 to {rows - 1}; there is no {row}.")
    if not selected.is_image:
        roles = table_columns(selected) or {}
        fibre = _fibre_rows(selected, row, hdus[0].header)
        if fibre is not None:
            return [_header_alone(hdus[0]), fits.BinTableHDU(selected.data[fibre], selected.header)]
        if np.size(selected.data.field(roles["flux"])[0]) == 1:
            raise SpectrumError(f"The rows of the table in {name} are the pixels of one spectrum; leave the row out.")
        return [_header_alone(hdus[0]), fits.BinTableHDU(selected.data[row : row + 1], selected.header)]
    if _holds_apertures(selected):
        return [_header_alone(hdus[0]), _aperture(selected, row)]
    shape = np.shape(selected.data)
    like = [
        h for h in hdus
        if h is not selected and h.is_image and h.data is not None and np.shape(h.data) == shape and not _of_its_own(h)
    ]  # fmt: skip
    one_axis = [
        h for h in hdus if h is not selected and h.is_image and h.data is not None and np.shape(h.data) == shape[-1:]
    ]
    first = fits.PrimaryHDU(np.array(selected.data[row]), selected.header)
    if selected.name and selected.name != "PRIMARY":
        first.header["EXTNAME"] = selected.name
    names = _star_names(hdus, len(selected.data))
    if names is not None:
        first.header["OBJECT"] = names[row]
    return [
        first,
        *(fits.ImageHDU(np.array(h.data[row]), h.header, name=h.name) for h in like),
        *(fits.ImageHDU(np.array(h.data), h.header, name=h.name) for h in one_axis),
    ]


def _of_its_own(hdu: Any) -> bool:
    """Whether an image is a spectrum beside another one, not what belongs to it: it has a wavelength axis, and no name of an error."""
    return "CRVAL1" in hdu.header and role_of(hdu.name or "") is Role.FLUX


def _aperture(image: Any, row: int) -> fits.ImageHDU:
    """One aperture of an IRAF multispec image, all its bands, with its place among the functions of the header (LTV2)."""
    cut = fits.ImageHDU(np.array(image.data[..., row : row + 1, :]), image.header, name=image.name)
    cut.header["LTV2"] = (number(image.header, "LTV2") or 0.0) - row
    if (name := str(image.header.get(f"APID{row + 1}", "")).strip()) != "":
        cut.header["OBJECT"] = name
    return cut


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


def _holds_apertures(hdu: Any) -> bool:
    return bool(hdu.is_image and hdu.data is not None and hdu.data.ndim > 1 and is_multispec(hdu.header))


def _stack(hdu: Any) -> bool:
    """Whether an image holds rows over one wavelength axis of its header, which is no count of pixels."""
    if not (hdu.is_image and hdu.data is not None and hdu.data.ndim == 2 and len(hdu.data) > 1):
        return False
    if "CRVAL1" not in hdu.header or is_multispec(hdu.header) or is_makee(hdu.header):
        return False
    try:
        wavelength_axis(hdu.header, hdu.data.shape[1], "the image")
    except SpectrumError:
        return False
    return True
