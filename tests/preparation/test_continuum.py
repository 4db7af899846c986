"""Continuum: exact for a template, unbiased for other stars, untouched by what lines, gaps and Halpha do."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import forward, templates

from cinn_core import prior
from cinn_core.evaluation.continuum import label_shifts
from cinn_core.instrument import ARMS, N_PIXELS, WAVELENGTH, arm_slices, pixel_sigma
from cinn_core.preparation.continuum import coarse_continuum, fit_continuum, legendre_modes
from cinn_core.targets import COLUMN


def smooth_continuum(n: int, seed: int, size: float = 0.05) -> np.ndarray:
    """Random continua (n, N_PIXELS): 1 and five more modes an arm of amplitude `size`."""
    modes = legendre_modes()
    amplitudes = np.random.default_rng(seed).normal(0, size, (n, modes.shape[1]))
    amplitudes[:, ::6] = 1
    return amplitudes @ modes.T


def stars(n: int, seed: int) -> np.ndarray:
    """Labels (n, 26) of slow rotators of 4500-6800 K from the prior."""
    labels = prior.draw(40 * n, np.random.default_rng(seed))
    teff, vbroad = labels[:, COLUMN["teff"]], labels[:, COLUMN["vbroad"]]
    return labels[(teff > 4500) & (teff < 6800) & (vbroad < 30)][:n]


def test_template_itself_has_continuum_one():
    flux = templates().flux
    fitted = fit_continuum(flux, np.ones(flux.shape, bool), flux)
    assert np.abs(fitted - 1).max() < 1e-3


def test_template_times_a_smooth_continuum_gives_that_continuum():
    truth = smooth_continuum(20, 1)
    flux = templates().flux[::13][:20] * truth
    fitted = fit_continuum(flux, np.ones(flux.shape, bool), templates().flux)
    assert np.abs(fitted / truth - 1).max() < 2e-3


def test_continuum_of_other_stars_at_snr_50_is_right_to_half_a_percent_and_unbiased():
    flux, truth = forward().flux(stars(60, 2)), smooth_continuum(60, 3)
    noisy = truth * (flux + pixel_sigma(50) * np.random.default_rng(4).normal(size=flux.shape))
    fitted = fit_continuum(noisy, np.ones(flux.shape, bool), templates().flux)
    assert np.sqrt(np.mean((fitted / truth - 1) ** 2)) < 0.005
    assert abs(np.mean(fitted / truth - 1)) < 0.001


def test_answer_after_the_fit_is_that_after_the_true_continuum_to_a_third_of_a_sigma(model):
    shifts = label_shifts(model, 20, snr=100.0, seed=1, n_samples=256)
    assert max(shifts.values()) < 0.3


def test_continuum_does_not_depend_on_the_scale_of_the_flux():
    flux = forward().flux(stars(3, 5))
    one, three = (fit_continuum(s * flux, np.ones(flux.shape, bool), templates().flux) / s for s in (1.0, 3.0))
    assert np.abs(one / three - 1).max() < 0.003


def test_one_star_alone_and_in_a_batch_have_the_same_continuum():
    flux = forward().flux(stars(70, 6)) * smooth_continuum(70, 7)
    good = np.random.default_rng(8).random(flux.shape) > 0.1
    together = fit_continuum(flux, good, templates().flux)
    alone = fit_continuum(flux[66:67], good[66:67], templates().flux)
    assert np.abs(together[66] / alone[0] - 1).max() < 1e-4


def test_bad_pixels_and_the_core_of_halpha_have_no_say():
    flux = forward().flux(stars(2, 9))
    good = np.ones(flux.shape, bool)
    clean = fit_continuum(flux, good, templates().flux)
    spoilt = flux.copy()
    spoilt[:, 700:900], good[:, 700:900] = 40.0, False
    core = np.abs(WAVELENGTH - 6562.8) < 2.9
    spoilt[:, core] = 1.4
    spoilt[0, 50] = np.nan
    assert np.abs(fit_continuum(spoilt, good, templates().flux) / clean - 1).max() < 0.004


def test_arm_without_data_is_left_at_one_and_does_not_spoil_the_other():
    flux, good = forward().flux(stars(2, 10)), np.ones((2, N_PIXELS), bool)
    green, red = arm_slices()
    both = fit_continuum(flux, good, templates().flux)
    good[:, red] = False
    fitted = fit_continuum(flux, good, templates().flux)
    assert np.abs(fitted[:, red] - 1).max() < 0.05
    assert np.abs(fitted[:, green] / both[:, green] - 1).max() < 0.01


@pytest.mark.parametrize("arm", ARMS, ids=["green", "red"])
def test_coarse_continuum_takes_out_a_blaze_slope_to_a_few_percent(arm):
    pixels = arm_slices()[ARMS.index(arm)]
    labels = stars(6, 11)
    for flux in forward().flux(labels)[:, pixels]:
        x = np.linspace(-1, 1, flux.size)
        slope = 2.4e-13 * (1 + 0.4 * x - 0.3 * x**2)
        noisy = slope * (flux + 0.01 * np.random.default_rng(12).normal(size=flux.size))
        continuum, normalised = coarse_continuum(arm.wavelength, noisy, np.ones(flux.size, bool))
        assert not normalised
        assert np.percentile(np.abs(continuum / slope - 1), 90) < 0.08


def test_coarse_continuum_leaves_a_normalised_spectrum_alone():
    arm, flux = ARMS[1], forward().flux(stars(1, 13))[0, arm_slices()[1]]
    continuum, normalised = coarse_continuum(arm.wavelength, flux, np.ones(flux.size, bool))
    assert normalised
    assert np.all(continuum == 1)
