"""Tests of coverage on posteriors that are known to be right, shifted or too narrow."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from cinn_core.evaluation.coverage import coverage_test, coverage_values, power_of_tests

K = 13


def gaussian_posteriors(seed: int, n: int, s: int = 100, width: float = 1.0, shift: float = 0.0):
    """Samples (n, s, K) of Gaussian posteriors with spreads over two decades, and truths (n, K) drawn from them."""
    rng = np.random.default_rng(seed)
    spread = np.exp(rng.normal(-2, 1, (n, K)))
    mean = rng.normal(size=(n, K))
    noise = rng.normal(size=(n, K))
    samples = mean[:, None] + spread[:, None] * (width * rng.normal(size=(n, s, K)) + shift)
    return samples, mean + spread * noise


def test_coverage_of_right_posteriors_is_uniform():
    samples, truth = gaussian_posteriors(0, 4000)
    rng = np.random.default_rng(1)
    values = coverage_values(samples, truth, rng.normal(size=truth.shape), rng)
    assert kstest(values, "uniform").pvalue > 0.01
    assert abs(values.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 4000)


def test_the_tests_reject_right_posteriors_as_often_as_they_say():
    samples, _ = gaussian_posteriors(2, 500)
    power = power_of_tests(samples, np.random.default_rng(3), seeds=60)
    assert power.rejected <= 4  # of 60 at 1 %: more has a chance of 4e-4


def test_posteriors_of_nine_tenths_of_the_width_are_rejected():
    samples, truth = gaussian_posteriors(4, 1000, width=0.9)
    assert coverage_test(samples, truth, np.random.default_rng(5)).own < 1e-6
    right, _ = gaussian_posteriors(6, 1000)
    assert power_of_tests(right, np.random.default_rng(7), seeds=1).narrowed_p < 1e-6


def test_posteriors_shifted_by_a_third_of_their_width_are_rejected():
    samples, truth = gaussian_posteriors(8, 2000, shift=0.3)
    assert coverage_test(samples, truth, np.random.default_rng(9)).smallest < 1e-6
