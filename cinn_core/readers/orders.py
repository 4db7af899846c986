"""Echelle orders that overlap: each is divided by its blaze, then all are joined, weighted by their light where they overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solveh_banded

from ..errors import SpectrumError
from ..rebin import rebin
from ..stages import Step
from ..statistics import robust_sigma
from .common import Pixels, believed, wavelength_range

MOST_ORDERS = 300
"""Orders that a file may hold: echelle spectrographs have up to some 120, each in up to two slices."""

_MOST_ARMS = 6
_LONGEST_ANGSTROM = 1e6  # a wavelength beyond it is a damaged one
_SMALLEST_STEP = 1e-9  # between pixels, as a share of the wavelength
_STRETCH = 64  # pixels
_NOISE_ALONE = 0.3  # scatter over level beyond which the end of an order is noise alone
_USUAL_TIMES = 5.0
_FAINTEST = 0.1  # of the top of the blaze


def merge_orders(orders: list[Pixels]) -> tuple[Pixels, Step]:
    """One spectrum with continuum near 1 from orders in any sequence, and the ledger's entry.

    Each is divided by its blaze; pixels where that falls below a tenth of its maximum are left out. Where two overlap the
    brighter one's pixels stay and the other one's light is rebinned to them and averaged in, by inverse variance.
    Raises SpectrumError where no order holds enough light, or where there are more orders than any echelle has.
    """
    if len(orders) > MOST_ORDERS:
        raise SpectrumError(
            f"This file holds {len(orders)} pieces with wavelengths of their own, which is more than the {MOST_ORDERS} orders that an "
            "echelle spectrum may have; load a file of one star."
        )
    usable = sorted((lit for lit in map(_lit_part, orders) if lit is not None), key=lambda order: order.wavelength[0])
    if not usable:
        raise SpectrumError("None of the echelle orders in this file holds enough usable pixels.")
    pairs = [p for o, b in zip(usable, fit_blazes(usable), strict=True) if (p := _deblazed(o, b)) is not None]
    if not pairs:
        raise SpectrumError("None of the echelle orders in this file holds enough usable pixels.")
    parts, weights = [p for p, _ in pairs], [w for _, w in pairs]
    filled = [_filled(part) for part in parts]
    joined = [_averaged(i, parts, weights, filled) for i in range(len(parts))]
    wavelength = np.concatenate([part.wavelength for part in joined])
    order = np.argsort(wavelength, kind="stable")
    order = order[np.concatenate([[True], np.diff(wavelength[order]) > 0])]
    errors = [part.error for part in joined if part.error is not None]
    pixels = Pixels(
        wavelength[order],
        np.concatenate([part.flux for part in joined])[order],
        np.concatenate(errors)[order] if len(errors) == len(joined) else None,
        np.concatenate([part.good for part in joined])[order],
    )
    overlaps = sum(a.wavelength[-1] > b.wavelength[0] for a, b in pairwise(parts))
    reason = "each order divided by its blaze, all fitted at once; overlaps averaged by inverse variance"
    return pixels, Step("orders joined", reason, {"orders": len(parts), "overlaps": overlaps})


def join_parts(parts: list[Pixels]) -> tuple[Pixels, Step]:
    """One spectrum from the parts of one star that a file keeps apart: up to six arms that do not overlap as they are, else orders."""
    ranges = [wavelength_range(part.wavelength) for part in parts]
    parts = [parts[i] for i in sorted(range(len(parts)), key=ranges.__getitem__)]
    if len(parts) > _MOST_ARMS or any(a[1] >= b[0] for a, b in pairwise(sorted(ranges))):
        return merge_orders(parts)
    wavelength, flux, good = (np.concatenate([getattr(p, n) for p in parts]) for n in ("wavelength", "flux", "good"))
    errors = [part.error for part in parts if part.error is not None]
    error = np.concatenate(errors) if len(errors) == len(parts) else None
    listed = ", ".join(f"{low:.0f}-{high:.0f}" for low, high in sorted(ranges))
    reason = f"arms that do not overlap, side by side ({listed} Angstrom)"
    return Pixels(wavelength, flux, error, good), Step("arms joined", reason, {"arms": len(parts)})


_FEWEST_IN_PART = 30  # pixels, on average: below it wavelengths that turn back are lines in disorder, not orders


def in_orders(wavelength: NDArray, good: NDArray) -> tuple[list[NDArray], int]:
    """Indices of pixels in increasing wavelength, cut where the wavelengths (n,) turn back, and how many pixels were left out.

    One part where they do not, or where only single pixels stray, which are sorted in; several where orders or arms follow
    each other, each running up or each down. Bad pixels that run back, as zeros behind the end do, are left out.
    One part, sorted, also where they turn back all the time. Time and memory grow with n alone.
    """
    kept = np.flatnonzero(np.isfinite(wavelength))
    everything = kept.size
    step = np.diff(wavelength[kept])
    if (step < 0).sum() > (step > 0).sum():
        kept, step = kept[::-1], -step[::-1]
    if np.any(step < 0):
        kept = kept[good[kept]]
    stray = _strays(wavelength[kept])
    runs = kept[~stray]
    turns = np.flatnonzero(np.diff(wavelength[runs]) < 0) + 1
    if turns.size == 0:
        return [kept[np.argsort(wavelength[kept], kind="stable")] if stray.any() else kept], everything - kept.size
    if (turns.size + 1) * _FEWEST_IN_PART > runs.size:
        return [kept[np.argsort(wavelength[kept], kind="stable")]], everything - kept.size
    return np.split(runs, turns), everything - runs.size


def _strays(wavelength: NDArray) -> NDArray:
    """Single pixels (n,) bool without which the wavelengths around them increase."""
    stray = np.zeros(wavelength.size, bool)
    at = np.flatnonzero(np.diff(wavelength) < 0)
    after = wavelength[np.minimum(at + 2, wavelength.size - 1)]
    second = (at + 2 < wavelength.size) & (after > wavelength[at])  # the pixel behind the fall is too low
    first = ~second & (
        (at == 0) | (wavelength[at + 1] > wavelength[np.maximum(at - 1, 0)])
    )  # the one ahead is too high
    stray[at[second] + 1] = True
    stray[at[first]] = True
    return stray


def joined_orders(pixels: Pixels) -> tuple[Pixels, tuple[Step, ...]]:
    """Pixels in increasing wavelength: orders and arms that follow each other in a file joined, and the ledger's entries."""
    parts, dropped = in_orders(pixels.wavelength, pixels.good)
    split = [
        Pixels(pixels.wavelength[p], pixels.flux[p], None if pixels.error is None else pixels.error[p], pixels.good[p])
        for p in parts
    ]
    steps: tuple[Step, ...] = ()
    if _again([wavelength_range(p.wavelength) for p in split]):
        raise SpectrumError(
            f"The file holds {len(split)} runs of wavelengths, each over a range that is there again: several spectra one under the "
            "other, not orders; cut it to one of them."
        )
    joined = split[0]
    if len(split) > 1:
        joined, step = join_parts([Pixels(p.wavelength, p.flux, p.error, p.good & (p.flux > 0)) for p in split])
        reason = f"wavelengths turn back {len(split) - 1} times in the file: orders or arms one after the other"
        steps = (Step("order of pixels", reason, {"parts": len(split), "dropped": dropped}), step)
    elif dropped or np.any(np.diff(parts[0]) < 0):
        reason = "wavelengths run back in the file; pixels without flux dropped, the others sorted"
        steps = (Step("order of pixels", reason, {"dropped": dropped}),)
    rising = np.diff(joined.wavelength, prepend=-np.inf) > 0
    if not rising.all():
        reason = "of pixels with equal wavelength the first is kept"
        steps += (Step("order of pixels", reason, {"dropped": int((~rising).sum())}),)
        error = None if joined.error is None else joined.error[rising]
        joined = Pixels(joined.wavelength[rising], joined.flux[rising], error, joined.good[rising])
    return joined, steps


def _again(ranges: list[tuple[float, float]]) -> bool:
    """Whether most of several ranges come twice or more, with the same ends within a tenth: exposures, not orders."""
    ends = np.array(ranges[: MOST_ORDERS + 1])  # more are refused
    near = np.abs(ends[:, None] - ends[None]).max(axis=2) < 0.1 * (ends[:, 1] - ends[:, 0])[:, None]
    return len(ends) > 1 and bool(np.mean(near.sum(axis=1) > 1) > 0.5)


def _lit_part(order: Pixels) -> Pixels | None:
    """Order in increasing wavelength, with what is noise alone marked as bad; None if it holds too little light."""
    ascending = np.argsort(order.wavelength, kind="stable")  # NaN last
    ascending = ascending[(order.wavelength[ascending] > 0) & (order.wavelength[ascending] < _LONGEST_ANGSTROM)]
    steps = np.diff(order.wavelength[ascending], prepend=0.0)
    ascending = ascending[
        steps > _SMALLEST_STEP * order.wavelength[ascending]
    ]  # the same wavelength twice: the first counts
    wavelength, flux, good = order.wavelength[ascending], order.flux[ascending], order.good[ascending]
    error = None if order.error is None else order.error[ascending]
    good = good & ~_noise_alone(flux, good)
    return None if good.sum() < 100 else Pixels(wavelength, flux, error, good)


def _deblazed(order: Pixels, blaze: NDArray) -> tuple[Pixels, NDArray] | None:
    """Order divided by its blaze (n,), and the weight of each pixel; None if it holds too little light."""
    top = float(np.max(blaze[order.good]))
    lit = np.isfinite(blaze) & (blaze > _FAINTEST * top)
    good = order.good & lit
    if good.sum() < 100:
        return None
    safe = np.where(lit, blaze, top)
    error = None if order.error is None else np.nan_to_num(order.error / safe, posinf=0.0, neginf=0.0)
    relative = np.abs(np.diff(order.flux, append=order.flux[-1]))[good] / safe[good]
    noise = max(float(np.median(relative)), 1e-9)  # of a pixel in the middle; photons make it grow as the blaze falls
    weight = np.where(good, safe / top / noise**2, 0.0)
    if error is not None and (usable := believed(error, good))[good].mean() > 0.5:
        weight = np.where(good & usable, 1 / np.where(usable, error, 1.0) ** 2, 0.0)
    return Pixels(order.wavelength, order.flux / safe, error, good), weight


def _averaged(i: int, parts: list[Pixels], weights: list[NDArray], filled: list[NDArray | None]) -> Pixels:
    """Pixels of part i where none of the others is brighter, with the others' light averaged in."""
    part, own = parts[i], weights[i]
    flux, total, kept = part.flux * own, own.copy(), np.ones(own.size, bool)
    variance = None if part.error is None else (own * part.error) ** 2
    edges, mine = _edges(part.wavelength), _smooth(own, own.size)
    for j, (other, weight) in enumerate(zip(parts, weights, strict=True)):
        first = int(np.searchsorted(part.wavelength, other.wavelength[0], "right"))
        last = int(np.searchsorted(part.wavelength, other.wavelength[-1], "left"))
        if j == i or first >= last:
            continue
        span, wide = slice(first, last), slice(max(first - _STRETCH, 0), last + _STRETCH)
        around = np.interp(part.wavelength[wide], other.wavelength, weight)
        brightness = _smooth(around, own.size)[first - wide.start :][: last - first]
        kept[span] &= (mine[span] > brightness) | ((mine[span] == brightness) & (i < j))
        light = filled[j]
        if light is None:
            continue
        w = around[first - wide.start :][: last - first]
        if not other.good.all():
            w = np.where(np.interp(part.wavelength[span], other.wavelength, other.good.astype(float)) > 0.99, w, 0.0)
        low, high = np.searchsorted(other.wavelength, edges[[first, last]]).tolist()
        near = slice(max(low - _STRETCH, 0), high + _STRETCH)  # a spline forgets what lies so far away
        flux[span] += w * rebin(other.wavelength[near], light[near], edges[first : last + 1])
        total[span] += w
        if variance is not None and other.error is not None:
            sigma = np.interp(part.wavelength[span], other.wavelength, np.nan_to_num(other.error))
            variance[span] += (w * sigma) ** 2
    known = total > 0
    safe = np.where(known, total, 1.0)
    mean = np.where(known, flux / safe, part.flux)
    error = None if variance is None else np.where(known, np.sqrt(variance) / safe, np.nan)
    return Pixels(part.wavelength[kept], mean[kept], None if error is None else error[kept], known[kept])


def _filled(part: Pixels) -> NDArray | None:
    """Flux (n,) of an order with straight lines over its missing pixels; None where it holds next to no others."""
    if part.good.sum() < 10:
        return None
    return np.interp(part.wavelength, part.wavelength[part.good], part.flux[part.good])


def _edges(wavelength: NDArray) -> NDArray:
    middle = 0.5 * (wavelength[1:] + wavelength[:-1])
    return np.concatenate([[2 * wavelength[0] - middle[0]], middle, [2 * wavelength[-1] - middle[-1]]])


def _smooth(weight: NDArray, n: int) -> NDArray:
    """Weights of an order of n pixels, or of some of them, without what single pixels add, so that two orders change places once."""
    window = min(2 * _STRETCH + 1, n)
    running = np.concatenate([[0.0], np.cumsum(weight)])
    end = np.arange(weight.size) + (window - 1) // 2 + 1
    return (running[np.minimum(end, weight.size)] - running[np.maximum(end - window, 0)]) / window


def _noise_alone(flux: NDArray, good: NDArray) -> NDArray:
    """Pixels (n,) bool in stretches of noise: scatter above 0.3 of the level and five times what is usual in the order.

    An order divided by a flat field ends in noise that grows beyond the light and would pass for the top of the blaze.
    """
    n = flux.size // _STRETCH
    out = np.zeros(flux.size, bool)
    if n < 8:
        return out
    cut = np.where(good, flux, np.nan)[: n * _STRETCH].reshape(n, _STRETCH)
    known = np.isfinite(cut).sum(1) > _STRETCH // 2
    level, scatter = np.full(n, np.nan), np.full(n, np.nan)
    level[known] = np.nanmedian(cut[known], axis=1)
    scatter[known] = 1.05 * np.nanmedian(np.abs(np.diff(cut[known], axis=1)), axis=1)
    relative = np.where(known & (level > 0), scatter / np.where(level > 0, level, 1.0), np.inf)
    if np.isfinite(relative).sum() < 8:
        return out
    usual = np.median(relative[np.isfinite(relative)])
    noisy = known & (relative > max(_NOISE_ALONE, _USUAL_TIMES * usual))
    out[: n * _STRETCH] = np.repeat(noisy, _STRETCH)
    return out


_DEGREE = 7  # of the logarithm of a blaze along its order
_BIN_ANGSTROM = 0.6
_FEWEST_PIXELS = 6  # in a bin
_OVERLAP_FLOOR = 0.01  # what a whole overlap's ratio may be wrong by, beside its noise: scattered light, flat fields
_ENVELOPE_SIGMA = 0.02  # how far the upper edge may lie from the continuum in one bin, once lines are clipped
_BEND_SIGMA = 0.003  # how much a coefficient may bend from one order to the next
_N_ITERATIONS = 8
_FEWEST_BINS = 8  # in an overlap that ties two orders
_FAINTEST_TIED = 0.05  # of an order's top: fainter light ties nothing
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
        answer = _solved(m, v).reshape(n, k)
        residuals = [y - legendre.legval(x, c) for (x, y), c in zip(edges, answer, strict=True)]
        kept = _upper(residuals, _FIRST_WIDTH * _NARROWER**step)
    return [np.exp(legendre.legval(_place(o, o.wavelength), c)) for o, c in zip(orders, answer, strict=True)]


def _solved(matrix: NDArray, vector: NDArray) -> NDArray:
    """Solution (m,) of symmetric normal equations (m, m) in which three orders that follow each other are tied: a band."""
    width = min(2 * (_DEGREE + 1), len(matrix) - 1)
    band = np.zeros((width + 1, len(matrix)))
    for d in range(width + 1):
        band[width - d, d:] = np.diagonal(matrix, d)
    try:
        return np.asarray(solveh_banded(band, vector, check_finite=False))
    except LinAlgError:  # rounding made it look indefinite
        return np.asarray(np.linalg.solve(matrix, vector))


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
        use &= mean > _FAINTEST_TIED * np.percentile(order.flux[order.good], 95)
        flux.append(mean)
    if use.sum() < _FEWEST_BINS:
        return nothing
    ratio, x, y = np.log(flux[0][use] / flux[1][use]), _place(a, middle[use]), _place(b, middle[use])
    curve = legendre.legfit(x, ratio, 3)
    scatter = robust_sigma(ratio - legendre.legval(x, curve), 0.0)
    rows = np.concatenate([legendre.legvander(x, _DEGREE), -legendre.legvander(y, _DEGREE)], 1)
    sigma = np.hypot(scatter, _OVERLAP_FLOOR * np.sqrt(x.size / _FEWEST_BINS))
    return rows, ratio, np.full(x.size, sigma)


def _add(matrix: NDArray, vector: NDArray, rows: NDArray, values: NDArray, sigma: NDArray, at: int) -> None:
    """Add equations rows . c = values, of errors sigma, to the normal equations of the coefficients from `at` on."""
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
    sigma = max(robust_sigma(upper, 0.0), at_least) if upper.size else at_least
    return [(e > -1.5 * sigma) & (e < 5 * sigma) for e in edges]
