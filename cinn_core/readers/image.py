"""Spectra stored as a FITS image with a wavelength axis in the header: linear, log10 or natural log, in any of their dialects."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Step
from .common import Contents, Pixels, contents_of, missing_pixels, number, to_angstrom

_ERROR_NAMES = ("SIGMA", "ERR", "ERROR", "ERRORS", "ERRS", "STDEV", "NOISE", "UNCERT", "UNCERTAINTY")
_NO_FLUX_NAMES = (
    *_ERROR_NAMES, "IVAR", "VAR", "VARIANCE", "QUAL", "QUALITY", "DQ", "MASK", "FLAGS", "SKY", "CONTINUUM", "SNR",
)  # fmt: skip
"""Names of extensions that go with a spectrum and are none."""

_MOST_BANDS = 4  # rows of an image that may be bands of one spectrum


def is_image(hdus: list[fits.PrimaryHDU]) -> bool:
    """Whether the first image with data is one spectrum with a wavelength axis in its header."""
    hdu = first_image(hdus)
    if hdu is None:
        return False
    shape = hdu.data.shape
    return int(np.prod(shape[:-1])) == 1 or (len(shape) == 3 and shape[1] == 1) or holds_bands(hdu)


def holds_bands(hdu: fits.PrimaryHDU) -> bool:
    """Whether a two-dimensional image holds bands (flux, error, sky) of one spectrum over one wavelength axis, not orders."""
    few = hdu.data.ndim == 2 and hdu.data.shape[0] <= _MOST_BANDS
    return few and "CRVAL1" in hdu.header and not is_multispec(hdu.header)


def is_multispec(header: fits.Header) -> bool:
    """Whether an image holds orders with a wavelength scale each (IRAF multispec)."""
    return "multispec" in str(header.get("WAT0_001", "")).lower() or str(header.get("CTYPE1", "")).startswith(
        "MULTISPE"
    )


def images_in(hdus: list[fits.PrimaryHDU]) -> list[fits.ImageHDU]:
    """HDUs that hold an image of at least 100 pixels."""
    return [h for h in hdus if h.is_image and h.data is not None and h.data.size >= 100]


def first_image(hdus: list[fits.PrimaryHDU]) -> fits.ImageHDU | None:
    """First HDU that holds an image, or None."""
    return next(iter(images_in(hdus)), None)


def spectra_apart(images: list[fits.ImageHDU]) -> list[fits.ImageHDU]:
    """One-dimensional images with a wavelength axis that begins where no other does; errors, masks and the like left out."""
    axes = [h for h in images if h.data.ndim == 1 and isinstance(h.header.get("CRVAL1"), int | float)]
    spectra = [h for h in axes if h.name.upper() not in _NO_FLUX_NAMES]
    return list({round(float(h.header["CRVAL1"]), 3): h for h in reversed(spectra)}.values())[::-1]


def read_image(hdus: list[fits.PrimaryHDU], name: str) -> Contents:
    """Read one spectrum from a FITS image; the error from an extension named like one when its axis agrees."""
    hdu = first_image(hdus)
    assert hdu is not None
    bands = hdu.data.reshape(-1, hdu.data.shape[-1])
    flux = np.asarray(bands[0], float)
    wavelength, steps = wavelength_axis(hdu.header, flux.size, name)
    steps = [Step("format", "FITS image with a wavelength axis in its header", {"pixels": flux.size}), *steps]
    if len(bands) > 1:
        steps.append(Step("bands", f"the image holds {len(bands)} bands over one axis; the first is the spectrum"))
    error, error_from = _sigma(hdus, hdu, wavelength, steps)
    headers = [hdu.header] if hdu is hdus[0] else [hdu.header, hdus[0].header]
    pixels = Pixels(wavelength, flux, error, ~missing_pixels(flux))
    return contents_of(pixels, "FITS image", headers, name, steps, error_from=error_from)


def wavelength_axis(header: fits.Header, n: int, where: str) -> tuple[NDArray, list[Step]]:
    """Wavelengths [Angstrom] of the n pixels along axis 1 and the decisions taken on the way."""
    start, delta = number(header, "CRVAL1"), number(header, "CDELT1")
    matrix = number(header, "CD1_1")
    if delta in (None, 0.0) or (delta == 1.0 and matrix not in (None, 0.0, 1.0)):
        delta = matrix
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
    elif ctype.endswith("-LOG") and start > 10:
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
    wavelength, step = to_angstrom(axis, unit or None, "the header")
    return wavelength, [*steps, step]


def _iraf_unit(header: fits.Header) -> str:
    text = str(header.get("WAT1_001", "")).lower()
    return text.split("units=")[1].split()[0] if "units=" in text else ""


def _sigma(
    hdus: list[fits.PrimaryHDU], science: fits.ImageHDU, wavelength: NDArray, steps: list[Step]
) -> tuple[NDArray | None, str]:
    """Errors from the extension named like them, if it has the spectrum's own length and wavelengths."""
    for hdu in hdus:
        if hdu is science or not hdu.is_image or hdu.data is None or hdu.name.upper() not in _ERROR_NAMES:
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
        return np.asarray(hdu.data, float).ravel(), f"extension {hdu.name}"
    return None, ""
