"""Echelle spectra with separate orders."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from made_up_files import FLUX
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import read


def test_iraf_multispec_orders_are_read_linear_and_chebyshev():
    flux = np.tile(1000.0 * FLUX[:2048], (2, 1)).astype(np.float32)
    hdu = image_hdu(flux, WAT0_001="system=multispec", CTYPE1="MULTISPE")
    first = "1 1 0 5200.0 0.05 2048 0. 1. 2."
    second = "2 2 2 5290.0 0.05 2048 0. 3. 4. 1. 0. 1 2 1. 2048. 5341.175 51.175"
    words = f'wtype=multispec spec1 = "{first}" spec2 = "{second}"'
    for i in range(0, len(words), 68):
        hdu.header[f"WAT2_{i // 68 + 1:03d}"] = words[i : i + 68]
    spectrum = read(fits_bytes(hdu), "multi.fits")
    assert spectrum.wavelength[0] == pytest.approx(5200.0)
    assert spectrum.wavelength[-1] == pytest.approx(5392.35)
    assert spectrum.format == "IRAF multispec"


def test_order_image_without_wavelengths_is_refused_in_words():
    with pytest.raises(SpectrumError, match="without wavelengths"):
        read(fits_bytes(fits.PrimaryHDU(np.ones((79, 300), np.float32))), "moon.fits")
