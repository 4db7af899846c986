"""The whole chain from a file's spectrum to 4MOST's: the same star ends as the same flux vector, whatever the file was like."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from synthetic import forward, labels_of, observed, pixels, spectrum_of, templates

from cinn_core.errors import SpectrumError
from cinn_core.forward_model.model_error import HALPHA_ANGSTROM, HALPHA_CORE_ANGSTROM, shipped_model_error
from cinn_core.instrument import TELLURIC_OXYGEN, WAVELENGTH
from cinn_core.overrides import Overrides
from cinn_core.preparation.fourmost import prepare, prepare_many
from cinn_core.readers import read
from cinn_core.stages import FluxVector, Medium, Spectrum

WAVE = pixels()
SUN = labels_of()


def truth() -> np.ndarray:
    return forward().flux(SUN[None])[0]


def spectrum(rv: float = 0.0, **more) -> Spectrum:
    snr = more.pop("snr", 400.0)
    medium = more.get("medium", Medium.AIR)
    return spectrum_of(WAVE, observed(SUN, WAVE, rv, snr, medium), **more)


def assert_is_the_sun(vector, tolerance: float = 0.006) -> None:
    difference = (vector.flux - truth())[vector.good]
    assert np.sqrt(np.mean(difference**2)) < tolerance
    assert abs(np.mean(difference)) < 0.002


def forward_at(labels: np.ndarray, power: float) -> np.ndarray:
    """The star at another resolving power on WAVE, in air and at rest."""
    model = forward()
    row = torch.as_tensor(labels[None], dtype=torch.float32)
    native = model.torch_native_flux(row, resolving_power=torch.tensor([power])).detach().numpy()[0]
    flux = np.ones(WAVE.size)
    for part in model.arms:
        grid = model.model_wavelength[part]
        inside = (grid[0] < WAVE) & (grid[-1] > WAVE)
        flux[inside] = CubicSpline(grid, native[part])(WAVE[inside])
    return flux


def test_solar_star_at_rest_comes_out_as_the_model_at_4most_resolution():
    vector = prepare(spectrum(), templates())
    assert_is_the_sun(vector)
    assert abs(vector.rv_kms) < 0.1
    assert vector.flags == ()
    assert vector.noise_fwhm_kms == pytest.approx(14.13, abs=0.02)


def test_vacuum_file_lands_on_air_rest_frame():
    vector = prepare(spectrum(-71.5, medium=Medium.VACUUM), templates())
    assert vector.rv_kms == pytest.approx(-71.5, abs=0.1)
    assert_is_the_sun(vector)


@pytest.mark.parametrize("medium", [Medium.AIR, Medium.VACUUM])
def test_medium_a_file_does_not_tell_is_found_from_its_velocities_and_flagged(medium):
    flux = observed(SUN, WAVE, 15.0, 300.0, medium)
    vector = prepare(spectrum_of(WAVE, flux, medium=Medium.UNKNOWN), templates())
    assert vector.rv_kms == pytest.approx(15.0, abs=0.3)
    assert "medium_guessed" in vector.flags
    assert_is_the_sun(vector)


def test_instrument_response_disappears():
    x = np.linspace(-1, 1, WAVE.size)
    response = 3e-14 * (1 + 0.5 * x + 0.2 * np.sin(3 * x))
    star = spectrum_of(WAVE, observed(SUN, WAVE, 60.0, 400.0) * response)
    assert_is_the_sun(prepare(star, templates()))


def test_gap_and_cosmic_ray_are_missing_and_telluric_oxygen_goes_with_the_observer():
    flux, good = observed(SUN, WAVE, 100.0, 400.0), (WAVE < 5304) | (WAVE > 5337)
    hit = np.searchsorted(WAVE, 5450.0)
    flux[hit : hit + 3] += 5.0
    vector = prepare(spectrum_of(WAVE, np.where(good, flux, 0.0), good=good), templates())
    missing = WAVELENGTH[~vector.good & ~shipped_model_error().masked]
    red = missing[missing > 6000]
    shifted = np.array(TELLURIC_OXYGEN) / (1 + 100 / 299792.458)
    assert red.min() == pytest.approx(shifted[0], abs=0.1)
    assert red.max() == pytest.approx(shifted[1], abs=0.1)
    assert np.any(np.abs(missing - 5450 / (1 + 100 / 299792.458)) < 0.1)
    assert np.any((missing > 5305) & (missing < 5330))
    assert_is_the_sun(vector)


def test_core_of_halpha_is_missing_to_the_network_and_its_wings_are_not():
    vector = prepare(spectrum(), templates())
    distance = np.abs(WAVELENGTH - HALPHA_ANGSTROM)
    assert not vector.good[distance < HALPHA_CORE_ANGSTROM].any()
    assert vector.good[(distance > 2) & (distance < 10)].mean() > 0.9


def test_given_velocity_and_snr_are_used_as_they_are():
    vector = prepare(spectrum(30.0), templates(), Overrides(velocity=30.0, snr=120.0))
    assert vector.rv_kms == 30.0
    assert vector.snr == (120.0, 120.0)
    assert_is_the_sun(vector)


def test_what_cannot_be_prepared_is_refused_in_a_sentence():
    blue = pixels(3400, 5050)
    with pytest.raises(SpectrumError, match="the model needs 5160-5730 and 6100-6790"):
        prepare(spectrum_of(blue, np.ones(blue.size)), templates())
    with pytest.raises(SpectrumError, match="resolving power 12000"):
        prepare(spectrum(resolving_power=12_000.0), templates())
    with pytest.raises(SpectrumError, match="below 5 nothing"):
        prepare(spectrum(snr=3.0), templates())


@pytest.mark.parametrize("power", [33_000.0, 38_000.0, 45_000.0])
def test_resolving_power_that_a_file_does_not_tell_is_measured_from_the_lines(power):
    native = forward_at(labels_of(5400, 4.4, -0.3, vbroad=3), power)
    star = spectrum_of(WAVE, native + 0.003 * np.random.default_rng(1).normal(size=WAVE.size), resolving_power=None)
    vector = prepare(star, templates())
    assert vector.native_resolving_power == pytest.approx(power, rel=0.35)
    told = [s for s in vector.steps if s.name == "native resolving power"][-1]
    assert told.numbers["R_assumed"] > told.numbers["R"]


@pytest.mark.parametrize("power", [22_000.0, 28_000.0, 40_000.0, 60_000.0])
def test_star_of_vbroad_1_comes_to_resolving_power_20000_within_three_percent(power):
    labels = labels_of(vbroad=1.0)
    vector = prepare(
        spectrum_of(WAVE, forward_at(labels, power), resolving_power=power), templates(), Overrides(snr=500.0)
    )
    trial = np.linspace(18_000, 22_000, 41)
    rows = torch.as_tensor(np.repeat(labels[None], trial.size, 0), dtype=torch.float32)
    with torch.no_grad():
        models = forward().torch_flux(rows, resolving_power=torch.as_tensor(trial, dtype=torch.float32)).numpy()
    misfit = ((models - vector.flux)[:, vector.good] ** 2).sum(1)
    assert trial[misfit.argmin()] == pytest.approx(20_000, rel=0.03)


def test_green_arm_alone_is_prepared_and_flagged():
    part = WAVE < 5900
    vector = prepare(spectrum_of(WAVE[part], observed(SUN, WAVE, 5.0, 400.0)[part]), templates())
    assert {"missing_arm", "partial_coverage"} <= set(vector.flags)
    assert np.isnan(vector.snr[1])
    assert vector.coverage == pytest.approx((1, 0), abs=0.01)  # a few pixels are never used
    assert_is_the_sun(vector)


def test_star_without_lines_is_flagged_and_kept_at_rest():
    flux = 1 + 0.01 * np.random.default_rng(3).normal(size=WAVE.size)
    vector = prepare(spectrum_of(WAVE, flux), templates())
    assert "rv_uncertain" in vector.flags
    assert vector.rv_kms == 0


def test_light_of_two_velocities_is_flagged():
    flux = np.where(WAVE < 6000, observed(SUN, WAVE, 0.0), observed(SUN, WAVE, 3.0))
    assert "arms_disagree" in prepare(spectrum_of(WAVE, flux), templates()).flags


def test_order_ripples_that_six_modes_cannot_follow_are_flagged():
    ripple = 1 + 0.05 * np.sin(2 * np.pi * WAVE / 45)
    rippled = prepare(spectrum_of(WAVE, observed(SUN, WAVE, 0.0, 400.0) * ripple), templates())
    assert "continuum_poor" in rippled.flags
    assert "continuum_poor" not in prepare(spectrum(), templates()).flags


def test_ledger_tells_every_step_with_its_numbers():
    names = [step.name for step in prepare(spectrum(), templates()).steps]
    for part in (
        "resolving power",
        "coarse continuum",
        "velocity",
        "signal to noise",
        "degrade and rebin",
        "mask",
        "continuum",
    ):
        assert any(part in name for name in names), part


def test_one_spectrum_takes_less_than_a_second_of_one_core():
    star, spent = spectrum(), []
    prepare(star, templates())
    for _ in range(3):
        start = time.process_time()
        prepare(star, templates())
        spent.append(time.process_time() - start)
    assert min(spent) < 1.0  # the others' load lengthens the rest


def test_spectrum_blended_of_two_stars_has_arms_that_disagree(shared):
    path = shared / "spectra" / "ADP_alphacenb_snr708_UVES_07.630g.fits"
    assert "arms_disagree" in prepare(read(path), templates()).flags


def test_benchmark_sun_agrees_with_the_model_of_the_sun(shared):
    vector = prepare(read(shared / "spectra" / "HARPS.Archive_Sun-4_norm.fits"), templates())
    difference = (vector.flux - truth())[vector.good]
    assert np.median(np.abs(difference)) < 0.01


def test_batched_preparation_equals_the_single_one_within_a_thousandth(model, examples) -> None:
    """Spectra on one grid and on another, whole, with gaps, with a spike, and with one arm."""
    spectra = [read(path) for path in examples.values()]
    for i, one in enumerate(list(spectra)):
        missing = (one.wavelength > 5300 + 20 * i) & (one.wavelength < 5303 + 35 * i)
        spiky = one.flux * np.where(np.arange(one.flux.size) == 4000 + 31 * i, 3.0, 1.0)
        spectra += [
            replace(one, good=one.good & ~missing),
            replace(one, flux=spiky),
            replace(one, wavelength=one.wavelength * (1 + 1e-5 * (i % 2))),
        ]
    spectra.append(replace(spectra[0], good=spectra[0].good & (spectra[0].wavelength > 6000)))
    for spectrum, vector in zip(spectra, prepare_many(spectra, model.templates), strict=True):
        assert isinstance(vector, FluxVector)
        alone = prepare(spectrum, model.templates)
        np.testing.assert_array_equal(vector.good, alone.good)
        assert np.nanmax(np.abs(vector.flux - alone.flux)) < 1e-3
        assert vector.flags == alone.flags
        assert vector.rv_kms == pytest.approx(alone.rv_kms, abs=1e-6)  # km/s; rounding alone
        np.testing.assert_allclose(vector.snr, alone.snr, rtol=1e-9)
