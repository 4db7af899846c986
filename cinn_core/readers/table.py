"""Spectra stored as a FITS table: one row of vectors (ESO phase 3, 4MOST level 1) or one row a pixel."""

from __future__ import annotations

import re

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Medium, Step
from .common import Contents, Pixels, contents_of, error_of, missing_pixels, star_name, to_angstrom
from .media import medium_of
from .orders import join_parts, merge_orders

WAVE = r"^((wave|wavelength|lambda)(_air|_vac)?|wav|wavelengths|lam|wl|ll|waveobs|awav|loglam|log_lambda)$"
FLUX = r"^(flux|spec|flx|intensity|norm_flux|flux_norm|normalized_flux|normalised_flux|nflux|spectrum|counts)$"
ERROR = r"^(err|error|sigma|uflux|eflux|e_flux|err_flux|error_flux|flux_err|flux_error|sig|noise|uncertainty|stdev|fluxerr)$"
IVAR = r"^(ivar|inv_var|invvar|inverse_variance)$"
FLAG = r"^(qual|quality|dq|mask|flag|flags|and_mask|badpix)$"


def is_table(hdus: list[fits.PrimaryHDU]) -> bool:
    """Whether a table with a wavelength and a flux column is there."""
    return any(table_columns(hdu) is not None for hdu in hdus)


def read_table(hdus: list[fits.PrimaryHDU], name: str) -> Contents:
    """Read one spectrum from the table with wavelengths and fluxes, or from several, one an arm."""
    tables = [(h, c) for h in hdus if (c := table_columns(h)) is not None]
    read = [_one_table(hdu, roles, name) for hdu, roles in tables]
    pixels, steps = read[0]
    if len(read) > 1:
        steps = [step for _, own in read for step in own]
        pixels, step = join_parts([part for part, _ in read])
        steps.append(step)
    hdu, roles = tables[0]
    headers = [hdus[0].header, hdu.header]
    error = roles.get("error", roles.get("ivar"))
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


def _one_table(hdu: fits.BinTableHDU, roles: dict[str, int], name: str) -> tuple[Pixels, list[Step]]:
    """Pixels of one table, orders in its rows joined, and the ledger's entries."""
    n_rows = len(hdu.data)
    if n_rows == 0:
        raise SpectrumError(f"The table in {name} has no rows; there is no spectrum to read.")
    columns = {role: _vector(hdu, index) for role, index in roles.items()}
    lengths = {role: v.size for role, v in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{role} {n}" for role, n in lengths.items())
        raise SpectrumError(
            f"The columns of the table in {name} differ in length ({said}); a spectrum needs one of each a pixel."
        )
    names = {role: str(hdu.columns[i].name) for role, i in roles.items()}
    orders = n_rows > 1 and lengths["wave"] > n_rows
    layout = "one row of vectors" if n_rows == 1 else "one row an order" if orders else "one row a pixel"
    steps = [
        Step(
            "format",
            f"FITS table, {layout}",
            {"pixels": lengths["wave"], **{f"{r}_column": c for r, c in names.items()}},
        )
    ]
    wave = columns["wave"]
    if re.match(r"^log", names["wave"].lower()):
        wave = 10.0**wave
    wavelength, step = to_angstrom(wave, hdu.columns[roles["wave"]].unit, f"column {names['wave']}")
    steps.append(step)
    flux = columns["flux"]
    good = ~missing_pixels(flux)
    if "flag" in columns:
        clear = columns["flag"] == 0
        good &= clear if clear.mean() > 0.2 else ~clear
        meaning = "0 is good" if clear.mean() > 0.2 else "0 for hardly a pixel, so not 0 is good"
        steps.append(Step("flag column", f"column {names['flag']}: {meaning}", {"zero_fraction": float(clear.mean())}))
    pixels = Pixels(wavelength, flux, _error(columns), good)
    if orders:
        pixels, step = merge_orders(_rows(pixels, n_rows))
        steps.append(step)
    return pixels, steps


def _error(columns: dict[str, NDArray]) -> NDArray | None:
    if "error" in columns or "ivar" not in columns:
        return columns.get("error")
    return error_of(columns["ivar"])


def _rows(pixels: Pixels, n: int) -> list[Pixels]:
    """Pixels of each of n rows that follow each other."""
    parts = [a if a is None else a.reshape(n, -1) for a in (pixels.wavelength, pixels.flux, pixels.error, pixels.good)]
    wave, flux, error, good = parts
    assert wave is not None
    assert flux is not None
    assert good is not None
    return [Pixels(wave[i], flux[i], None if error is None else error[i], good[i]) for i in range(n)]


def table_columns(hdu: fits.hdu.base._BaseHDU) -> dict[str, int] | None:
    """Column index of wave, flux and, where present, error, ivar, flag; by TUTYPE where given, else by name."""
    if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU) or hdu.data is None:
        return None
    n = len(hdu.columns)
    types = [str(hdu.header.get(f"TUTYP{i + 1}", "")) for i in range(n)]
    names = [str(c.name or "").lower().replace(" ", "_") for c in hdu.columns]
    roles = _by_utype(types)
    for role, pattern in (("wave", WAVE), ("flux", FLUX), ("error", ERROR), ("ivar", IVAR), ("flag", FLAG)):
        if role in roles or (role in ("error", "ivar") and "flux" in roles and any(types)):
            continue
        match = [
            i
            for i in range(n)
            if re.match(pattern, names[i]) and hdu.columns[i].format.strip("0123456789()")[:1] not in "A"
        ]
        if match:
            roles[role] = min(match, key=lambda i: not names[i].endswith(("_air", "_vac")))  # the one that says which
    return roles if {"wave", "flux"} <= set(roles) else None


def _by_utype(types: list[str]) -> dict[str, int]:
    """Roles by VO data model (TUTYPn): wavelength, flux, and the error of the flux's own namespace; `spec:` first."""
    low = [t.lower() for t in types]

    def find(ending: str, namespace: str | None = None) -> int | None:
        hits = [
            i for i, t in enumerate(low) if t.endswith(ending) and (namespace is None or t.split(":")[0] == namespace)
        ]
        return min(hits, key=lambda i: not low[i].startswith("spec:")) if hits else None

    wave, flux = find("data.spectralaxis.value"), find("data.fluxaxis.value")
    if wave is None or flux is None:
        return {}
    roles = {"wave": wave, "flux": flux}
    namespace = low[flux].split(":")[0]
    for role, ending in (
        ("error", "data.fluxaxis.accuracy.staterror"),
        ("flag", "data.fluxaxis.accuracy.qualitystatus"),
    ):
        column = find(ending, namespace)
        if column is not None:
            roles[role] = column
    return roles


def _vector(hdu: fits.BinTableHDU, index: int) -> NDArray:
    try:
        field = hdu.data.field(index)
        values = np.asarray(field[0] if field.dtype == object and len(field) == 1 else field, float).ravel()
    except (TypeError, ValueError) as problem:
        raise SpectrumError(f"Column {hdu.columns[index].name} of the table is not numeric.") from problem
    return values


def _cell_name(hdu: fits.BinTableHDU) -> str:
    """Name of the star from a NAME or OBJECT column of a one-row table, else empty."""
    for column in hdu.columns:
        if len(hdu.data) == 1 and str(column.name).upper() in ("NAME", "OBJECT") and "A" in str(column.format):
            return str(hdu.data.field(column.name)[0]).strip()
    return ""


def _medium(hdu: fits.BinTableHDU, wave: int, headers: list[fits.Header]) -> tuple[Medium, tuple[Step, ...]]:
    """Medium by ESO's rule: UCD em.wl;obs.atmos is air, a bare em.wl vacuum; else the column's name, else the header."""
    ucd = str(hdu.header.get(f"TUCD{wave + 1}", "")).lower().replace(" ", "")
    if ucd.startswith("em.wl"):
        medium = Medium.AIR if "obs.atmos" in ucd else Medium.VACUUM
        return medium, (Step("medium", f"UCD {ucd} of the wavelength column: {medium.value} (ESO phase 3)"),)
    name = str(hdu.columns[wave].name).lower()
    for medium, ending in ((Medium.AIR, "air"), (Medium.VACUUM, "vac")):
        if name.endswith(ending):
            return medium, (Step("medium", f"the wavelength column is called {name}: {medium.value}"),)
    return medium_of(headers)
