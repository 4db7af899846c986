"""Cubic splines with not-a-knot ends: those of scipy, whose preparations cost several times the arithmetic."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack


def cubic_at(x: NDArray, y: NDArray, at: NDArray) -> NDArray:
    """Splines (..., m) through y (..., n) at ascending knots x (n,), n at least 4, at places `at` (m,) within."""
    knots = Knots(x)
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    right, width = left + 1, knots.step[left]
    f = (at - x[left]) / width
    rise = f * f * (3 - 2 * f)
    start, end = f * (1 - f) ** 2 * width, f * f * (f - 1) * width
    out = np.empty((*y.shape[:-1], at.size))
    for values, found in zip(y.reshape(-1, x.size), out.reshape(-1, at.size), strict=True):  # a row stays in the cache
        slopes, below = knots.slopes(values), values[left]
        found[:] = below + rise * (values[right] - below) + start * slopes[left] + end * slopes[right]
    return out


class Knots:
    """The knots x (n,) of splines, n at least 4, ready for any values there."""

    def __init__(self, x: NDArray) -> None:
        self.step = np.diff(x)
        step, n = self.step, x.size
        diagonal, above, below = np.empty(n), np.empty(n - 1), np.empty(n - 1)
        diagonal[1:-1] = 2 * (step[:-1] + step[1:])
        above[1:], below[:-1] = step[:-1], step[1:]
        diagonal[0], above[0] = step[1], step[0] + step[1]
        diagonal[-1], below[-1] = step[-2], step[-1] + step[-2]
        *self._factors, info = lapack.dgttrf(below, diagonal, above, 1, 1, 1)
        if info:
            raise ValueError("The knots of a spline must ascend.")

    def slopes(self, values: NDArray) -> NDArray:
        """Slopes (n,) at the knots of the spline through values (n,) there.

        Second derivatives are continuous at every knot, third ones at the second and the last but one.
        """
        step, rise = self.step, np.diff(values) / self.step
        right = np.empty(values.size)
        right[1:-1] = 3 * (step[1:] * rise[:-1] + step[:-1] * rise[1:])
        right[0] = _end(step[0], step[1], rise[0], rise[1])
        right[-1] = _end(step[-1], step[-2], rise[-1], rise[-2])
        return np.asarray(lapack.dgttrs(*self._factors, right, "N", 1)[0])


@lru_cache(maxsize=8)
def unit_knots(n: int) -> Knots:
    """Knots at 0, 1, ... n - 1."""
    return Knots(np.arange(n, dtype=float))


def _end(step: float, next_step: float, rise: float, next_rise: float) -> float:
    both = step + next_step
    return ((step + 2 * both) * next_step * rise + step**2 * next_rise) / both
