"""Air or vacuum where a file does not say: never wrong, decided where its lines can tell, else with both readings."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from made_up_observers import Observed, tellurics
from synthetic import labels_of, observed, pixels, spectrum_of, templates

from cinn_core.preparation.fourmost import begin, measure_frame, prepare
from cinn_core.preparation.medium import other_reading
from cinn_core.preparation.telluric import AIR_KMS, air_gain, find_telluric
from cinn_core.stages import Medium, Spectrum

BOTH, RED = (5140.0, 6810.0), (6080.0, 6810.0)


@lru_cache(maxsize=1)
def verdicts() -> list[tuple[Observed, str]]:
    return [(one, one.verdict(templates())) for one in (Observed(number) for number in range(24))]


def test_medium_of_made_up_stars_is_never_wrong():
    assert [one for one, verdict in verdicts() if verdict == "wrong"] == []


@pytest.mark.parametrize(("arms", "share"), [("both", 0.9), ("red", 0.8)])
def test_medium_is_decided_where_lines_can_tell(arms, share):
    found = [verdict for one, verdict in verdicts() if one.arms == arms]
    assert len(found) >= 5
    assert np.mean([verdict == "right" for verdict in found]) >= share


def spectrum(
    rv: float, true: Medium, span: tuple[float, float] = BOTH, air_kms: float | None = 0.0, **more
) -> Spectrum:
    wave = pixels(*span)
    flux = observed(more.pop("labels", labels_of()), wave, rv, more.pop("snr", 150.0), true)
    if air_kms is not None:
        flux = flux * tellurics(wave, true, air_kms, oxygen=1.2, water=0.7, power=60_000.0)
    return spectrum_of(wave, flux, **({"medium": Medium.UNKNOWN} | more))


def medium_step(one: Spectrum):
    return next(s for s in reversed(prepare(one, templates()).steps) if s.name == "medium")


@pytest.mark.parametrize("medium", [Medium.AIR, Medium.VACUUM])
def test_red_arm_alone_is_decided_by_the_air_at_rest(medium):
    vector = prepare(spectrum(-30.0, medium, RED), templates())
    assert vector.rv_kms == pytest.approx(-30.0, abs=0.5)
    assert "medium_guessed" in vector.flags
    assert other_reading(vector.steps) is None


def test_red_arm_without_the_air_is_undecided_with_both_readings_in_words():
    vector = prepare(spectrum(-41.5, Medium.VACUUM, RED, air_kms=None), templates())
    step = next(s for s in vector.steps if s.name == "medium")
    other = other_reading(vector.steps)
    assert step.numbers["decided"] == "no"
    assert other is not None
    assert sorted([vector.rv_kms, other[1]]) == pytest.approx([-41.5, 41.5], abs=0.7)
    assert "83 km/s off" in step.reason
    assert f"{other[1]:.1f} km/s" in step.reason


def test_telluric_velocity_that_is_impossible_does_not_count_against_a_medium():
    """Arms that agree in air, a metal-poor star at rest, no telluric lines at all: nothing speaks for -84 km/s."""
    metal_poor = labels_of(5600, 4.3, -2.3, 1.4, 4.0, mg_fe=0.3, ca_fe=0.3)
    frame = measure_frame(begin(spectrum(-1.0, Medium.AIR, air_kms=None, labels=metal_poor, snr=590.0)), templates())
    assert frame.medium is Medium.AIR
    assert frame.velocity.kms == pytest.approx(-1.0, abs=0.5)


def test_velocity_of_the_air_beyond_what_is_possible_is_not_found():
    wave = pixels(*RED)
    flux = tellurics(wave, Medium.AIR, -415.0, oxygen=1.2, water=0.7, power=60_000.0)
    flux = flux + np.random.default_rng(3).normal(0, 0.01, wave.size)
    assert not find_telluric(wave, flux, np.ones(wave.size, bool)).clear


def test_gain_peaks_at_the_velocity_of_the_air_in_each_band():
    for span in ((6200.0, 6400.0), (6830.0, 6960.0), (7550.0, 7750.0), (6400.0, 6600.0)):
        wave = pixels(*span)
        flux = tellurics(wave, Medium.AIR, 21.0, oxygen=1.0, water=1.0, power=60_000.0)
        flux = flux + np.random.default_rng(5).normal(0, 0.02, wave.size)
        gain = air_gain(wave, flux, np.ones(wave.size, bool), 60_000.0, np.zeros(wave.size))
        assert AIR_KMS[gain.argmax()] == pytest.approx(21.0, abs=1.0), span


@pytest.mark.parametrize("told", [Medium.AIR, Medium.VACUUM])
def test_what_a_file_says_is_believed_where_its_data_agree(told):
    vector = prepare(spectrum(17.0, told, medium=told), templates())
    assert vector.rv_kms == pytest.approx(17.0, abs=0.4)
    assert "medium_guessed" not in vector.flags


@pytest.mark.parametrize("told", [Medium.AIR, Medium.VACUUM])
def test_what_a_file_says_is_not_believed_against_clear_data_and_a_flag_says_so(told):
    true = Medium.VACUUM if told is Medium.AIR else Medium.AIR
    one = spectrum(17.0, true, medium=told)
    vector = prepare(one, templates())
    assert vector.rv_kms == pytest.approx(17.0, abs=0.4)
    assert "medium_guessed" in vector.flags
    assert f"the file says {told.value}" in medium_step(one).reason
