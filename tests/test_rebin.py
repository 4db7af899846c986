"""Rebinning conserves flux; splines are those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from cinn_core.rebin import cubic_at, rebin, unit_knots


def test_rebinning_conserves_flux_on_irregular_pixels():
    rng = np.random.default_rng(2)
    wave = np.cumsum(rng.uniform(0.02, 0.05, 3000)) + 5200
    flux = 1 + 0.3 * np.sin(wave)
    middle = 0.5 * (wave[1:] + wave[:-1])
    edges = middle[np.sort(rng.choice(middle.size, 200, replace=False))]
    inside = (wave > edges[0]) & (wave < edges[-1])
    widths = np.diff(np.concatenate([[0], middle, [0]]))
    assert (rebin(wave, flux, edges) * np.diff(edges)).sum() == pytest.approx((flux * widths)[inside].sum(), rel=1e-9)


def test_splines_are_those_of_scipy() -> None:
    """Two rows at once through uneven knots, ends included; both solve the same equations, so only rounding differs."""
    rng = np.random.default_rng(4)
    x = np.cumsum(rng.uniform(0.5, 1.5, 200))
    y = rng.normal(size=(2, 200))
    at = np.concatenate([[x[0]], np.sort(rng.uniform(x[0], x[-1], 500)), [x[-1]]])
    np.testing.assert_allclose(cubic_at(x, y, at), CubicSpline(x, y, axis=-1)(at), atol=1e-11)
    np.testing.assert_allclose(
        unit_knots(200).slopes(y[0]), CubicSpline(np.arange(200), y[0])(np.arange(200), 1), atol=1e-11
    )
