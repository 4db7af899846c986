"""Line formation: opacity and source function with departures, and the formal solution."""

from __future__ import annotations

import numpy as np

from cinn_core.nlte.line_profile import emergent_flux, opacity_over_lte, source_over_planck

X = np.array([2.0, 4.0, 8.0])


def test_without_departures_a_line_is_in_lte():
    ones = np.ones(3)
    np.testing.assert_allclose(opacity_over_lte(ones, ones, X), 1.0, rtol=1e-14)
    np.testing.assert_allclose(source_over_planck(ones, ones, X), 1.0, rtol=1e-14)


def test_equal_departures_weaken_the_line_and_leave_its_source_function():
    b = np.full(3, 0.6)
    np.testing.assert_allclose(opacity_over_lte(b, b, X), 0.6, rtol=1e-14)
    np.testing.assert_allclose(source_over_planck(b, b, X), 1.0, rtol=1e-14)


def test_in_the_wien_limit_the_source_function_is_that_of_the_upper_level_over_the_lower():
    b_lower, b_upper, x = np.array([0.9]), np.array([0.5]), np.array([30.0])
    np.testing.assert_allclose(source_over_planck(b_lower, b_upper, x), 0.5 / 0.9, rtol=1e-12)
    np.testing.assert_allclose(opacity_over_lte(b_lower, b_upper, x), 0.9, rtol=1e-12)


def test_emission_follows_the_upper_level_alone():
    x = np.array([3.0])
    emission = [
        opacity_over_lte(np.array([low]), np.array([0.7]), x) * source_over_planck(np.array([low]), np.array([0.7]), x)
        for low in (0.5, 1.0, 1.5)
    ]
    np.testing.assert_allclose(emission, 0.7, rtol=1e-12)


def test_eddington_and_barbier_hold_for_a_linear_source_function():
    # opacity exp(-z): optical depth exp(-z) too; S = 1 + 2 tau gives the flux 1/2 + 2/3 (in units of 2 pi)
    height = np.linspace(14.0, -4.0, 400)
    tau = np.exp(-height)
    opacity, source = tau[None, :], (1 + 2 * tau)[None, :]
    flux = emergent_flux(opacity, source, height)
    np.testing.assert_allclose(flux, 0.5 + 2 / 3, rtol=2e-3)  # four angles, 400 depths
