"""Wavelength axes of headers in further dialects, and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from made_up_layouts import ORDER_FLUX, WAVE, noisy
from synthetic import fits_bytes

from cinn_core.errors import SpectrumError
from cinn_core.readers import list_spectra, read
from cinn_core.readers.common import to_angstrom

LOG10 = 10 ** (np.log10(5140.0) + 4e-6 * np.arange(WAVE.size))
NATURAL = 5140.0 * np.exp(0.05 * np.arange(WAVE.size) / 5140.0)


def image(flux: np.ndarray, cards: dict) -> bytes:
    hdu = fits.PrimaryHDU(flux)
    hdu.header.update(cards)
    return fits_bytes(hdu)


@pytest.mark.parametrize(
    ("cards", "wave"),
    [
        ({"COEFF0": np.log10(5140.0), "COEFF1": 4e-6}, LOG10),
        ({"W0": 5140.0, "WPC": 0.05}, WAVE),
        ({"CRVAL1": 5140.0, "CDELT1": 1.0, "PC1_1": 0.05, "CRPIX1": 1.0}, WAVE),
        ({"CRVAL1": 5140.0, "CDELT1": 0.025, "PC1_1": 2.0, "CRPIX1": 1.0}, WAVE),
        ({"CRVAL1": 5140e-10, "CDELT1": 0.05e-10, "CRPIX1": 1.0, "CUNIT1": "m", "CTYPE1": "AWAV-LOG"}, NATURAL),
        ({"CRVAL1": np.log10(514.0), "CDELT1": 4e-6, "CRPIX1": 1.0, "CUNIT1": "log10(nm)"}, LOG10),
        ({"CRVAL1": np.log(514.0), "CDELT1": 4e-6 * np.log(10), "CRPIX1": 1.0, "CUNIT1": "ln(nm)"}, LOG10),
    ],
)
def test_axis_is_understood(cards, wave):
    flux = noisy(wave)
    spectrum = read(image(flux, cards), "a.fits")
    assert np.allclose(spectrum.wavelength, wave, rtol=1e-7)  # 0.03 km/s
    assert np.allclose(spectrum.flux, flux)


def test_rows_over_a_count_of_pixels_are_no_spectra_to_choose_among():
    data = image(ORDER_FLUX, {"CRVAL1": 1.0, "CDELT1": 1.0, "CRPIX1": 1.0, "CTYPE1": "PIXEL"})
    assert list_spectra(data, "a.fits") == ()
    with pytest.raises(SpectrumError, match="its CRVAL1 counts pixels"):
        read(data, "a.fits")


def test_numbers_are_logarithms_of_nm_only_where_that_is_said():
    values = np.linspace(6.2, 6.5, 500)  # as micron they lie beyond the optical
    assert np.allclose(to_angstrom(values, "ln(nm)", "column loglam")[0], 10 * np.exp(values))
    with pytest.raises(SpectrumError, match="not an optical spectrum"):
        to_angstrom(values, None, "column wave")
