"""Spectra stored as FITS images with a wavelength axis in the header, linear or logarithmic: one, its bands, or one extension an order."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Step
from .common import Contents, Pixels, contents_of, missing_pixels, repeats, to_angstrom, wavelength_range
from .headers import number, star_name
from .iraf import drs_orders, is_drs, is_makee, is_multispec, lit, makee_orders, multispec_orders
from .orders import join_parts, merge_orders
from .planes import as_error, error_like, good_by_flags, row_names
from .roles import Role, best_version, is_known, listed, partner, role_of, whose


def is_image(hdus: list[Any]) -> bool:
    """Whether the first image with data is one spectrum with a wavelength axis in its header."""
    hdu = first_image(hdus)
    if hdu is None:
        return False
    shape, header = hdu.data.shape, hdu.header
    if not any(number(header, key) for key in ("CDELT1", "CD1_1")) or number(header, "CRVAL1") is None:
        return False
    return int(np.prod(shape[:-1])) == 1 or (len(shape) == 3 and shape[1] == 1) or holds_bands(hdu)


def holds_bands(hdu: Any) -> bool:
    """Whether a two-dimensional image holds bands (flux, error, sky) of one spectrum over one wavelength axis, not orders or stars.

    Only where its header names the rows, or where it has two and the second is the error of the first by its values.
    """
    if hdu.data.ndim != 2 or "CRVAL1" not in hdu.header or is_multispec(hdu.header):
        return False
    names = row_names(hdu.header, len(hdu.data))
    if names is not None:
        return len(_flux_rows(names)) == 1 or any(f"BANDID{i}" in hdu.header for i in (1, 2))
    return len(hdu.data) == 2 and error_like(np.asarray(hdu.data[0], float), np.asarray(hdu.data[1], float))


def _flux_rows(names: list[str]) -> list[int]:
    return [i for i, name in enumerate(names) if role_of(name) is Role.FLUX]


def has_orders(hdus: list[Any]) -> bool:
    """Whether the file holds several one-dimensional images, each with a wavelength axis of its own."""
    images = images_in(hdus)
    return bool(images) and images[0].data.ndim == 1 and len(spectra_apart(images)) > 1


def read_orders(hdus: list[Any], name: str) -> Contents:
    """Read the orders or arms of one star, each an extension with its own wavelength axis."""
    parts = spectra_apart(images_in(hdus))
    orders = []
    reason = "FITS images, one extension an order, each with its own wavelength axis"
    steps = [Step("format", reason, {"orders": len(parts)})]
    for hdu in parts:
        flux = np.asarray(hdu.data, float).ravel()
        wave, _ = wavelength_axis(hdu.header, flux.size, f"extension {hdu.name}")
        beside = _beside(hdu, parts, hdus)
        error, _ = _sigma(beside, hdu, wave, steps)
        good, flags = _unflagged(beside, flux, error)
        steps += flags
        orders.append(Pixels(wave, flux, error, lit(flux) & good))
    if repeats([wavelength_range(o.wavelength) for o in orders]):
        raise SpectrumError(
            f"{name} holds {len(parts)} spectra over one wavelength axis ({listed([h.name for h in parts])}); choose one with --hdu."
        )
    pixels, step = join_parts(orders)
    steps.append(step)
    headers = [parts[0].header] if parts[0] is hdus[0] else [parts[0].header, hdus[0].header]
    star = re.sub(r"^ORDER:\s*\d+\s*", "", star_name(headers, name))
    return contents_of(
        pixels, "one extension an order", headers, name, steps, error_from="the orders' own errors", star=star
    )


def _beside(hdu: Any, parts: list[Any], hdus: list[Any]) -> list[Any]:
    """Errors and flags that go with one of the spectra apart: those over its axis, of its words where several are."""
    like = [h for h in images_in(hdus) if h not in parts and _axis_of(h) == _axis_of(hdu)]
    roles = [role_of(h.name or "") for h in like]
    found = []
    for wanted in ((Role.ERROR, Role.VARIANCE, Role.IVAR), (Role.FLAG, Role.GOOD)):
        able = [i for i, role in enumerate(roles) if role in wanted]
        at = partner(hdu.name or "", [str(h.name) for h in like], able, alone=True)
        found += [like[i] for i in ([] if at is None else [at])]
    return found


def _axis_of(hdu: Any) -> tuple[float | None, int]:
    start = number(hdu.header, "CRVAL1")
    return None if start is None else round(start, 3), hdu.data.size


def _unflagged(hdus: list[Any], flux: NDArray, error: NDArray | None) -> tuple[NDArray, list[Step]]:
    """Good pixels (n,) bool by the extensions of flags as long as the flux, and the ledger's entries."""
    good, steps = np.ones(flux.size, bool), []
    for hdu in hdus:
        role = role_of(hdu.name or "")
        if role in (Role.FLAG, Role.GOOD) and hdu.is_image and hdu.data is not None and hdu.data.size == flux.size:
            clear, step = good_by_flags(np.asarray(hdu.data).ravel(), role, hdu.name, flux, error)
            good &= clear
            steps.append(step)
    return good, steps


def is_header_orders(hdus: list[Any]) -> bool:
    """Whether the first image holds orders whose wavelengths are functions in its header: IRAF multispec, MAKEE, HARPS."""
    hdu = first_image(hdus)
    if hdu is None or is_multispec(hdu.header):
        return hdu is not None
    return hdu.data.ndim >= 2 and (is_makee(hdu.header) or is_drs(hdu.header))


def read_header_orders(hdus: list[Any], name: str) -> Contents:
    """Read and join the orders of an IRAF multispec image, of MAKEE, or of HARPS and its kin."""
    hdu = first_image(hdus)
    assert hdu is not None
    kind, orders_of = "IRAF multispec", multispec_orders
    if not is_multispec(hdu.header):
        kind, orders_of = ("MAKEE orders", makee_orders) if is_makee(hdu.header) else ("e2ds orders", drs_orders)
    orders, steps = orders_of(hdu, name)
    pixels, step = join_parts(orders) if hdu.data.ndim == 1 else merge_orders(orders)
    headers = [hdu.header] if hdu is hdus[0] else [hdu.header, hdus[0].header]
    star = re.sub(r"^ORDER:\s*\d+\s*", "", star_name(headers, name))
    return contents_of(pixels, kind, headers, name, [*steps, step], error_from="the orders' own errors", star=star)


def images_in(hdus: list[Any]) -> list[Any]:
    """HDUs that hold an image of at least 100 pixels."""
    return [h for h in hdus if h.is_image and h.data is not None and h.data.size >= 100]


def wavelengths_along_rows(hdu: Any) -> Any:
    """An image turned where its header has the wavelengths along the second axis (GIRAFFE); anything else as it is.

    The axes of SDSS (COEFF0, COEFF1: log10) and of old IRAF (W0, WPC) are put under the keywords of the standard.
    """
    if not hdu.is_image or hdu.data is None:
        return hdu
    for first, per_pixel, flag in (("COEFF0", "COEFF1", 1), ("W0", "WPC", 0)):
        low, delta = number(hdu.header, first), number(hdu.header, per_pixel)
        if "CRVAL1" not in hdu.header and low is not None and delta:
            hdu.header.update({"CRVAL1": low, "CD1_1": delta, "CRPIX1": 1.0, "DC-FLAG": flag})
    if hdu.data.ndim != 2:
        return hdu
    ends = []
    for axis, n in ((1, hdu.data.shape[1]), (2, hdu.data.shape[0])):
        start, step = (
            number(hdu.header, f"CRVAL{axis}"),
            number(hdu.header, f"CDELT{axis}") or number(hdu.header, f"CD{axis}_{axis}"),
        )
        ends.append(sorted((start, start + step * n)) if start is not None and step and n >= 100 else [0.0, 0.0])
    along_rows, along_columns = (290 < low < high < 26_000 and high - low > 1 for low, high in ends)
    if along_rows or not along_columns:
        return hdu
    turned = type(hdu)(hdu.data.T, hdu.header)
    for key in ("CRVAL", "CDELT", "CRPIX", "CTYPE", "CUNIT"):
        if f"{key}2" in hdu.header:
            turned.header[f"{key}1"] = hdu.header[f"{key}2"]
    if "CD2_2" in hdu.header:
        turned.header["CD1_1"] = hdu.header["CD2_2"]
    return turned


def first_image(hdus: list[Any]) -> Any:
    """First HDU that holds an image that can be the star's: none called sky, error, blaze and the like, where others are; or None."""
    images = images_in(hdus)
    return next((h for h in images if role_of(h.name or "") in (None, Role.FLUX)), next(iter(images), None))


def spectra_apart(images: list[Any]) -> list[Any]:
    """One-dimensional images with a wavelength axis that can each be a star, or an order of one.

    Errors, masks and sky are left out, by their names or, where two of one axis have none, by their values; and of versions
    of one spectrum all but the best.
    """
    axes = [h for h in images if h.data.ndim == 1 and isinstance(h.header.get("CRVAL1"), int | float)]
    same: dict[tuple[float, int], list[Any]] = {}
    for h in axes:
        if role_of(h.name or "") in (None, Role.FLUX):
            same.setdefault((round(float(h.header["CRVAL1"]), 3), h.data.size), []).append(h)
    return [h for alike in same.values() for h in _stars_of(alike)]


def _stars_of(alike: list[Any]) -> list[Any]:
    """Images over one wavelength axis that can each be a star: one of the versions of each, no errors or masks."""
    first = np.asarray(alike[0].data, float)
    stars: dict[frozenset[str], list[Any]] = {}
    for i, h in enumerate(alike):
        name, named = str(h.name or ""), role_of(h.name or "") is Role.FLUX
        if i and not named and _companion(first, np.asarray(h.data, float)):
            continue
        own = whose(name) if named or is_known(name) else frozenset([name or f"image {i}"])
        if i == 0 and name == "PRIMARY":
            own = frozenset[str]()
        if any(h.name == name for h in stars.get(own, [])):  # exposures under one name (EXTVER)
            own = frozenset([f"{name} {i}"])
        stars.setdefault(own, []).append(h)
    return [versions[best_version([str(h.name) for h in versions])] for versions in stars.values()]


def _companion(flux: NDArray, values: NDArray) -> bool:
    """Whether an array without a name is no star by its values: the error of the flux, or a mask of a few whole numbers."""
    whole = bool(np.array_equal(values, np.round(values)) and np.unique(values).size <= 64)
    return whole or error_like(flux, values)


def read_image(hdus: list[Any], name: str) -> Contents:
    """Read one spectrum from a FITS image; the error from an extension named like one when its axis agrees."""
    hdu = first_image(hdus)
    assert hdu is not None
    bands = hdu.data.reshape(-1, hdu.data.shape[-1])
    names = row_names(hdu.header, len(bands)) or []
    science = next(iter(_flux_rows(names)), 0) if not any("BANDID" in key for key in hdu.header) else 0
    flux = np.asarray(bands[science], float)
    wavelength, steps = wavelength_axis(hdu.header, flux.size, name)
    steps = [Step("format", "FITS image with a wavelength axis in its header", {"pixels": flux.size}), *steps]
    if len(bands) > 1:
        which = f"band {science + 1} ({names[science]})" if names else "the first"
        steps.append(Step("bands", f"the image holds {len(bands)} bands over one axis; {which} is the spectrum"))
    error, error_from = _sigma(hdus, hdu, wavelength, steps)
    if error is None and len(bands) > 1 and (names or hdu.data.ndim == 2):
        error, error_from = _error_band(np.asarray(bands, float), names, science)
    headers = [hdu.header] if hdu is hdus[0] else [hdu.header, hdus[0].header]
    clear, flags = _unflagged(hdus, flux, error)
    steps += flags
    pixels = Pixels(wavelength, flux, error, ~missing_pixels(flux) & clear)
    return contents_of(pixels, "FITS image", headers, name, steps, error_from=error_from)


def wavelength_axis(header: fits.Header, n: int, where: str) -> tuple[NDArray, list[Step]]:
    """Wavelengths [Angstrom] of the n pixels along axis 1 and the decisions taken on the way."""
    start, delta = number(header, "CRVAL1"), number(header, "CDELT1")
    matrix = number(header, "CD1_1")
    if delta in (None, 0.0) or (delta == 1.0 and matrix not in (None, 0.0, 1.0)):
        delta = matrix
    elif matrix is None and delta is not None:
        delta *= number(header, "PC1_1") or 1.0
    if start is None or delta in (None, 0.0):
        raise SpectrumError(
            f"{where} holds {n} fluxes but no wavelengths (no CRVAL1 with CDELT1 or CD1_1 in its header); "
            "load the version that carries its wavelength axis."
        )
    steps = []
    reference = number(header, "CRPIX1")
    if reference is None:
        steps.append(Step("reference pixel", "header has no usable CRPIX1; the first pixel is taken", {"CRPIX1": 1.0}))
        reference = 1.0
    elif isinstance(header.get("CRPIX1"), str):
        steps.append(Step("reference pixel", "CRPIX1 is stored as text; its number is used", {"CRPIX1": reference}))
    axis = start + delta * (np.arange(n) + 1.0 - reference)
    unit = str(header.get("CUNIT1", "")).strip() or _iraf_unit(header)
    ctype = str(header.get("CTYPE1", "")).upper()
    if unit == "" and ctype.lower() in ("angstrom", "angstroms", "nm"):
        unit = ctype.lower()
    flag = number(header, "DC-FLAG")
    if flag == 1 or (flag is None and delta < 0.01 and 3.3 < axis.min() < axis.max() < 4.45):
        reason = (
            "DC-FLAG = 1" if flag == 1 else f"an axis from {axis[0]:.4f} to {axis[-1]:.4f} is optical only as log10"
        )
        steps.append(Step("wavelength scale", f"log10 of the wavelength: {reason}"))
        axis = 10.0**axis
    elif ctype.endswith("-LOG") and not 2.6 < start < 10.5:  # a wavelength in any unit, no logarithm of one
        steps.append(Step("wavelength scale", f"natural logarithm, CTYPE1 = {ctype} (FITS standard, paper III)"))
        axis = start * np.exp((axis - start) / start)
    elif ctype.endswith("-LOG") or (flag is None and delta < 0.01 and 7.97 < axis.min() < axis.max() < 10.2):
        reason = f"an axis from {axis[0]:.4f} to {axis[-1]:.4f} is optical only as ln"
        steps.append(Step("wavelength scale", f"natural logarithm of the wavelength: {reason}"))
        axis = np.exp(axis)
    else:
        steps.append(
            Step("wavelength scale", "linear", {"CRVAL1": start, "CDELT1": float(delta or 0.0), "CRPIX1": reference})
        )
    if ctype.startswith("WAVN"):
        axis, unit = (
            axis / 100 if re.search(r"(^|\D)m ?(\^|\*\*)? ?-1|^1/m$", unit) and "cm" not in unit else axis,
            "cm-1",
        )
    wavelength, step = to_angstrom(axis, unit or None, "the header")
    return wavelength, [*steps, step]


def _iraf_unit(header: fits.Header) -> str:
    text = str(header.get("WAT1_001", "")).lower()
    return text.split("units=")[1].split()[0] if "units=" in text else ""


def _sigma(hdus: list[Any], science: Any, wavelength: NDArray, steps: list[Step]) -> tuple[NDArray | None, str]:
    """Errors from the extension named like them, if it has the spectrum's own length and wavelengths."""
    for hdu in hdus:
        role = role_of(hdu.name or "")
        if hdu is science or not hdu.is_image or hdu.data is None or role not in (Role.ERROR, Role.VARIANCE, Role.IVAR):
            continue
        if hdu.data.size != wavelength.size:
            steps.append(Step("error column", f"extension {hdu.name} has another length than the flux and is left out"))
            continue
        if "CRVAL1" in hdu.header:
            axis = wavelength_axis(hdu.header, wavelength.size, hdu.name)[0]
            if np.abs(axis - wavelength).max() > 0.5 * np.diff(wavelength).max():
                steps.append(
                    Step("error column", f"extension {hdu.name} has other wavelengths than the flux and is left out")
                )
                continue
        flux = np.asarray(science.data, float).reshape(-1, wavelength.size)[0]
        said = str(hdu.header.get("NCRTYPE", hdu.header.get("UTYPE", ""))).lower()  # specutils, astropy.nddata
        if said.startswith(("var", "ivar", "inv")):
            role = Role.VARIANCE if said.startswith("var") else Role.IVAR
        return as_error(np.asarray(hdu.data, float).ravel(), role, hdu.name, flux), f"extension {hdu.name}"
    return None, ""


def _error_band(bands: NDArray, names: list[str], science: int) -> tuple[NDArray | None, str]:
    """Errors from the band named like them, or from a second one that is by its values; and what to call it."""
    for i, name in enumerate(names):
        role = role_of(name)
        if role in (Role.ERROR, Role.VARIANCE, Role.IVAR) and i != science:
            return as_error(bands[i], role), f"band {i + 1} ({name})"
    if not names and len(bands) == 2 and error_like(bands[0], bands[1]):
        return bands[1], "the second row of the image"
    return None, ""
