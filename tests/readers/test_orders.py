"""Overlapping echelle orders are joined; what is damaged costs no more than itself."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from synthetic import fits_bytes, image_hdu

from cinn_core.readers import read
from cinn_core.readers.common import Pixels
from cinn_core.readers.orders import merge_orders


def test_overlapping_orders_with_blaze_join_into_one_flat_spectrum():
    orders = []
    for k, start in enumerate((5200.0, 5270.0, 5340.0)):
        wave = start + 0.04 * np.arange(2500)
        x = np.linspace(-1, 1, wave.size)
        flux = 1e4 * (1 - 0.6 * x**2) * (1 - 0.5 * np.exp(-(((wave % 10) - 5) ** 2) / 0.02))
        orders.append(np.stack([np.full(wave.size, k), wave, flux], 1))
    text = "\n".join(f"{int(o)} {w:.5f} {f:.4f}" for o, w, f in np.concatenate(orders)).encode()
    spectrum = read(text, "orders.txt")
    assert np.all(np.diff(spectrum.wavelength) > 0)
    continuum = spectrum.flux[np.abs(spectrum.wavelength % 10 - 5) > 2]
    assert np.percentile(np.abs(continuum - 1), 95) < 0.02


@pytest.mark.parametrize("damaged", [np.nan, np.inf, 1e30, -5.0, 5270 + 0.05 * 699])
def test_damaged_wavelength_in_an_order_costs_that_pixel_alone(damaged):
    waves = [5200 + 0.05 * np.arange(1500), 5270 + 0.05 * np.arange(1500)]
    waves[1][700] = damaged
    pixels, _ = merge_orders([Pixels(w, np.full(w.size, 50.0), None, np.ones(w.size, bool)) for w in waves])
    assert pixels.wavelength.size > 2600
    assert np.isfinite(pixels.wavelength).all()
    assert np.allclose(pixels.flux[pixels.good], 1, atol=0.02)


def test_order_that_ends_in_noise_keeps_its_light():
    wave = 5400 + 0.04 * np.arange(2700)
    noise = 0.0004 + 0.15 * np.exp(-np.arange(2700) / 250)
    level = 0.028 * (1 + 10 * np.exp(-np.arange(2700) / 90))
    order = level + noise * np.random.default_rng(3).normal(size=2700)
    hdus = []
    for start, flux in (
        (5400.0, order),
        (5480.0, np.full(2700, 0.026) + 1e-4 * np.sin(wave)),
        (5560.0, 0.026 + 1e-4 * np.cos(wave)),
    ):
        hdu = image_hdu(flux, CRVAL1=start, CDELT1=0.04, CRPIX1=1.0)
        hdus.append(hdu if not hdus else fits.ImageHDU(hdu.data, hdu.header))
    spectrum = read(fits_bytes(*hdus), "orders.fits")
    lit = (spectrum.wavelength > 5450) & (spectrum.wavelength < 5500)
    assert spectrum.good[lit].all()
    assert np.abs(spectrum.flux[lit] - 1).mean() < 0.05
    assert not spectrum.good[spectrum.wavelength < 5408].any()


@pytest.mark.parametrize("damaged", [1e-260, 1e-153, 1e-20, 0.0, -1.0, np.inf])
def test_damaged_error_in_an_order_costs_that_pixel_alone(damaged):
    """The inverse square of the smallest ones is no number, and of 1e-20 outweighs everything."""
    waves = [5200 + 0.05 * np.arange(1500), 5270 + 0.05 * np.arange(1500)]
    errors = [np.full(1500, 0.5), np.full(1500, 0.5)]
    errors[1][40] = damaged
    orders = [Pixels(w, np.full(w.size, 50.0), e, np.ones(w.size, bool)) for w, e in zip(waves, errors, strict=True)]
    pixels, _ = merge_orders(orders)
    assert pixels.good.mean() > 0.99
    assert np.isfinite(pixels.flux[pixels.good]).all()
    assert (pixels.error[pixels.good] > 1e-3).all()
