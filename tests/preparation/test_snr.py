"""Signal-to-noise ratios: measured before smoothing; error columns only where pixels agree with them."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import labels_of, observed, pixels, spectrum_of, templates

from cinn_core.preparation.fourmost import prepare
from cinn_core.preparation.snr import measure_snr
from cinn_core.stages import Medium, Spectrum

WAVE = pixels()
SUN = labels_of()


def spectrum(rv: float = 0.0, **more) -> Spectrum:
    snr = more.pop("snr", 400.0)
    medium = more.get("medium", Medium.AIR)
    return spectrum_of(WAVE, observed(SUN, WAVE, rv, snr, medium), **more)


@pytest.mark.parametrize("snr", [12.0, 60.0, 300.0])
def test_snr_per_angstrom_is_measured_before_smoothing(snr):
    vector = prepare(spectrum(snr=snr), templates())
    assert vector.snr == pytest.approx((snr, snr), rel=0.06)
    assert ("snr_low" in vector.flags) == (snr < 20)


@pytest.mark.parametrize(("step", "power"), [(0.01, 100_000.0), (0.03, 60_000.0), (0.05, 25_000.0), (0.08, 48_000.0)])
def test_snr_of_white_noise_is_that_of_the_noise(step, power):
    wave = pixels(step=step)
    flux = 1 + np.random.default_rng(2).normal(size=wave.size) / (100 * np.sqrt(step))
    found = measure_snr(wave, flux, None, np.ones(wave.size, bool), power)
    assert np.mean([s.from_pixels for s in found]) == pytest.approx(100, rel=0.04)


def test_snr_hardly_grows_when_a_pipeline_interpolates_to_finer_pixels():
    flux, fine = observed(SUN, WAVE, 0.0, 100.0), pixels(step=0.01)[20:-20]
    fine_flux = np.interp(fine, WAVE, flux)
    found = measure_snr(fine, fine_flux, None, np.ones(fine.size, bool), 60_000.0)
    assert [s.value for s in found] == pytest.approx([140, 140], rel=0.3)
    neighbours = 1 / (np.median(np.abs(np.diff(fine_flux))) * 1.48 / np.sqrt(2) * np.sqrt(0.01))
    assert neighbours > 250


def test_error_column_is_used_only_when_the_pixels_agree_with_it():
    flux = observed(SUN, WAVE, 0.0, 100.0)
    sigma = 1 / (100 * np.sqrt(np.median(np.diff(WAVE))))
    believed = measure_snr(WAVE, flux, np.full(WAVE.size, sigma), np.ones(WAVE.size, bool), 60_000.0)
    refused = measure_snr(WAVE, flux, np.full(WAVE.size, sigma / 20), np.ones(WAVE.size, bool), 60_000.0)
    assert all("error column, which agrees" in s.source and s.value == pytest.approx(100, rel=0.1) for s in believed)
    assert all("disagrees" in s.source and s.value == pytest.approx(100, rel=0.2) for s in refused)
