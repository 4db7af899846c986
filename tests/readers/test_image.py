"""FITS images with a wavelength axis, in all dialects of the header."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from made_up_files import FLUX, WAVE, N
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import read
from cinn_core.stages import Medium


def step_names(spectrum) -> set[str]:
    return {step.name for step in spectrum.steps}


@pytest.mark.parametrize(
    ("cards", "air"),
    [
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1.0}, False),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05}, False),
        ({"CRVAL1": 5200.0, "CD1_1": 0.05, "CRPIX1": "1."}, False),
        ({"CRVAL1": 520.0, "CDELT1": 0.005, "CRPIX1": 1, "CUNIT1": "nm", "CTYPE1": "AWAV"}, True),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1, "CUNIT1": "NM", "CTYPE1": "AWAV"}, True),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1, "CUNIT1": "pixel", "CUNIT2": "pixel"}, False),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1, "CUNIT1": "0.1 nm", "CTYPE1": "AWAV"}, True),
        ({"CRVAL1": 5205.0, "CDELT1": 0.05, "CRPIX1": 101.0}, False),
    ],
)
def test_linear_images_land_on_the_same_wavelengths_whatever_their_dialect(cards, air):
    hdu = fits.PrimaryHDU(FLUX)
    for key, value in cards.items():
        hdu.header[key] = value
    spectrum = read(fits_bytes(hdu), "image.fits")
    assert np.allclose(spectrum.wavelength, WAVE, atol=1e-6)
    assert np.allclose(spectrum.flux, FLUX)
    assert (spectrum.medium is Medium.AIR) == air


def test_log10_image_is_not_read_as_linear():
    log = np.log10(5200) + 4e-6 * np.arange(N)
    spectrum = read(fits_bytes(image_hdu(FLUX, CRVAL1=log[0], CDELT1=4e-6, CRPIX1=1.0, DC_FLAG=1)), "log.fits")
    assert np.allclose(spectrum.wavelength, 10**log)


def test_natural_log_axis_of_the_fits_standard():
    delta = 0.05
    hdu = image_hdu(FLUX, CRVAL1=5200.0, CDELT1=delta, CRPIX1=1.0, CTYPE1="WAVE-LOG", CUNIT1="Angstrom")
    spectrum = read(fits_bytes(hdu), "ln.fits")
    assert np.allclose(spectrum.wavelength, 5200 * np.exp(delta * np.arange(N) / 5200))
    assert spectrum.medium is Medium.VACUUM


def test_sigma_extension_in_another_unit_is_the_error_when_its_wavelengths_agree():
    science = image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1, CUNIT1="NM", CTYPE1="AWAV")
    sigma = fits.ImageHDU(np.full(N, 0.01, np.float32), name="SIGMA")
    for key, value in {"CRVAL1": 520.0, "CDELT1": 0.005, "CRPIX1": 1, "CUNIT1": "NM"}.items():
        sigma.header[key] = value
    assert np.allclose(read(fits_bytes(science, sigma), "s.fits").error, 0.01)
    sigma.header["CRVAL1"] = 530.0
    assert read(fits_bytes(science, sigma), "s.fits").error is None


def test_zero_filled_gap_is_missing_not_flux():
    flux = FLUX.copy()
    flux[1000:1600] = 0
    spectrum = read(fits_bytes(image_hdu(flux, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0)), "gap.fits")
    assert not spectrum.good[1000:1600].any()
    assert spectrum.good[:1000].all()
    assert spectrum.good[1600:].all()
    assert "missing pixels" in step_names(spectrum)


def test_harps_n_is_known_by_its_instrument_name():
    spectrum = read(fits_bytes(image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0, INSTRUME="HARPN")), "s1d_A.fits")
    assert spectrum.medium is Medium.AIR
    assert spectrum.resolving_power == 115_000


def test_bands_over_one_axis_are_one_spectrum_and_orders_in_rows_of_a_table_are_joined():
    bands = image_hdu(np.stack([FLUX, np.full(N, 0.01)]), CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0)
    assert np.allclose(read(fits_bytes(bands), "bands.fits").flux, FLUX)
    assert np.allclose(read(fits_bytes(bands), "bands.fits").error, 0.01)  # as large as the flux scatters
    halves = [slice(0, 2200), slice(1800, 4000)]
    columns = [
        fits.Column(name=n, format="2200D", array=np.stack([v[h] for h in halves]))
        for n, v in (("WAVE", WAVE), ("FLUX", 500.0 * FLUX))
    ]
    joined = read(fits_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)), "orders.fits")
    assert np.allclose(joined.wavelength, WAVE)
    assert abs(np.median(joined.flux) - 1) < 0.15


def test_image_without_wavelength_axis_is_refused_in_words():
    with pytest.raises(SpectrumError, match="no wavelengths"):
        read(fits_bytes(fits.PrimaryHDU(FLUX)), "flux.fits")
