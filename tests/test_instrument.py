"""The instrument's constants: windows, pixels, noise, resolving power and coverage."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core import instrument
from cinn_core.instrument import ARMS, LITHIUM_ANGSTROM, N_BLOCKS, N_COVERAGE, N_PIXELS, WAVELENGTH, coverage_input


def test_windows_are_the_green_and_red_arms_of_4most():
    assert [(arm.name, arm.low, arm.high) for arm in ARMS] == [("green", 5160, 5730), ("red", 6100, 6790)]


def test_pixels_of_a_tenth_of_an_angstrom_fill_each_window():
    assert N_PIXELS == 5700 + 6900
    for arm in ARMS:
        assert arm.edges[0] == arm.low
        assert arm.edges[-1] == pytest.approx(arm.high, abs=1e-9)
        np.testing.assert_allclose(np.diff(arm.edges), 0.1, atol=1e-9)
        np.testing.assert_allclose(arm.wavelength, 0.5 * (arm.edges[1:] + arm.edges[:-1]), atol=1e-9)


def test_grid_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        WAVELENGTH[0] = 0.0


def test_slices_of_the_arms_share_out_all_pixels():
    slices = instrument.arm_slices()
    assert slices[0].start == 0
    assert slices[-1].stop == N_PIXELS
    for arm, part in zip(ARMS, slices, strict=True):
        np.testing.assert_array_equal(WAVELENGTH[part], arm.wavelength)


def test_blocks_are_50_angstrom_wide_and_never_cross_arms():
    blocks = instrument.block_of_pixel()
    assert [arm.n_blocks for arm in ARMS] == [12, 14]
    np.testing.assert_array_equal(np.unique(blocks), np.arange(N_BLOCKS))
    for block in range(N_BLOCKS):
        inside = WAVELENGTH[blocks == block]
        assert np.ptp(inside) < 50.0


def test_noise_of_a_pixel_at_snr_250_is_1_26_percent():
    assert float(instrument.pixel_sigma(250.0)) == pytest.approx(0.01265, abs=1e-5)


def test_mean_of_ten_pixels_has_the_noise_of_one_angstrom():
    assert float(instrument.pixel_sigma(100.0)) / np.sqrt(10) == pytest.approx(1 / 100)


def test_line_spread_function_is_15_kms_wide():
    assert float(instrument.fwhm_kms(instrument.RESOLVING_POWER)) == pytest.approx(14.99, abs=0.01)
    assert float(instrument.fwhm_kms(60_000.0)) == pytest.approx(instrument.MODEL_FWHM_KMS, abs=0.01)


def test_a_complete_spectrum_is_covered():
    good = np.ones(N_PIXELS, bool)
    np.testing.assert_array_equal(instrument.block_coverage(good), np.ones(N_BLOCKS))
    np.testing.assert_array_equal(instrument.arm_coverage(good), np.ones(len(ARMS)))


def test_a_gap_lowers_the_coverage_of_its_own_blocks_alone():
    good = ~((WAVELENGTH > 5304) & (WAVELENGTH < 5337))  # the gap between the detectors of HARPS
    coverage = instrument.block_coverage(good)
    assert coverage[2] == pytest.approx(1 - 6 / 50)  # 5260-5310
    assert coverage[3] == pytest.approx(1 - 27 / 50)  # 5310-5360
    assert np.delete(coverage, [2, 3]) == pytest.approx(1.0)


def test_coverage_of_an_arm_is_the_mean_of_its_blocks():
    rng = np.random.default_rng(5)
    good = rng.random((7, N_PIXELS)) < rng.random((7, 1))
    blocks, arms = instrument.block_coverage(good), instrument.arm_coverage(good)
    np.testing.assert_allclose(arms, np.stack([blocks[:, :12].mean(1), blocks[:, 12:].mean(1)], 1))


def test_a_missing_arm_has_no_coverage():
    good = WAVELENGTH < 6000
    assert instrument.arm_coverage(good).tolist() == [1.0, 0.0]


def test_gap_over_the_lithium_line_is_told_by_itself() -> None:
    good = np.ones(N_PIXELS, bool)
    assert (coverage_input(good) == 1).all()
    good[np.abs(WAVELENGTH - LITHIUM_ANGSTROM) < 1] = False
    told = coverage_input(good)
    assert told.shape == (N_COVERAGE,)
    assert told[-1] == 0
    assert told[:-1].min() > 0.95, "the 50 Angstrom block hardly shows it"
