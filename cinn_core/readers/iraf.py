"""Wavelengths of IRAF multispec images and of MAKEE: functions of the pixel that headers hold as text.

F. Valdes, The IRAF/NOAO Spectral World Coordinate Systems (noao.onedspec, specwcs), sections 3 and 5; T. Barlow, Makee:
Wavelength Scale Formats.
"""

from __future__ import annotations

import re

import numpy as np
from astropy.io import fits
from numpy.polynomial import chebyshev, legendre
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Step
from .common import Pixels, missing_pixels, to_angstrom
from .headers import number

_FIELDS = 9  # of every specN, ahead of its functions


def is_multispec(header: fits.Header) -> bool:
    """Whether an image holds orders with a wavelength scale each (IRAF multispec)."""
    return "multispec" in str(header.get("WAT0_001", "")).lower() or str(header.get("CTYPE1", "")).startswith(
        "MULTISPE"
    )


def lit(flux: NDArray) -> NDArray:
    """Pixels of an order that hold light: not missing, and not negative, as the ends of extracted orders often are."""
    return ~missing_pixels(flux) & (flux > 0)


def multispec_orders(hdu: fits.ImageHDU, name: str) -> tuple[list[Pixels], list[Step]]:
    """Orders of an IRAF multispec image; the object is the first band, or the one a BANDID calls the object.

    Raises SpectrumError for an image without its solution, or with functions that cannot be read.
    """
    data = np.asarray(hdu.data, float)
    cube = data.reshape(-1, *np.atleast_2d(data).shape[-2:])
    ids = [str(hdu.header.get(f"BANDID{b + 1}", "")).lower() for b in range(len(cube))]
    science = next((b for b, text in enumerate(ids) if "object" in text and "/" not in text), 0)
    noise = next((b for b, text in enumerate(ids) if "noise" in text or "sigma" in text), None)
    text, unit = _attributes(hdu.header), _unit(hdu.header)
    pixel = physical_pixels(hdu.header, cube.shape[2])
    first_line = 1 - round(number(hdu.header, "LTV2") or 0.0)
    orders, unit_step, uncalibrated = [], None, False
    for row in range(cube.shape[1]):
        spec = re.search(rf'spec{row + first_line}\s*=\s*"([^"]*)"', text)
        if spec is None:
            continue
        if (axis := multispec_axis(spec.group(1).split(), pixel, name)) is None:
            uncalibrated = True
            continue
        wave, unit_step = to_angstrom(axis, unit, f"order {row + 1}")
        flux = cube[science, row]
        orders.append(Pixels(wave, flux, None if noise is None else cube[noise, row], lit(flux)))
    if unit_step is None and uncalibrated:
        raise SpectrumError(
            f"{name} is an IRAF multispec image of orders without wavelengths (dtype -1); calibrate it with refspectra and dispcor, "
            "or load a version that is."
        )
    if unit_step is None:
        raise SpectrumError(
            f"{name} is an IRAF multispec image without its WAT2 wavelength solution; load one that has it."
        )
    reason = f"IRAF multispec; band {science + 1} is the spectrum" + (
        "" if noise is None else f", band {noise + 1} its noise"
    )
    return orders, [Step("format", reason, {"orders": len(orders), "pixels": cube.shape[2]}), unit_step]


def aperture_axes(header: fits.Header, n: int, pixels: int) -> list[NDArray | None]:
    """Wavelengths (pixels,) of each of n apertures of a multispec image, in its own unit; None for those without a solution."""
    text, pixel = _attributes(header), physical_pixels(header, pixels)
    first_line = 1 - round(number(header, "LTV2") or 0.0)
    found: list[NDArray | None] = []
    for row in range(n):
        spec = re.search(rf'spec{row + first_line}\s*=\s*"([^"]*)"', text)
        try:
            found.append(None if spec is None else multispec_axis(spec.group(1).split(), pixel, "the image"))
        except SpectrumError:
            found.append(None)
    return found


def physical_pixels(header: fits.Header, n: int) -> NDArray:
    """Physical pixel (n,) of each of n pixels of an image that was cut or binned: p = (l - LTV1) / LTM1_1, l from 1."""
    shift, scale = number(header, "LTV1") or 0.0, number(header, "LTM1_1") or 1.0
    return (np.arange(1, n + 1, dtype=float) - shift) / scale


def _attributes(header: fits.Header) -> str:
    """WAT2 attributes as one text; the cards hold 68 characters each, trailing blanks included."""
    cards = sorted(k for k in header if re.fullmatch(r"WAT2_\d+", k))
    return "".join(str(header[k]).ljust(68) for k in cards)


def _unit(header: fits.Header) -> str:
    unit = re.search(r"units=(\S+)", "".join(str(header[k]).ljust(68) for k in header if re.fullmatch(r"WAT1_\d+", k)))
    return unit.group(1) if unit else "Angstrom"


def multispec_axis(words: list[str], pixel: NDArray, name: str) -> NDArray | None:
    """Wavelengths (n,) at physical pixels (n,) from the words of specN: aperture beam dtype w1 dw nw z low high [functions].

    None where dtype is -1: not calibrated. Raises SpectrumError where the words are no such description.
    """
    try:
        values = [float(re.sub("[dD]", "e", w)) for w in words]
        dtype, w1, dw, n_valid, z = int(values[2]), values[3], values[4], int(values[5]), values[6]
        if dtype == -1:
            return None
        axis = w1 + dw * (pixel - 1) if dtype in (0, 1) else _functions(values[_FIELDS:], pixel, name)
    except (IndexError, ValueError, OverflowError) as problem:
        raise SpectrumError(
            f"{name} is an IRAF multispec image whose wavelength solution is damaged or cut."
        ) from problem
    axis = (10.0**axis if dtype == 1 else axis) / (1 + z)
    if n_valid >= axis.size or n_valid < 1:
        return axis
    beyond = np.arange(axis.size) >= n_valid
    return np.where(beyond, axis[n_valid - 1] + (np.arange(axis.size) - n_valid + 1) * 1e-6, axis)


def _functions(values: list[float], pixel: NDArray, name: str) -> NDArray:
    """Sum (n,) of functions, each: weight, offset, type, parameters, coefficients (specwcs, section 5)."""
    total, place = np.zeros(pixel.size), 0
    if not values:
        raise ValueError
    while place < len(values):
        weight, offset, kind = values[place], values[place + 1], int(values[place + 2])
        if kind not in _KINDS:
            raise SpectrumError(
                f"{name} stores its wavelengths as IRAF function {kind}, which specwcs does not know; resample it with dispcor."
            )
        function, size = _KINDS[kind]
        used = size(int(values[place + 3]))
        parameters = values[place + 3 : place + 3 + used]
        if len(parameters) < used or used < 2:
            raise ValueError
        total += weight * (offset + function(parameters, pixel))
        place += 3 + used
    return total


def _normalised(pixel: NDArray, low: float, high: float) -> NDArray:
    """Physical pixels (n,) between pmin and pmax as -1 to 1."""
    return (pixel - (high + low) / 2) / ((high - low) / 2)


def _chebyshev(p: list[float], pixel: NDArray) -> NDArray:
    return chebyshev.chebval(_normalised(pixel, p[1], p[2]), p[3:])


def _legendre(p: list[float], pixel: NDArray) -> NDArray:
    return legendre.legval(_normalised(pixel, p[1], p[2]), p[3:])


def _pieces(p: list[float], pixel: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Spline piece j (n,) of each physical pixel, and the fractions a, b of the interval; pixels beyond continue the end pieces."""
    n = int(p[0])
    s = (pixel - p[1]) / (p[2] - p[1]) * n
    j = np.clip(np.floor(s), 0, n - 1).astype(int)
    return j, (j + 1) - s, s - j


def _cubic_spline(p: list[float], pixel: NDArray) -> NDArray:
    j, a, b = _pieces(p, pixel)
    c = np.array(p[3:])
    return c[j] * a**3 + c[j + 1] * (1 + 3 * a * (1 + a * b)) + c[j + 2] * (1 + 3 * b * (1 + a * b)) + c[j + 3] * b**3


def _linear_spline(p: list[float], pixel: NDArray) -> NDArray:
    j, a, b = _pieces(p, pixel)
    c = np.array(p[3:])
    return c[j] * a + c[j + 1] * b


def _pixel_array(p: list[float], pixel: NDArray) -> NDArray:
    c = np.array(p[1:])
    return np.interp(pixel, np.arange(1, c.size + 1), c)


def _sampled_array(p: list[float], pixel: NDArray) -> NDArray:
    pairs = np.array(p[2:]).reshape(-1, 2)
    return np.interp(pixel, pairs[:, 0], pairs[:, 1])


_KINDS = {
    1: (_chebyshev, lambda n: 3 + n), 2: (_legendre, lambda n: 3 + n), 3: (_cubic_spline, lambda n: 3 + n + 3),
    4: (_linear_spline, lambda n: 3 + n + 1), 5: (_pixel_array, lambda n: 1 + n), 6: (_sampled_array, lambda n: 2 + 2 * n),
}  # fmt: skip
"""Functions by IRAF's code: how each is evaluated from its parameters, and how many those are."""


_DRS = re.compile(r"(ESO|TNG|OHP) DRS CAL TH DEG LL")


def is_drs(header: fits.Header) -> bool:
    """Whether a header holds polynomials of the wavelength as the pipelines of HARPS, HARPS-N, CORALIE and SOPHIE write them."""
    return any(_DRS.fullmatch(key) for key in header)


def drs_orders(hdu: fits.ImageHDU, name: str) -> tuple[list[Pixels], list[Step]]:
    """Orders of an e2ds image of HARPS and its kin: a polynomial of the pixel, counted from 0, for each row (DRS User Manual)."""
    data = np.atleast_2d(np.asarray(hdu.data, float))
    maker = next(found.group(1) for key in hdu.header if (found := _DRS.fullmatch(key)))
    degree = number(hdu.header, f"{maker} DRS CAL TH DEG LL")
    n = 0 if degree is None or not 0 < degree < 20 else int(degree) + 1
    orders, unit_step = [], None
    for row, flux in enumerate(data):
        read = [number(hdu.header, f"{maker} DRS CAL TH COEFF LL{row * n + k}") for k in range(n)]
        coefficients = [c for c in read if c is not None]
        if not n or len(coefficients) < n:
            continue
        wave = np.polynomial.polynomial.polyval(np.arange(data.shape[1]), coefficients)
        wave, unit_step = to_angstrom(wave, "Angstrom", f"order {row + 1}")
        orders.append(Pixels(wave, flux, None, lit(flux)))
    if unit_step is None:
        raise SpectrumError(
            f"{name} is an image of orders without the polynomials CAL TH COEFF LL; load one that has them."
        )
    reason = f"order image of the {maker} pipeline: polynomials CAL TH COEFF LL of the pixel"
    return orders, [Step("format", reason, {"orders": len(orders), "pixels": data.shape[1]}), unit_step]


def is_makee(header: fits.Header) -> bool:
    """Whether a header holds polynomials of the wavelength as MAKEE writes them."""
    return any(re.fullmatch(r"WV_0_\d+", key) for key in header)


def makee_orders(hdu: fits.ImageHDU, name: str) -> tuple[list[Pixels], list[Step]]:
    """Orders of a MAKEE image: a polynomial of the sixth order of the column, which CRVAL1 counts, for each row."""
    data = np.atleast_2d(np.asarray(hdu.data, float))
    first, step = number(hdu.header, "CRVAL1") or 0.0, number(hdu.header, "CDELT1") or 1.0
    column = first + step * np.arange(data.shape[1])
    orders, unit_step = [], None
    for row, flux in enumerate(data):
        words = [w for part in "04" for w in str(hdu.header.get(f"WV_{part}_{row + 1:02d}", "")).split()]
        try:
            coefficients = [float(w) for w in words]
        except ValueError:
            continue
        if len(coefficients) < 2:
            continue
        wave, unit_step = to_angstrom(
            np.polynomial.polynomial.polyval(column, coefficients), "Angstrom", f"order {row + 1}"
        )
        orders.append(Pixels(wave, flux, None, lit(flux)))
    if unit_step is None:
        raise SpectrumError(
            f"{name} is an image of MAKEE without the polynomials WV_0_01, WV_4_01 of its orders; load one that has them."
        )
    reason = "MAKEE: polynomials WV_0, WV_4 of the column that CRVAL1 counts"
    return orders, [Step("format", reason, {"orders": len(orders), "pixels": data.shape[1]}), unit_step]
