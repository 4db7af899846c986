"""The blaze of every echelle order at once: neighbours tied to each other where they overlap, shapes changing slowly between them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from .common import Pixels

_DEGREE = 7  # of the logarithm of a blaze along its order
_BIN_ANGSTROM = 0.6
_FEWEST_PIXELS = 6  # in a bin
_OVERLAP_FLOOR = 0.01  # what a whole overlap's ratio may be wrong by, beside its noise: scattered light, flat fields
_ENVELOPE_SIGMA = 0.02  # how far the upper edge may lie from the continuum in one bin, once lines are clipped
_BEND_SIGMA = 0.003  # how much a coefficient may bend from one order to the next
_N_ITERATIONS = 8
_FEWEST_BINS = 8  # in an overlap that ties two orders
_FAINTEST = 0.05  # of an order's top: fainter light ties nothing
_HUBER = 2.0
_EDGE_PERCENTILE = 80
_FIRST_WIDTH, _NARROWER = 0.05, 0.7  # of the band of bins kept, and how it shrinks from fit to fit


def fit_blazes(orders: list[Pixels]) -> list[NDArray]:
    """Blaze (n,) of each order, all in ascending wavelength; orders divided by theirs have continuum near 1.

    The logarithm of each is a series of Legendre polynomials over the order. What one order shows against the next where
    they overlap holds no star, so it is believed to its noise; the upper edge of the spectrum, which lines lower, has a
    say only in what the overlaps leave open; and the coefficients change smoothly from order to order, as those of one
    grating do. Least squares, with lines and outliers clipped while it is repeated.
    """
    n, k = len(orders), _DEGREE + 1
    edges = [_edge(order) for order in orders]
    ties = [_tie(a, b) for a, b in pairwise(orders)]
    matrix, vector = _smoothness(n), np.zeros(n * k)
    kept = [np.ones(x.size, bool) for x, _ in edges]
    answer = np.zeros((n, k))
    for step in range(_N_ITERATIONS):
        m, v = matrix.copy(), vector.copy()
        for i, (rows, ratio, sigma) in enumerate(ties):
            off = np.abs(ratio - rows @ answer[i : i + 2].ravel()) / sigma if step else np.ones(ratio.size)
            _add(m, v, rows, ratio, sigma * np.sqrt(np.maximum(1, off / _HUBER)), i * k)
        for i, ((x, y), use) in enumerate(zip(edges, kept, strict=True)):
            _add(m, v, legendre.legvander(x[use], _DEGREE), y[use], np.full(use.sum(), _ENVELOPE_SIGMA), i * k)
        answer = np.linalg.solve(m, v).reshape(n, k)
        residuals = [y - legendre.legval(x, c) for (x, y), c in zip(edges, answer, strict=True)]
        kept = _upper(residuals, _FIRST_WIDTH * _NARROWER**step)
    return [np.exp(legendre.legval(_place(o, o.wavelength), c)) for o, c in zip(orders, answer, strict=True)]


def _place(order: Pixels, wavelength: NDArray) -> NDArray:
    """Place along the lit part of an order, -1 to 1; what lies beyond counts as its end."""
    first, last = order.wavelength[order.good][[0, -1]]
    return np.clip(2 * (wavelength - first) / (last - first) - 1, -1, 1)


def _bins(order: Pixels, borders: NDArray, value: NDArray) -> tuple[NDArray, NDArray]:
    """Mean (bins,) of a value (n,) over the good pixels of each bin, and how many they are."""
    at = np.searchsorted(borders, order.wavelength, side="right") - 1
    inside = order.good & (at >= 0) & (at < borders.size - 1)
    count = np.bincount(at[inside], minlength=borders.size - 1)
    return np.bincount(at[inside], value[inside], borders.size - 1) / np.maximum(count, 1), count


def _borders(order: Pixels, low: float, high: float) -> NDArray:
    step = max(_BIN_ANGSTROM, _FEWEST_PIXELS * float(np.median(np.diff(order.wavelength))))
    return np.linspace(low, high, max(2, round((high - low) / step) + 1))


def _edge(order: Pixels) -> tuple[NDArray, NDArray]:
    """Place and logarithm of the flux in narrow bins along an order."""
    borders = _borders(order, order.wavelength[0], order.wavelength[-1])
    mean, count = _bins(order, borders, order.flux)
    use = (count >= 3) & (mean > 0)
    return _place(order, 0.5 * (borders[1:] + borders[:-1]))[use], np.log(mean[use])


def _tie(a: Pixels, b: Pixels) -> tuple[NDArray, NDArray, NDArray]:
    """Where two orders overlap, in narrow bins: rows of the coefficients of both, ln(flux of a / flux of b), its error.

    The error is the scatter about a cubic, which counts noise, and lines where the orders' wavelengths differ.
    """
    low, high = b.wavelength[b.good][0], a.wavelength[a.good][-1]
    nothing = np.zeros((0, 2 * _DEGREE + 2)), np.zeros(0), np.zeros(0)
    borders = _borders(a, low, high) if high > low else np.zeros(0)
    if borders.size <= _FEWEST_BINS:
        return nothing
    middle = 0.5 * (borders[1:] + borders[:-1])
    use = np.ones(middle.size, bool)
    flux = []
    for order in (a, b):
        mean, count = _bins(order, borders, order.flux)
        use &= (count >= 0.7 * np.median(count)) & (count >= 3)
        use &= mean > _FAINTEST * np.percentile(order.flux[order.good], 95)
        flux.append(mean)
    if use.sum() < _FEWEST_BINS:
        return nothing
    ratio, x, y = np.log(flux[0][use] / flux[1][use]), _place(a, middle[use]), _place(b, middle[use])
    curve = legendre.legfit(x, ratio, 3)
    scatter = 1.4826 * float(np.median(np.abs(ratio - legendre.legval(x, curve))))
    rows = np.concatenate([legendre.legvander(x, _DEGREE), -legendre.legvander(y, _DEGREE)], 1)
    sigma = np.hypot(scatter, _OVERLAP_FLOOR * np.sqrt(x.size / _FEWEST_BINS))
    return rows, ratio, np.full(x.size, sigma)


def _add(matrix: NDArray, vector: NDArray, rows: NDArray, values: NDArray, sigma: NDArray, at: int) -> None:
    """Adds equations rows . c = values, of errors sigma, to the normal equations of the coefficients from `at` on."""
    weighted = rows / sigma[:, None] ** 2
    place = slice(at, at + rows.shape[1])
    matrix[place, place] += weighted.T @ rows
    vector[place] += weighted.T @ values


def _smoothness(n: int) -> NDArray:
    """Penalty on second differences from order to order of each coefficient but the level, and a weak one on their size."""
    k = _DEGREE + 1
    matrix = np.eye(n * k) * 1e-6
    bend = np.array([1.0, -2.0, 1.0]) / _BEND_SIGMA
    for i in range(n - 2):
        for j in range(1, k):
            place = (i + np.arange(3)) * k + j
            matrix[np.ix_(place, place)] += np.outer(bend, bend)
    return matrix


def _upper(residuals: list[NDArray], at_least: float) -> list[NDArray]:
    """Bins to keep of each order: those near its own upper edge, within the scatter of what lies above it, or a width given."""
    edges = [r - np.percentile(r, _EDGE_PERCENTILE) if r.size else r for r in residuals]
    upper = np.concatenate([e[e > 0] for e in edges])
    sigma = max(1.4826 * float(np.median(upper)), at_least) if upper.size else at_least
    return [(e > -1.5 * sigma) & (e < 5 * sigma) for e in edges]
