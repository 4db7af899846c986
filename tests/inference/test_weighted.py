"""Weighted samples against the numbers of samples repeated or left out."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.inference import weighted
from cinn_core.inference.weighted import highest_density_interval


def test_equal_weights_change_nothing() -> None:
    x = np.random.default_rng(0).standard_normal(999)
    same = np.full(999, 7.0)
    assert weighted.weighted_mean(x, same) == pytest.approx(x.mean(), abs=1e-12)
    levels = np.array([0.0, 0.025, 0.16, 0.5, 0.84, 1.0])
    assert weighted.weighted_quantile(x, levels, same) == pytest.approx(np.quantile(x, levels), abs=1e-9)
    assert weighted.highest_density_interval(x, 0.68, same) == weighted.highest_density_interval(x, 0.68)


def test_weights_turn_one_normal_into_another() -> None:
    x = np.random.default_rng(1).standard_normal(200_000)
    weights = np.exp(x - 0.5)  # times e^x moves a unit normal to mean 1
    assert weighted.weighted_mean(x, weights) == pytest.approx(1, abs=0.02)
    low, high = weighted.highest_density_interval(x, 0.6827, weights)
    assert (low, high) == pytest.approx((0, 2), abs=0.08)
    assert weighted.weighted_quantile(x, 0.5, weights) == pytest.approx(1, abs=0.02)
    assert weighted.effective_samples(weights, x.size) / x.size == pytest.approx(np.exp(-1), rel=0.05)


@pytest.mark.parametrize("heavy", [0, 1, 2])
def test_sample_with_all_the_weight_is_the_median_wherever_it_stands(heavy) -> None:
    x, weights = np.array([5000.0, 5100.0, 5200.0]), np.ones(3)
    weights[heavy] = 998.0
    assert weighted.weighted_quantile(x, 0.5, weights) == pytest.approx(
        x[heavy], abs=1.0
    )  # 100 times 2e-3 of the weight


def test_quantiles_of_mirrored_samples_are_mirrored() -> None:
    rng = np.random.default_rng(3)
    x, weights, levels = rng.standard_normal(50), rng.exponential(size=50) ** 3, np.array([0.16, 0.3, 0.5])
    mirrored = weighted.weighted_quantile(-x, 1 - levels, weights)
    assert weighted.weighted_quantile(x, levels, weights) == pytest.approx(-mirrored, abs=1e-12)


def test_brushed_samples_have_the_quantiles_of_those_that_are_left() -> None:
    x = np.random.default_rng(4).normal(5777.0, 80.0, 500)
    kept, levels = x > 5800.0, np.array([0.0, 0.16, 0.5, 1.0])
    assert weighted.weighted_quantile(x, levels, kept) == pytest.approx(np.quantile(x[kept], levels), abs=1e-8)


def test_effective_number_counts_what_is_left_of_a_brush() -> None:
    kept = np.zeros(100)
    kept[:13] = 1
    assert weighted.effective_samples(kept, 100) == pytest.approx(13)
    assert weighted.effective_samples(None, 100) == pytest.approx(100)


def test_representatives_come_in_proportion_to_their_weight() -> None:
    chosen = weighted.representatives(np.array([0.0, 3.0, 1.0]), 3, 400)
    assert np.bincount(chosen, minlength=3).tolist() == [0, 300, 100]
    assert weighted.representatives(None, 8, 8).tolist() == list(range(8))


def test_log_weights_far_below_zero_do_not_underflow() -> None:
    assert weighted.from_log(np.array([-5000.0, -5001.0, -np.inf])) == pytest.approx([1, np.exp(-1), 0])


@pytest.mark.parametrize("wrong", [np.zeros(3), np.array([1.0, -1.0, 1.0]), np.array([np.nan, 1, 1]), np.ones(4)])
def test_weights_that_are_none_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="3 samples"):
        weighted.normalised(wrong, 3)


def test_highest_density_interval_of_a_normal_is_its_sigma() -> None:
    x = np.random.default_rng(1).standard_normal(100_000)
    low, high = highest_density_interval(x, 0.6827)
    assert abs(low + 1) < 0.05
    assert abs(high - 1) < 0.05


def test_highest_density_interval_of_an_exponential_begins_at_its_edge() -> None:
    x = np.random.default_rng(2).exponential(size=50_000)
    low, high = highest_density_interval(x, 0.68)
    assert low < 0.02
    assert abs(high + np.log(0.32)) < 0.05
