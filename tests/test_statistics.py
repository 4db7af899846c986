"""Medians and percentiles of ordered values."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.statistics import extremes, finite_mean, median_of_ordered, percentile_of_ordered, row_medians


def test_medians_and_percentiles_of_ordered_values_are_numpys() -> None:
    rng = np.random.default_rng(3)
    for n in (1, 2, 7, 100):
        values = np.sort(rng.normal(size=n))
        assert median_of_ordered(values) == np.median(values)
        for percent in (0, 40, 70, 100):
            assert percentile_of_ordered(values, percent) == pytest.approx(np.percentile(values, percent), rel=1e-12)
    rows, counts = rng.normal(size=(5, 6)), np.array([1, 2, 3, 5, 6])
    rows[np.arange(6) >= counts[:, None]] = np.inf
    expected = [np.median(row[:count]) for row, count in zip(rows, counts, strict=True)]
    np.testing.assert_array_equal(row_medians(rows, counts), expected)


def test_mean_of_finite_values_leaves_the_others_out_and_is_nan_without_any() -> None:
    rows = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.inf]])
    np.testing.assert_array_equal(finite_mean(rows), [2.0, 5.0, np.nan])


def test_extremes_keep_the_depth_of_a_line_that_is_narrower_than_a_stretch() -> None:
    values = np.ones(10_000)
    values[2000:2100] = 0.2
    values[7000] = np.nan
    ends = extremes(values, 96)
    assert len(ends) <= 96
    assert ends.min() == 0.2
    assert ends.max() == 1.0
    assert extremes(np.full(50, np.nan), 96).shape == (0, 2)
