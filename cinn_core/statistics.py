"""Medians and percentiles of short rows, without the overhead that those of numpy have for each call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution in units of its median absolute deviation."""


def median_of_ordered(ordered: NDArray) -> float:
    """Median of ascending values (n,), n at least 1."""
    return 0.5 * float(ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2])


def median(values: NDArray) -> float:
    """Median of finite values (n,), n at least 1."""
    middle = (values.size - 1) // 2, values.size // 2
    return 0.5 * float(np.partition(values, middle)[list(middle)].sum())


def robust_sigma(values: NDArray, centre: float | None = None) -> float:
    """Standard deviation of finite values (n,), n at least 1, as 1.4826 MAD about `centre`, without one about their median."""
    return MAD_TO_SIGMA * median(np.abs(values - (median(values) if centre is None else centre)))


def percentile_of_ordered(ordered: NDArray, percent: float) -> NDArray:
    """Percentile (...) of ascending values (..., n), n at least 1, linear between neighbours."""
    place = percent / 100 * (ordered.shape[-1] - 1)
    low = int(place)
    below, above = ordered[..., low], ordered[..., min(low + 1, ordered.shape[-1] - 1)]
    return np.asarray(below + (place - low) * (above - below))


def finite_mean(rows: NDArray) -> NDArray:
    """Mean (m,) of the finite values in each column of rows (n, m), NaN where there is none."""
    finite = np.isfinite(rows)
    return np.where(finite.any(0), np.where(finite, rows, 0).sum(0) / finite.sum(0).clip(1), np.nan)


def row_medians(values: NDArray, counts: NDArray) -> NDArray:
    """Median (rows,) of the `counts` (rows,) finite values of each row (rows, m), inf elsewhere; inf for a row without any."""
    ordered = np.sort(values, axis=1)
    row = np.arange(len(ordered))
    return 0.5 * (ordered[row, np.maximum(counts - 1, 0) // 2] + ordered[row, counts // 2])


def extremes(values: NDArray, parts: int) -> NDArray:
    """Least and largest finite value of each of at most `parts` equal stretches of an array (n,), as (m, 2), for a drawing of it.

    They are limited to the range from the 0.5th to the 99.5th percentile; stretches without a finite value are left out.
    """
    each = -(-values.size // parts)
    padded = np.concatenate([values, np.full(-values.size % max(each, 1), np.nan)]).reshape(-1, max(each, 1))
    padded = np.where(np.isfinite(padded), padded, np.nan)
    known = padded[np.isfinite(padded).any(1)]
    if not known.size:
        return np.zeros((0, 2))
    low, high = np.nanpercentile(known, [0.5, 99.5])
    return np.clip(np.stack([np.nanmin(known, 1), np.nanmax(known, 1)], 1), low, high)
