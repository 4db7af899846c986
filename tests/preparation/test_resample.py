"""Degrading and rebinning: flux conserved, width right, missing pixels remembered."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from cinn_core.errors import SpectrumError
from cinn_core.instrument import ARMS, FWHM_PER_SIGMA, SPEED_OF_LIGHT_KMS, WAVELENGTH, fwhm_kms
from cinn_core.preparation.resample import remainder_fwhm, to_instrument, without_gaps
from cinn_core.rebin import covered

WAVE = 5140 + 0.012 * np.arange(139_000)
EVERYWHERE = np.ones(WAVE.size, bool)


def line(centre: float, fwhm_kms_: float, depth: float = 0.6) -> np.ndarray:
    sigma = centre * fwhm_kms_ / SPEED_OF_LIGHT_KMS / FWHM_PER_SIGMA
    return 1 - depth * np.exp(-0.5 * ((WAVE - centre) / sigma) ** 2)


def blended_star(wave: np.ndarray, power: float, pixel: float = 0.0) -> np.ndarray:
    """A star of some 1400 thermal lines (FWHM 4 km/s: vbroad 1) at a resolving power, in closed form; means over pixels where wide."""
    random = np.random.default_rng(11)
    flux = np.ones(wave.size)
    for centre, depth in zip(random.uniform(5140, 6810, 1400), random.uniform(0.02, 0.5, 1400), strict=True):
        sigma = np.hypot(4.0, float(fwhm_kms(power))) / FWHM_PER_SIGMA / SPEED_OF_LIGHT_KMS * centre
        area = depth * 4.0 / FWHM_PER_SIGMA / SPEED_OF_LIGHT_KMS * centre
        low, high = np.searchsorted(wave, (centre - 6 * sigma, centre + 6 * sigma))
        x = wave[low:high] - centre
        if pixel:
            ends = ndtr((x + pixel / 2) / sigma) - ndtr((x - pixel / 2) / sigma)
            flux[low:high] -= np.sqrt(2 * np.pi) * area * ends / pixel
        else:
            flux[low:high] -= area / sigma * np.exp(-0.5 * (x / sigma) ** 2)
    return flux


@pytest.mark.parametrize("centre", [5300.013, 6500.087])
def test_4most_smoothing_conserves_equivalent_width(centre):
    narrow = line(centre, 4.0)
    flux, good = to_instrument(WAVE, narrow, EVERYWHERE, 80_000)
    near = np.abs(WAVELENGTH - centre) < 5
    width = ((1 - narrow) * np.gradient(WAVE)).sum()
    assert good.all()
    assert ((1 - flux[near]) * 0.1).sum() == pytest.approx(width, rel=1e-4)


@pytest.mark.parametrize("power", [40_000.0, 60_000.0, 115_000.0])
def test_line_of_the_native_instrument_gets_4most_width(power):
    centre = 6500.05
    flux, _ = to_instrument(WAVE, line(centre, float(fwhm_kms(power))), EVERYWHERE, power)
    near = np.abs(WAVELENGTH - centre) < 3
    depth = 1 - flux[near]
    x = (WAVELENGTH[near] - centre) / centre * SPEED_OF_LIGHT_KMS
    sigma = np.sqrt((depth * x**2).sum() / depth.sum() - (0.1 / centre * SPEED_OF_LIGHT_KMS) ** 2 / 12)
    assert sigma * FWHM_PER_SIGMA == pytest.approx(float(fwhm_kms(20_000)), rel=0.01)


@pytest.mark.parametrize("power", [22_000.0, 28_000.0, 47_000.0, 80_000.0, 115_000.0])
def test_blended_star_of_any_native_resolving_power_comes_to_20000_within_three_percent(power):
    wave = np.arange(5140.0, 6810.0, 6000 / power / 3)
    flux, good = to_instrument(wave, blended_star(wave, power), np.ones(wave.size, bool), power)
    trial = np.arange(18_500, 21_600, 100)
    misfit = [((blended_star(WAVELENGTH, p, 0.1) - flux)[good] ** 2).sum() for p in trial]
    assert trial[int(np.argmin(misfit))] == pytest.approx(20_000, rel=0.03)


def test_spectrum_of_4most_resolution_is_not_smoothed_and_a_lower_one_refused():
    assert remainder_fwhm(20_000) == 0
    assert remainder_fwhm(18_600) == 0
    assert remainder_fwhm(21_400) == 0
    assert remainder_fwhm(1e9) == pytest.approx(14.99, abs=0.01)
    with pytest.raises(SpectrumError, match="resolution cannot be added"):
        remainder_fwhm(17_000)


def test_smooth_flux_is_not_distorted():
    slope = 1 + 1e-3 * (WAVE - 6000)
    flux, good = to_instrument(WAVE, slope, EVERYWHERE, 80_000)
    assert np.abs(flux - (1 + 1e-3 * (WAVELENGTH - 6000)))[good].max() < 2e-4


def test_spike_in_a_masked_pixel_leaks_nowhere():
    flux, good = line(5300.0, 8.0), EVERYWHERE.copy()
    spike = np.searchsorted(WAVE, 5310.0)
    clean = to_instrument(WAVE, flux, good, 80_000)[0]
    flux[spike], good[spike] = 400.0, False
    assert np.abs(to_instrument(WAVE, flux, good, 80_000)[0] - clean).max() < 1e-3


@pytest.mark.parametrize("zeros", [True, False], ids=["zero-filled", "pixels absent"])
def test_gap_is_missing_with_its_smeared_edges_and_nothing_else(zeros):
    inside = (WAVE > 5304) & (WAVE < 5337)
    flux = np.ones(WAVE.size)
    if zeros:
        flux[inside] = 0
        flux, good = to_instrument(WAVE, flux, ~inside, 115_000)
    else:
        flux, good = to_instrument(WAVE[~inside], flux[~inside], EVERYWHERE[~inside], 115_000)
    missing = WAVELENGTH[~good]
    assert 5303.4 < missing.min() < 5304.3
    assert 5336.7 < missing.max() < 5337.6
    assert np.allclose(flux[good], 1, atol=1e-6)


def test_pixels_beyond_the_file_are_missing():
    part = WAVE < 6500
    _, good = to_instrument(WAVE[part], np.ones(part.sum()), EVERYWHERE[part], 80_000)
    assert good[WAVELENGTH < 6499.5].all()
    assert not good[WAVELENGTH > 6500.5].any()
    none = WAVE < 5800
    _, good = to_instrument(WAVE[none], np.ones(none.sum()), EVERYWHERE[none], 80_000)
    assert not good[ARMS[0].n_pixels :].any()


def test_gap_in_wavelength_is_filled_with_bad_pixels():
    wave = np.concatenate([np.arange(5200, 5210, 0.1), np.arange(5215, 5220, 0.1)])
    native = without_gaps(wave, np.ones(wave.size), np.ones(wave.size, bool))
    assert np.diff(native.wavelength).max() < 0.2
    assert native.good.sum() == wave.size
    share = covered(native.wavelength, native.good, np.array([5205.0, 5206.0, 5211.0, 5214.0]))
    assert share == pytest.approx([1, 0.85, 0], abs=0.12)
