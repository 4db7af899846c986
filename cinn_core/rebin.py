"""Flux-conserving rebinning: means between new edges, through a cubic spline of the running integral."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .instrument import SPEED_OF_LIGHT_KMS


def _running(wavelength: NDArray, values: NDArray) -> tuple[NDArray, NDArray]:
    """Borders (n + 1,) of pixels, half-way between their wavelengths, and the integral (..., n + 1) of `values` up to each."""
    middle = 0.5 * (wavelength[1:] + wavelength[:-1])
    borders = np.concatenate(
        [[1.5 * wavelength[0] - 0.5 * wavelength[1]], middle, [1.5 * wavelength[-1] - 0.5 * wavelength[-2]]]
    )
    running = np.zeros((*values.shape[:-1], borders.size))
    np.cumsum(values * np.diff(borders), axis=-1, out=running[..., 1:])
    return borders, running


def rebin(wavelength: NDArray, flux: NDArray, edges: NDArray) -> NDArray:
    """Mean (..., m) of the flux (..., n) between successive `edges` (m + 1,): differences of its integral, a cubic through its running sum.

    Conserves flux exactly over whole input pixels; beyond the input the end values are continued.
    """
    borders, running = _running(wavelength, flux)
    integral = cubic_at(borders, running, np.clip(edges, borders[0], borders[-1]))
    integral += np.minimum(edges - borders[0], 0.0) * flux[..., :1]
    integral += np.maximum(edges - borders[-1], 0.0) * flux[..., -1:]
    return np.diff(integral) / np.diff(edges)


def covered(wavelength: NDArray, good: NDArray, edges: NDArray) -> NDArray:
    """Share (..., m) of each output bin that good native pixels (..., n) fill, 0 beyond the input."""
    borders, running = _running(wavelength, good)
    at = np.apply_along_axis(lambda one: np.interp(edges, borders, one), -1, running)
    return np.diff(at) / np.diff(edges)


def log_edges(low: float, high: float, step_kms: float) -> NDArray:
    """Bin edges [Angstrom] in constant steps of velocity from `low` to at least `high`."""
    step = np.log1p(step_kms / SPEED_OF_LIGHT_KMS)
    return low * np.exp(step * np.arange(int(np.ceil(np.log(high / low) / step)) + 1))


def cubic_at(x: NDArray, y: NDArray, at: NDArray) -> NDArray:
    """Splines (..., m) through y (..., n) at ascending knots x (n,), n at least 4, at places `at` (m,) within."""
    knots = Knots(x)
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    right, width = left + 1, knots.step[left]
    f = (at - x[left]) / width
    rise = f * f * (3 - 2 * f)
    start, end = f * (1 - f) ** 2 * width, f * f * (f - 1) * width
    out = np.empty((*y.shape[:-1], at.size))
    for values, result in zip(y.reshape(-1, x.size), out.reshape(-1, at.size), strict=True):  # a row stays in the cache
        slopes, below = knots.slopes(values), values[left]
        result[:] = below + rise * (values[right] - below) + start * slopes[left] + end * slopes[right]
    return out


class Knots:
    """Knots x (n,) of splines, n at least 4, ready for any values there. Raises ValueError where they do not ascend."""

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
