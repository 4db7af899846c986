"""Errors drawn for simulated spectra: continuum, model, missing pixels."""

from __future__ import annotations

import numpy as np

from cinn_core.forward_model.model_error import HALPHA_ANGSTROM, HALPHA_CORE_ANGSTROM, halpha_bumps
from cinn_core.forward_model.realism import (
    CONTINUUM_ERROR,
    RIPPLE_ANGSTROM,
    continuum_errors,
    draw_good_pixels,
    model_errors,
    ripple_shapes,
)
from cinn_core.instrument import N_PIXELS, WAVELENGTH, arm_coverage, arm_slices


def test_continuum_errors_are_smooth_and_one_percent() -> None:
    factors = continuum_errors(300, np.random.default_rng(0))
    assert abs((factors - 1).std() / CONTINUUM_ERROR - 1) < 0.1
    assert np.abs(np.diff(factors[:, :5700], axis=1)).max() < 1e-3


def test_ripples_of_the_continuum_have_the_stated_size_and_length() -> None:
    ripples = np.random.default_rng(0).standard_normal((400, len(ripple_shapes()))) @ ripple_shapes()
    assert np.allclose(ripples.std(0), 1, atol=0.2)  # 400 draws: 3.5 % a sigma, 5730 and 6900 pixels
    apart = round(RIPPLE_ANGSTROM / 0.1)
    blue = ripples[:, arm_slices()[0]]
    near, far = ((blue[:, :-n] * blue[:, n:]).mean() for n in (apart, 6 * apart))
    assert abs(near - np.exp(-0.25)) < 0.05, "a Gaussian kernel of sigma s correlates as exp(-x² / 4 s²)"
    assert abs(far) < 0.05


def test_a_continuum_drawn_through_halpha_wings_is_wrong_there_alone() -> None:
    wings = 1 - 0.4 / (1 + ((WAVELENGTH - HALPHA_ANGSTROM) / 6) ** 2)
    metals = np.where(np.arange(N_PIXELS) % 20 < 8, 0.7, 1.0)  # every 2 Angstrom a line
    bumps = halpha_bumps(np.stack([wings, metals]).astype(np.float32))
    near = np.abs(WAVELENGTH - HALPHA_ANGSTROM) < 5
    assert (bumps[:, 0, near] > 0.03).all()
    assert np.abs(bumps[:, 0, np.abs(WAVELENGTH - HALPHA_ANGSTROM) > 100]).max() == 0
    assert np.abs(bumps[:, 1]).max() == 0, "lines of metals are not taken for a blaze"


def test_model_errors_vanish_where_there_is_no_line() -> None:
    flux = np.ones((2, N_PIXELS), np.float32)
    flux[:, 3000:3100] = 0.3
    errors = model_errors(flux, np.random.default_rng(1))
    assert np.abs(errors[:, :2900]).max() == 0
    assert np.abs(errors[:, 3000:3100]).max() > 0.002


def test_patterns_of_missing_pixels_are_those_of_real_files() -> None:
    rng = np.random.default_rng(2)
    patterns = np.array([draw_good_pixels(rng) for _ in range(400)])
    complete = patterns.all(1).mean()
    assert 0.18 < complete < 0.36
    core = np.abs(WAVELENGTH - HALPHA_ANGSTROM) < HALPHA_CORE_ANGSTROM
    assert not patterns[~patterns.all(1)][:, core].any(), "Halpha's core is never used in a real spectrum"
    telluric = (WAVELENGTH > 6290) & (WAVELENGTH < 6305)
    assert 0.5 < (~patterns[:, telluric].any(1)).mean() < 0.9
    assert (arm_coverage(patterns) < 0.01).any(), "some stars lack a whole arm"
    assert patterns.mean(1).min() > 0.1
