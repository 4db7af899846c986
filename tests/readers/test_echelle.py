"""Echelle spectra with separate orders."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from made_up_files import FLUX
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import read

LINEAR = "0 5200.0 0.05 2048 0. 1. 2."
CHEBYSHEV = "2 5290.0 0.05 2048 0. 3. 4. 1. {offset} 1 2 1. 2048. 5341.175 51.175"


def multispec(*orders: str) -> bytes:
    """An IRAF multispec image of one star, an order for each description that follows aperture and beam."""
    flux = np.tile(1000.0 * FLUX[:2048], (len(orders), 1)).astype(np.float32)
    hdu = image_hdu(flux, WAT0_001="system=multispec", CTYPE1="MULTISPE")
    words = "wtype=multispec " + " ".join(f'spec{i} = "{i} {i} {order}"' for i, order in enumerate(orders, 1))
    for i in range(0, len(words), 68):
        hdu.header[f"WAT2_{i // 68 + 1:03d}"] = words[i : i + 68]
    return fits_bytes(hdu)


def test_iraf_multispec_orders_are_read_linear_and_chebyshev():
    spectrum = read(multispec(LINEAR, CHEBYSHEV.format(offset=0)), "multi.fits")
    assert spectrum.wavelength[0] == pytest.approx(5200.0)
    assert spectrum.wavelength[-1] == pytest.approx(5392.35)
    assert spectrum.format == "IRAF multispec"


def test_iraf_multispec_of_one_order_and_its_offset_are_read():
    spectrum = read(multispec(CHEBYSHEV.format(offset=2)), "one.fits")
    assert spectrum.wavelength[[0, -1]] == pytest.approx([5292.0, 5394.35])


def test_iraf_orders_without_wavelengths_are_left_out_or_refused_in_words():
    uncalibrated = "-1 1. 1. 2048 0. 1. 2."
    assert read(multispec(uncalibrated, LINEAR), "multi.fits").wavelength[0] == pytest.approx(5200.0)
    with pytest.raises(SpectrumError, match=r"without wavelengths \(dtype -1\); calibrate"):
        read(multispec(uncalibrated, uncalibrated), "multi.fits")


def test_order_image_without_wavelengths_is_refused_in_words():
    with pytest.raises(SpectrumError, match="without wavelengths"):
        read(fits_bytes(fits.PrimaryHDU(np.ones((79, 300), np.float32))), "moon.fits")
