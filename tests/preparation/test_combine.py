"""Exposures of one star added: S/N by squares, velocities one by one, outliers left out, nothing counted twice."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from synthetic import forward, labels_of, observed, pixels, spectrum_of, templates

from cinn_core.errors import SpectrumError
from cinn_core.instrument import WAVELENGTH
from cinn_core.overrides import Overrides
from cinn_core.preparation.combine import combine
from cinn_core.preparation.fourmost import prepare
from cinn_core.stages import FluxVector, Medium, Spectrum

WAVE = pixels()
SUN = labels_of()
VELOCITIES, SNRS = (-20.0, 5.0, 31.0), (70.0, 100.0, 140.0)
HIT = 5450.0
"""Where cosmic rays hit the second exposure [Angstrom at rest], below what a single exposure gives away."""


def exposure(number: int, medium: Medium = Medium.AIR, labels: np.ndarray = SUN) -> Spectrum:
    flux = observed(labels, WAVE, VELOCITIES[number], SNRS[number], medium, seed=10 + number)
    if number == 1:
        for shift in range(0, 60, 6):
            at = np.searchsorted(WAVE, (HIT + shift) * (1 + VELOCITIES[1] / 299_792.458))
            flux[at : at + 12] += 0.4 * (1 - flux[at : at + 12]).clip(0.0, 1.0) + 0.3
    one = spectrum_of(WAVE, flux, medium=medium)
    return replace(one, file=f"{number}.fits", sha256=f"{number:064d}")


@lru_cache(maxsize=1)
def total() -> FluxVector:
    return combine([exposure(0), exposure(1, Medium.VACUUM), exposure(2)], templates())


@lru_cache(maxsize=1)
def alone() -> tuple[FluxVector, ...]:
    return tuple(prepare(one, templates()) for one in (exposure(0), exposure(1, Medium.VACUUM), exposure(2)))


def test_signal_to_noise_of_the_sum_is_the_root_of_the_sum_of_squares():
    for i in range(2):
        assert total().snr[i] == pytest.approx(np.sqrt(sum(v.snr[i] ** 2 for v in alone())), rel=0.05)
        assert total().snr[i] == pytest.approx(np.sqrt(np.sum(np.square(SNRS))), rel=0.05)  # what they were made with


@pytest.mark.parametrize(
    "labels",
    [labels_of(4100, 1.2, 0.1, 1.7, 5.0), labels_of(5600, 4.3, -2.0, 1.4, 4.0, mg_fe=0.3, ca_fe=0.3)],
    ids=["cool giant", "metal-poor dwarf"],
)
def test_signal_to_noise_of_the_sum_is_over_the_continuum_whatever_the_lines(labels):
    """Lines of a cool giant leave no pixel at its continuum in the green; its S/N is that of the continuum all the same."""
    found = combine(
        [exposure(0, labels=labels), exposure(1, Medium.VACUUM, labels), exposure(2, labels=labels)], templates()
    )
    assert found.snr == pytest.approx([np.sqrt(np.sum(np.square(SNRS)))] * 2, rel=0.05)
    counted = next(s for s in found.steps if s.name == "combine").numbers
    assert counted["difference_over_noise"] == pytest.approx(1.0, abs=0.05)


def test_noise_of_the_sum_is_what_its_signal_to_noise_says():
    truth = forward().flux(SUN[None])[0]
    ratio = []
    for vector in (*alone(), total()):
        residual = (vector.flux - truth)[vector.good]
        ratio.append(np.median(np.abs(np.diff(residual))) * np.median(vector.snr))
    assert ratio[-1] == pytest.approx(np.mean(ratio[:-1]), rel=0.1)


def test_velocity_of_each_exposure_is_taken_out_by_itself():
    velocity = next(s for s in total().steps if s.name == "velocity")
    for i, kms in enumerate(VELOCITIES, 1):
        assert velocity.numbers[f"rv_{i}"] == pytest.approx(kms, abs=0.3)
    weights = 1 / np.array([v.rv_error_kms for v in alone()]) ** 2
    assert total().rv_kms == pytest.approx(np.average(VELOCITIES, weights=weights), abs=0.3)
    again = spectrum_of(WAVE, np.interp(WAVE, *_on_pixels(total())), resolving_power=20_000.0)
    assert prepare(again, templates(), Overrides(snr=100.0)).rv_kms == pytest.approx(0.0, abs=0.3)


def _on_pixels(vector: FluxVector) -> tuple[np.ndarray, np.ndarray]:
    return WAVELENGTH[vector.good], vector.flux[vector.good]


def test_cosmic_rays_of_one_exposure_are_left_out_of_the_sum():
    truth = forward().flux(SUN[None])[0]
    near = (np.abs(WAVELENGTH - HIT - 27) < 32) & total().good
    hit = np.abs(alone()[1].flux - truth)[near & alone()[1].good].max()
    assert np.abs(total().flux - truth)[near].max() < 0.35 * hit
    assert total().good[near].all()
    counted = next(s for s in total().steps if s.name == "combine").numbers
    assert counted["pixels_left_out_2"] >= 10
    assert counted["pixels_left_out_1"] + counted["pixels_left_out_3"] < 60


def test_ledger_holds_every_step_of_every_exposure():
    names = [s.name for s in total().steps]
    for i in (1, 2, 3):
        assert f"exposure {i}, velocity" in names
    assert total().file == "0.fits + 1.fits + 2.fits"
    assert len(total().sha256) == 64


def test_exposure_that_comes_twice_is_refused_under_whatever_name():
    one = exposure(0)
    with pytest.raises(SpectrumError, match="counted twice"):
        combine([one, replace(one, file="copy.fits")], templates())
    with pytest.raises(SpectrumError, match="counted twice"):
        combine([one, replace(one, file="copy.fits", sha256="f" * 64)], templates())


def test_exposure_and_a_sum_that_contains_it_are_refused():
    a, b = exposure(0), exposure(2)
    at_a = np.interp(WAVE, WAVE * (1 + (VELOCITIES[0] - VELOCITIES[2]) / 299_792.458), b.flux)
    both = replace(a, flux=0.5 * (a.flux + at_a), file="sum.fits", sha256="e" * 64)
    with pytest.raises(SpectrumError, match="share it"):
        combine([a, both], templates())


def test_other_star_is_refused_and_so_is_one_spectrum_alone_and_a_given_velocity():
    giant = exposure(2, labels=labels_of(4300, 1.6, -0.2, 1.6, 5.0))
    with pytest.raises(SpectrumError, match="not show the same star"):
        combine([exposure(0), giant], templates())
    with pytest.raises(SpectrumError, match="two or more"):
        combine([exposure(0)], templates())
    with pytest.raises(SpectrumError, match="each has its own"):
        combine([exposure(0), exposure(2)], templates(), Overrides(velocity=3.0))
