"""Echelle spectra with their orders apart: IRAF MULTISPEC, one extension an order, and order images with a wavelength image."""

from __future__ import annotations

import re

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Step
from .common import Contents, Pixels, contents_of, missing_pixels, star_name, to_angstrom
from .image import holds_bands, images_in, is_multispec, spectra_apart, wavelength_axis
from .orders import join_parts, merge_orders


def is_echelle(hdus: list[fits.PrimaryHDU]) -> bool:
    """Whether the file holds several orders: a multispec image, a stack of rows, or several one-dimensional images."""
    images = images_in(hdus)
    if not images:
        return False
    shape = images[0].data.shape
    if len(shape) >= 2 and shape[-2] > 1:
        return not holds_bands(images[0])
    return images[0].data.ndim == 1 and len(spectra_apart(images)) > 1


def read_echelle(hdus: list[fits.PrimaryHDU], name: str) -> Contents:
    """Read all orders and join them into one spectrum. Raises SpectrumError for order images without wavelengths."""
    images = images_in(hdus)
    first = images[0]
    if is_multispec(first.header):
        orders, steps = _multispec(first, name)
        file_format = "IRAF multispec"
    elif first.data.ndim == 1:
        orders, steps = _one_hdu_per_order(spectra_apart(images))
        file_format = "one extension an order"
    else:
        orders, steps = _stacked(images, name)
        file_format = "order image with wavelengths"
    pixels, step = join_parts(orders) if first.data.ndim == 1 else merge_orders(orders)
    star = re.sub(r"^ORDER:\s*\d+\s*", "", star_name([first.header], name))
    return contents_of(
        pixels, file_format, [first.header], name, [*steps, step], error_from="the orders' own errors", star=star
    )


def _lit(flux: NDArray) -> NDArray:
    """Pixels of an order that hold light: not missing, and not negative, as the ends of extracted orders often are."""
    return ~missing_pixels(flux) & (flux > 0)


def _multispec(hdu: fits.ImageHDU, name: str) -> tuple[list[Pixels], list[Step]]:
    """Orders of an IRAF multispec image; the object is the first band, or the one a BANDID calls the object."""
    data = np.asarray(hdu.data, float)
    cube = data.reshape(-1, *data.shape[-2:])
    ids = [str(hdu.header.get(f"BANDID{b + 1}", "")).lower() for b in range(len(cube))]
    science = next((b for b, text in enumerate(ids) if "object" in text and "/" not in text), 0)
    noise = next((b for b, text in enumerate(ids) if "noise" in text or "sigma" in text), None)
    text = _attributes(hdu.header)
    orders, unit_step = [], None
    for row in range(cube.shape[1]):
        spec = re.search(rf'spec{row + 1}\s*=\s*"([^"]*)"', text)
        if spec is None:
            continue
        wave, unit_step = to_angstrom(
            _multispec_axis(spec.group(1).split(), cube.shape[2], name), "Angstrom", f"order {row + 1}"
        )
        flux = cube[science, row]
        orders.append(Pixels(wave, flux, None if noise is None else cube[noise, row], _lit(flux)))
    if not orders or unit_step is None:
        raise SpectrumError(
            f"{name} is an IRAF multispec image without its WAT2 wavelength solution; load one that has it."
        )
    reason = f"IRAF multispec; band {science + 1} is the spectrum" + (
        "" if noise is None else f", band {noise + 1} its noise"
    )
    return orders, [Step("format", reason, {"orders": len(orders), "pixels": cube.shape[2]}), unit_step]


def _attributes(header: fits.Header) -> str:
    """WAT2 attributes as one text; the cards hold 68 characters each, trailing blanks included."""
    cards = sorted(k for k in header if re.fullmatch(r"WAT2_\d+", k))
    return "".join(str(header[k]).ljust(68) for k in cards)


def _multispec_axis(words: list[str], n: int, name: str) -> NDArray:
    """Wavelengths of one order from its specN words: aperture beam dtype w1 dw nw z low high [function...]."""
    dtype, w1, dw, n_words, z = int(words[2]), float(words[3]), float(words[4]), int(float(words[5])), float(words[6])
    pixel = np.arange(1, n + 1, dtype=float)
    if dtype in (0, 1):
        axis = w1 + dw * (pixel - 1)
        axis = 10.0**axis if dtype == 1 else axis
    else:
        axis = _function_axis([float(w) for w in words[9:]], pixel, name)
    axis = axis / (1 + z)
    return axis if n_words >= n else np.where(pixel <= n_words, axis, axis[n_words - 1] + (pixel - n_words) * 1e-6)


def _function_axis(words: list[float], pixel: NDArray, name: str) -> NDArray:
    """IRAF's non-linear dispersion: weight, offset, type (1 Chebyshev, 2 Legendre), order, range, coefficients."""
    kind, n_terms, low, high = int(words[2]), int(words[3]), words[4], words[5]
    series = {1: np.polynomial.chebyshev.chebval, 2: np.polynomial.legendre.legval}
    if kind not in series:
        raise SpectrumError(
            f"{name} stores its wavelengths as IRAF function {kind}; linear, Chebyshev and Legendre are read: resample it with dispcor."
        )
    x = (2 * pixel - (high + low)) / (high - low)
    return words[0] * (words[1] + series[kind](x, np.array(words[6 : 6 + n_terms])))


def _one_hdu_per_order(images: list[fits.ImageHDU]) -> tuple[list[Pixels], list[Step]]:
    orders = []
    for hdu in images:
        flux = np.asarray(hdu.data, float).ravel()
        wave, _ = wavelength_axis(hdu.header, flux.size, f"extension {hdu.name}")
        orders.append(Pixels(wave, flux, None, _lit(flux)))
    return orders, [
        Step(
            "format", "FITS images, one extension an order, each with its own wavelength axis", {"orders": len(orders)}
        )
    ]


def _stacked(images: list[fits.ImageHDU], name: str) -> tuple[list[Pixels], list[Step]]:
    """Orders stacked in rows, with another image of the same shape that holds the wavelengths, and perhaps one of errors."""
    flux = np.asarray(images[0].data, float)
    same = [np.asarray(h.data, float) for h in images[1:] if h.data.shape == flux.shape]
    waves = [a for a in same if _is_wavelength(a)]
    if flux.ndim != 2 or not waves:
        raise SpectrumError(
            f"{name} holds an image of {' x '.join(map(str, flux.shape))} fluxes without wavelengths "
            "(its wavelength solution is in another file); load a version that carries the wavelengths."
        )
    wave = waves[0]
    errors = [a for a in same if a is not wave and np.nanmedian(a) > 0]
    wave_flat, unit_step = to_angstrom(wave.ravel(), None, "the wavelength image")
    wave = wave_flat.reshape(flux.shape)
    orders = [
        Pixels(wave[i], flux[i], errors[0][i] if errors else None, ~missing_pixels(flux[i]))
        for i in range(flux.shape[0])
    ]
    return orders, [
        Step("format", "order image with a wavelength image", {"orders": len(orders), "pixels": flux.shape[1]}),
        unit_step,
    ]


def _is_wavelength(image: NDArray) -> bool:
    """Whether every row increases steadily and the values are those of light."""
    return bool(
        np.all(np.isfinite(image)) and np.all(np.diff(image, axis=1) > 0) and 290 < image.min() and image.max() < 26000
    )
