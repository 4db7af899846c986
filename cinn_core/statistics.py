"""Medians and percentiles of values that stand in order already: those of numpy, whose preparations cost more than short rows do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def median_of_ordered(ordered: NDArray) -> float:
    """Median of ascending values (n,), n at least 1."""
    return 0.5 * float(ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2])


def median(values: NDArray) -> float:
    """Median of finite values (n,), n at least 1."""
    middle = (values.size - 1) // 2, values.size // 2
    return 0.5 * float(np.partition(values, middle)[list(middle)].sum())


def percentile_of_ordered(ordered: NDArray, percent: float) -> NDArray:
    """Percentile (...) of ascending values (..., n), n at least 1, linear between neighbours."""
    place = percent / 100 * (ordered.shape[-1] - 1)
    low = int(place)
    below, above = ordered[..., low], ordered[..., min(low + 1, ordered.shape[-1] - 1)]
    return np.asarray(below + (place - low) * (above - below))


def row_medians(values: NDArray, counts: NDArray) -> NDArray:
    """Median (rows,) of the `counts` (rows,) finite values of each row (rows, m), inf elsewhere; inf for a row without any."""
    ordered = np.sort(values, axis=1)
    row = np.arange(len(ordered))
    return 0.5 * (ordered[row, np.maximum(counts - 1, 0) // 2] + ordered[row, counts // 2])
