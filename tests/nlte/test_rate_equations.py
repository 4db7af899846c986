"""Formal solution and statistical equilibrium of overlapping lines: exact integrals, the diagonal, rates that balance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expn

from cinn_core.nlte.rate_equations import mean_intensity

TAU = np.geomspace(1e-4, 100, 60)
HEIGHT = -np.log(TAU)  # with an opacity of tau per unit of height the optical depth is tau


def _exact(source, tau: float) -> float:
    """Half the integral of S(t) E1(|t - tau|) over the atmosphere."""
    above = quad(lambda t: source(t) * expn(1, abs(t - tau)), 0, tau)[0]
    return 0.5 * (above + quad(lambda t: source(t) * expn(1, abs(t - tau)), tau, tau + 60)[0])


@pytest.mark.parametrize(
    "source", [lambda t: 1.0, lambda t: 0.5 + t, lambda t: t * t], ids=["constant", "linear", "square"]
)
def test_mean_intensity_is_the_integral_over_the_source_function(source):
    at = [10, 25, 35, 45, 52]
    values = np.array([[source(t) for t in TAU]])
    mean, _ = mean_intensity(TAU[None], values, HEIGHT)
    exact = np.array([_exact(source, TAU[k]) for k in at])
    np.testing.assert_allclose(mean[0, at], exact, rtol=0.02)  # three angles


@pytest.mark.parametrize("depth", [0, 5, 25, 40, 58])
def test_the_diagonal_is_the_response_to_a_source_at_one_depth(depth):
    point = np.zeros((1, TAU.size))
    point[0, depth] = 1.0
    mean, diagonal = mean_intensity(TAU[None], point, HEIGHT)
    assert diagonal[0, depth] == pytest.approx(mean[0, depth], rel=1e-6)
