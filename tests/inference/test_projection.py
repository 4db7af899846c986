"""The projection: what it keeps, what it is blind to, and what missing pixels do to it."""

import numpy as np
import pytest

from cinn_core.inference.projection import Projection, continuum_modes, fit_projection, mask_projection
from cinn_core.instrument import ARMS, N_PIXELS, WAVELENGTH, arm_slices


def lines(rng: np.random.Generator, n: int) -> np.ndarray:
    """Toy spectra: the same forty lines with strengths that follow four hidden labels."""
    centres = rng.choice(WAVELENGTH, 40, replace=False)
    response = rng.random((4, 40))
    strength = 0.4 * rng.random((n, 4)) @ response / 4
    profiles = np.exp(-0.5 * ((WAVELENGTH - centres[:, None]) / 0.3) ** 2)
    return (1 - strength @ profiles).astype(np.float32)


@pytest.fixture(scope="module")
def spectra() -> np.ndarray:
    return lines(np.random.default_rng(1), 60)


@pytest.fixture(scope="module")
def projection(spectra: np.ndarray) -> Projection:
    return fit_projection(spectra, 4)


FULL = np.ones(N_PIXELS, bool)


def test_modes_and_components_are_orthonormal(projection: Projection) -> None:
    both = np.concatenate([projection.modes, projection.components], 1).astype(float)
    np.testing.assert_allclose(both.T @ both, np.eye(both.shape[1]), atol=1e-5)


def test_smooth_continuum_errors_do_not_reach_the_network(projection: Projection, spectra: np.ndarray) -> None:
    masked = mask_projection(projection, FULL)
    clean = masked.coefficients(projection, spectra[:5])
    tilt = continuum_modes(projection.mean.astype(float))[:, 1] * 0.02 * np.sqrt(ARMS[0].n_pixels)
    tilted = masked.coefficients(projection, spectra[:5] + tilt.astype(np.float32))
    assert np.abs(tilt).max() > 0.01
    np.testing.assert_allclose(tilted, clean, atol=1e-3 * clean.std())


def test_what_missing_pixels_hold_is_ignored(projection: Projection, spectra: np.ndarray) -> None:
    good = FULL.copy()
    good[1000:1500] = False
    masked = mask_projection(projection, good)
    filled = spectra[:3].copy()
    filled[:, 1000:1500] = 1e6
    np.testing.assert_array_equal(masked.coefficients(projection, filled), masked.coefficients(projection, spectra[:3]))


def test_gap_is_filled_by_what_the_rest_implies(projection: Projection, spectra: np.ndarray) -> None:
    good = FULL.copy()
    good[2000:3500] = False
    full = mask_projection(projection, FULL).coefficients(projection, spectra)
    part = mask_projection(projection, good).coefficients(projection, spectra)
    assert np.corrcoef(full[:, 0], part[:, 0])[0, 1] > 0.99


def test_stated_noise_is_the_noise_of_the_coefficients(projection: Projection) -> None:
    good = FULL.copy()
    good[500:900] = False
    masked = mask_projection(projection, good)
    rng = np.random.default_rng(2)
    draws = rng.standard_normal((4000, N_PIXELS)).astype(np.float32)
    measured = np.cov((np.where(good, draws, 0) @ masked.matrix).T)
    stated = sum(root @ root.T for root in masked.noise)
    # 4000 draws give a variance to 2.2 %; five sigma.
    np.testing.assert_allclose(np.diag(measured), np.diag(stated), rtol=0.11)


def test_missing_arm_carries_no_noise(projection: Projection) -> None:
    good = FULL.copy()
    good[arm_slices()[1]] = False
    masked = mask_projection(projection, good)
    assert np.abs(masked.noise[1]).max() < 1e-6
    assert np.abs(masked.noise[0]).max() > 0
