"""Radial velocity: recovered below the pixel, from either arm, in noise, and not claimed where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import POWER, labels_of, observed, pixels, spectrum_of, templates

from cinn_core.preparation.fourmost import prepare
from cinn_core.preparation.velocity import measure_velocity, settle_velocity, shift_to_rest

WAVE = pixels()


@pytest.mark.parametrize("rv", [-250.0, -20.37, 0.0, 83.1, 310.0])
def test_velocity_of_a_solar_star_is_recovered_to_a_tenth_of_a_kms(rv):
    flux = observed(labels_of(), WAVE, rv)
    found = measure_velocity(WAVE, flux, np.ones(WAVE.size, bool), POWER, templates())
    assert found.credible
    assert abs(found.kms - rv) < 0.1
    assert all(abs(kms - rv) < 0.2 for kms, _ in found.arms)


@pytest.mark.parametrize(
    "labels",
    [
        labels_of(4300, 1.5, -0.5, 1.6),
        labels_of(6500, 4.1, -0.1, 1.5, 60.0),
        labels_of(5500, 3.5, -2.4, 1.4, 5.0, mg_fe=0.4),
        labels_of(4100, 4.6, 0.1, 0.8),
    ],
    ids=["giant", "fast rotator", "metal-poor", "cool dwarf"],
)
def test_velocity_holds_over_the_parameter_range_at_snr_30(labels):
    flux = observed(labels, WAVE, 47.0, snr=30)
    found = measure_velocity(WAVE, flux, np.ones(WAVE.size, bool), POWER, templates())
    assert found.credible
    assert abs(found.kms - 47.0) < max(0.5, 4 * found.error_kms)


def test_one_arm_is_enough_for_a_velocity():
    flux, good = observed(labels_of(), WAVE, -33.0), WAVE > 6000
    found = measure_velocity(WAVE, flux, good, POWER, templates())
    assert found.credible
    assert abs(found.kms + 33.0) < 0.2
    assert np.isnan(found.arms[0][0])
    assert found.arms_difference == (0.0, float("inf"))


def test_gap_does_not_shift_the_velocity():
    flux, good = observed(labels_of(), WAVE, 12.0), (WAVE < 5300) | (WAVE > 5340)
    flux = np.where(good, flux, 0.0)
    assert abs(measure_velocity(WAVE, flux, good, POWER, templates()).kms - 12.0) < 0.1


def test_noise_without_lines_has_no_credible_velocity():
    for seed in range(4):
        flux = 1 + 0.02 * np.random.default_rng(seed).normal(size=WAVE.size)
        assert not measure_velocity(WAVE, flux, np.ones(WAVE.size, bool), POWER, templates()).credible


def test_flux_without_a_line_is_said_to_have_none():
    sky = np.abs(np.random.default_rng(7).normal(0.03, 0.01, WAVE.size))
    reasons = []
    for flux in (sky, observed(labels_of(), WAVE, 10.0, 5.0)):
        frame = measure_velocity(WAVE, flux, np.ones(WAVE.size, bool), POWER, templates())
        reasons.append(settle_velocity(frame, None)[2][0].reason)
    assert "no line of a star" in reasons[0]
    assert "no line" not in reasons[1]


def test_two_arms_of_different_velocity_are_told_apart():
    flux = np.where(WAVE < 6000, observed(labels_of(), WAVE, 0.0), observed(labels_of(), WAVE, 3.0))
    difference, error = measure_velocity(WAVE, flux, np.ones(WAVE.size, bool), POWER, templates()).arms_difference
    assert abs(difference + 3.0) < 0.3
    assert error < 0.2


@pytest.mark.parametrize(("separation", "share"), [(45.0, 0.3), (60.0, 0.2), (-100.0, 0.45)])
def test_two_stars_of_different_velocity_are_composite(separation, share):
    second = observed(labels_of(5200, 4.55, vmic=0.9), WAVE, 10 + separation, 100.0, seed=2)
    blend = spectrum_of(WAVE, (1 - share) * observed(labels_of(), WAVE, 10.0, 100.0) + share * second)
    vector = prepare(blend, templates())
    assert "composite" in vector.flags
    told = next(s.numbers for s in vector.steps if s.name == "second star")
    assert sorted((vector.rv_kms, told["rv_kms"])) == pytest.approx(sorted((10.0, 10.0 + separation)), abs=8)


@pytest.mark.parametrize(
    "labels",
    [labels_of(), labels_of(6500, 4.0, vbroad=70.0), labels_of(6400, 4.2, vbroad=30.0), labels_of(4300, 1.5, -0.5, 1.6),
     labels_of(5200, 2.5, -2.5, 1.6)],
)  # fmt: skip
def test_single_star_is_not_composite(labels):
    for snr in (15.0, 200.0):
        assert "composite" not in prepare(spectrum_of(WAVE, observed(labels, WAVE, -20.0, snr)), templates()).flags


def test_receding_light_returns_to_rest():
    assert shift_to_rest(np.array([5001.6678]), 100.0)[0] == pytest.approx(5000.0, abs=1e-3)
