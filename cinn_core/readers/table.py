"""Spectra stored as a FITS table: one row of vectors (ESO phase 3, 4MOST level 1), one row a pixel, or one row an order."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Medium, Step
from .columns import arms_in, cells_in, column_names, flux_columns, star_tables
from .common import (
    Contents,
    Naming,
    Pixels,
    Unnamed,
    contents_of,
    error_of,
    missing_pixels,
    to_angstrom,
    wavelength_range,
)
from .headers import number, star_name
from .media import medium_of, medium_of_name
from .orders import join_parts, merge_orders
from .planes import FEWEST_PIXELS, good_by_flags
from .roles import (
    Role,
    is_fibre,
    is_lamp,
    is_sky,
    listed,
    role_of,
)


def is_table(hdus: list[Any]) -> bool:
    """Whether a table with a wavelength and a flux column is there."""
    return bool(star_tables(hdus))


def read_table(hdus: list[Any], name: str) -> Contents:
    """Read one spectrum from the table with wavelengths and fluxes, or from several, one an arm or an order.

    Raises Unnamed where a table holds several columns that could be the star's flux.
    """
    tables = [(hdus[i], arm) for i, roles in star_tables(hdus) for arm in arms_in(hdus[i]) or [roles]]
    for hdu, roles in tables[:1]:
        _require_one_flux(hdu, roles, name)
    read = [_one_table(hdu, roles, name, hdus[0].header) for hdu, roles in tables]
    pixels, steps = read[0]
    if len(read) > 1:
        steps = [step for _, own in read for step in own]
        pixels, step = join_parts([part for part, _ in read])
        steps.append(step)
    hdu, roles = tables[0]
    headers = [hdus[0].header, hdu.header]
    error = roles.get("error", roles.get("ivar", roles.get("variance")))
    vectors = len(hdu.data) == 1 or np.size(hdu.data.field(roles["wave"])) > len(hdu.data)
    return contents_of(
        pixels,
        "FITS vector table" if vectors else "FITS column table",
        headers,
        name,
        steps,
        error_from=f"column {'' if error is None else hdu.columns[error].name}",
        medium=_medium(hdu, roles["wave"], headers),
        star=_cell_name(hdu) or star_name(headers[::-1], name),
    )


def _one_table(hdu: Any, roles: dict[str, int], name: str, primary: Any) -> tuple[Pixels, list[Step]]:
    """Pixels of one table, its orders joined, and the ledger's entries."""
    n_rows = len(hdu.data)
    if n_rows == 0:
        raise SpectrumError(f"The table in {name} has no rows; there is no spectrum to read.")
    rows, steps = _science_rows(hdu, roles, primary)
    columns = {role: _orders_of(hdu, index, rows) for role, index in roles.items()}
    sizes = {role: sum(v.size for v in parts) for role, parts in columns.items()}
    if len(set(sizes.values())) > 1 or len({len(parts) for parts in columns.values()}) > 1:
        said = ", ".join(f"{role} {n}" for role, n in sizes.items())
        raise SpectrumError(
            f"The columns of the table in {name} differ in length ({said}); a spectrum needs one of each a pixel."
        )
    names = {role: str(hdu.columns[i].name) for role, i in roles.items()}
    orders = len(columns["wave"])
    layout = "one row of vectors" if n_rows == 1 else "one row an order" if orders > 1 else "one row a pixel"
    if n_rows == 1 and orders > 1:
        layout = "one row, orders by the dimensions of its cells"
    steps.insert(
        0,
        Step(
            "format", f"FITS table, {layout}", {"pixels": sizes["wave"], **{f"{r}_column": c for r, c in names.items()}}
        ),
    )
    flat = {role: np.concatenate(parts) for role, parts in columns.items()}
    wave = flat["wave"]
    if re.match(r"^log", names["wave"].lower()) and 3.3 < np.nanmin(wave) and np.nanmax(wave) < 4.45:
        wave = 10.0**wave
    wavelength, step = to_angstrom(wave, hdu.columns[roles["wave"]].unit, f"column {names['wave']}")
    steps.append(step)
    flux, error = flat["flux"], _error(flat)
    good = ~missing_pixels(flux)
    if (flag := "good" if "good" in flat else "flag" if "flag" in flat else None) is not None:
        clear, step = good_by_flags(flat[flag], Role(flag), names[flag], flux, error)
        good &= clear
        steps.append(step)
    pixels = Pixels(wavelength, flux, error, good)
    if "order" in flat:
        place = np.argsort(flat["order"], kind="stable")
        cuts = np.flatnonzero(np.diff(flat["order"][place])) + 1
        ordered = Pixels(wavelength[place], flux[place], None if error is None else error[place], good[place])
        pixels, step = merge_orders(_cut(ordered, np.diff([0, *cuts, place.size]).tolist()))
        steps.append(step)
    elif orders > 1:
        pixels, step = merge_orders(_cut(pixels, [v.size for v in columns["wave"]]))
        steps.append(step)
    return pixels, steps


def named_table(hdus: list[Any], naming: Naming, name: str) -> Contents | None:
    """Read the columns that a person names, of every table that has them: orders or arms; None where no table has them."""
    tables = named_tables(hdus, naming, name)
    if not tables:
        return None
    read = [_one_table(hdu, _typed(hdu, roles), name, hdus[0].header) for hdu, roles in tables]
    pixels, steps = read[0]
    if len(read) > 1:
        pixels, step = join_parts([part for part, _ in read])
        steps.append(step)
    hdu, roles = tables[0]
    headers = [hdus[0].header, hdu.header]
    return contents_of(
        pixels, "FITS table, columns named", headers, name, steps, error_from=f"column {naming.error}",
        medium=_medium(hdu, roles["wave"], headers), star=_cell_name(hdu) or star_name(headers[::-1], name),
    )  # fmt: skip


def named_tables(hdus: list[Any], naming: Naming, name: str) -> list[tuple[Any, dict[str, int]]]:
    """Tables that have the columns that a person names, and these by role. Raises SpectrumError for one that lacks some of them."""
    wanted = {"wave": naming.wave, "flux": naming.flux, "error": naming.error, "order": naming.order}
    tables = []
    for hdu in hdus:
        if hdu.is_image or hdu.data is None or not len(hdu.data):
            continue
        names = [str(c.name or f"column {i}") for i, c in enumerate(hdu.columns)]
        low = {**{n.lower(): i for i, n in reversed(list(enumerate(names)))}}
        low |= {f"{hdu.name or hdus.index(hdu)}.{n}".lower(): i for n, i in list(low.items())}
        found = {role: low.get(n.strip().lower()) for role, n in wanted.items() if n}
        if found.get("wave") is not None or found.get("flux") is not None:
            if missing := [wanted[role] for role, i in found.items() if i is None]:
                raise SpectrumError(f"The table of {name} has no column {missing[0]}; it has {listed(names)}.")
            tables.append((hdu, {role: i for role, i in found.items() if i is not None}))
    return tables


def _typed(hdu: Any, roles: dict[str, int]) -> dict[str, int]:
    """Roles with the error under what its name says it is: an error, a variance or an inverse variance."""
    error = roles.get("error")
    kind = None if error is None else role_of(str(hdu.columns[error].name))
    if error is None or kind not in (Role.IVAR, Role.VARIANCE):
        return roles
    return {k: v for k, v in roles.items() if k != "error"} | {str(kind): error}


def _error(columns: dict[str, NDArray]) -> NDArray | None:
    if "error" in columns:
        return columns["error"]
    if "ivar" in columns:
        return error_of(columns["ivar"])
    if "variance" in columns:
        with np.errstate(invalid="ignore", divide="ignore"):
            return error_of(1 / columns["variance"])
    return None


def _cut(pixels: Pixels, sizes: list[int]) -> list[Pixels]:
    """Pixels of each of the orders that follow each other."""
    at = np.cumsum(sizes)[:-1]
    wave, flux, good = (np.split(a, at) for a in (pixels.wavelength, pixels.flux, pixels.good))
    error = [None] * len(sizes) if pixels.error is None else np.split(pixels.error, at)
    return [Pixels(*one) for one in zip(wave, flux, error, good, strict=True)]


def _require_one_flux(hdu: Any, roles: dict[str, int], name: str) -> None:
    """Raise Unnamed where several columns could be the star's."""
    names = [str(c.name or "") for c in hdu.columns]
    able = [i for i in flux_columns(hdu) if cells_in(hdu, i) == cells_in(hdu, roles["flux"])]
    if len(able) > 1 and not arms_in(hdu) and not any(hdu.header.get(f"TUTYP{i + 1}") for i in range(len(names))):
        several = listed([names[i] for i in able])
        raise Unnamed(
            f"{name} holds several columns that could be the star's flux ({several}); choose one with "
            f"--wave {names[roles['wave']]} --flux NAME.",
            tuple(column_names(hdu)),
        )


def _orders_of(hdu: Any, index: int, rows: NDArray | None) -> list[NDArray]:
    """Values of a column order by order: rows of vectors, cells of two dimensions (pixels, orders), or one row a pixel."""
    try:
        field = hdu.data.field(index)
        if rows is not None:
            field = field[rows]
        if field.dtype == object:
            return [np.asarray(cell, float).ravel() for cell in field if np.size(cell)]
        values = np.asarray(field, float)
    except (TypeError, ValueError) as problem:
        raise SpectrumError(f"Column {hdu.columns[index].name} of the table is not numeric.") from problem
    if values.ndim == 1 or values.size == len(values):
        return [values.ravel()]
    orders = values.reshape(-1, values.shape[-1])
    return list(orders.T if orders.shape[1] < FEWEST_PIXELS <= orders.shape[0] else orders)


def _fibre_column(hdu: Any, n: int) -> NDArray | None:
    """Fibre of each of n rows by a column that names it, as text; None where there is none or it is the same for all."""
    for column in hdu.columns:
        if is_fibre(str(column.name)) and np.ndim(hdu.data.field(column.name)) == 1:
            values = np.array([str(v).strip() for v in hdu.data.field(column.name)])
            if len(values) == n and len(set(values)) > 1:
                return values
    return None


def fibres_of(hdu: Any, roles: dict[str, int], primary: Any) -> tuple[list[str], NDArray] | None:
    """Fibres that could be the star, and the fibre of each row; None where the rows are no fibres' orders."""
    if len(hdu.data) < 2:
        return None
    of_row = _fibre_column(hdu, len(hdu.data))
    if of_row is None:
        return None
    names = list(dict.fromkeys(of_row))
    if (2 if cells_in(hdu, roles["wave"]) != 1 else FEWEST_PIXELS) * len(names) > len(of_row):
        return None  # rows of their own, not orders
    science = next(
        (str(h[k]).strip() for h in (hdu.header, primary) for k in ("SCIFIBER", "SCIFIBRE", "SCIFIB") if k in h), None
    )
    if science is not None and (
        told := [f for f in names if f == science or (_whole(f) and _whole(f) == _whole(science))]
    ):
        return told, of_row
    return [f for f in names if not is_sky(f) and not is_lamp(f)] or names, of_row


def _whole(text: str) -> str:
    """A whole number as its digits, whatever its notation; empty for other texts."""
    value = number({"": text}, "")
    return "" if value is None else f"{value:g}"


def _science_rows(hdu: Any, roles: dict[str, int], primary: Any) -> tuple[NDArray | None, list[Step]]:
    """Rows of the star's fibre where a table holds orders of several, and the ledger's entry."""
    found = fibres_of(hdu, roles, primary)
    if found is None or len(found[0]) != 1:
        return None, []
    return found[1] == found[0][0], [
        Step("fibre", f"of the fibres {listed(sorted(set(found[1])))} the rows of {found[0][0]} are the star")
    ]


def range_of(hdu: Any, roles: dict[str, int]) -> tuple[float, float]:
    field = hdu.data.field(roles["wave"])
    return wavelength_range(np.concatenate([np.ravel(c) for c in field]) if field.dtype == object else field)


def _cell_name(hdu: Any) -> str:
    """Name of the star from a NAME or OBJECT column of a one-row table, else empty."""
    for column in hdu.columns:
        if len(hdu.data) == 1 and str(column.name).upper() in ("NAME", "OBJECT") and "A" in str(column.format):
            return str(hdu.data.field(column.name)[0]).strip()
    return ""


def _medium(hdu: Any, wave: int, headers: list[Any]) -> tuple[Medium, tuple[Step, ...]]:
    """Medium by ESO's rule: UCD em.wl;obs.atmos is air, a bare em.wl vacuum; else the column's name, else the header."""
    ucd = str(hdu.header.get(f"TUCD{wave + 1}", "")).lower().replace(" ", "")
    if ucd.startswith("em.wl"):
        medium = Medium.AIR if "obs.atmos" in ucd else Medium.VACUUM
        return medium, (Step("medium", f"UCD {ucd} of the wavelength column: {medium.value} (ESO phase 3)"),)
    return medium_of_name(str(hdu.columns[wave].name), "column") or medium_of(headers)
