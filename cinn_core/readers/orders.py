"""Echelle orders that overlap: each is freed from its blaze, then joined in the middle of each overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..continuum import upper_envelope
from ..errors import SpectrumError
from ..stages import Step
from .common import Pixels

_STRETCH = 64  # pixels
_NOISE_ALONE = 0.3  # scatter over level beyond which the end of an order is no light
_USUAL_TIMES = 5.0
_NEIGHBOURS = 3


def merge_orders(orders: list[Pixels], blaze_degree: int = 6) -> tuple[Pixels, Step]:
    """Join orders into one spectrum: divide each by its blaze, cut every overlap in its middle.

    The blaze is the upper envelope of the order (polynomial of `blaze_degree`); pixels where it falls below a tenth of
    its maximum are left out. Cutting instead of averaging keeps every pixel native, so its noise stays measurable.
    """
    usable = [lit for lit in map(_lit_part, orders) if lit is not None]
    blazes = _smooth_over_orders([upper_envelope(o.wavelength, o.flux, o.good, blaze_degree) for o in usable])
    parts = [p for o, b in zip(usable, blazes, strict=True) if (p := _deblazed(o, b)) is not None]
    if not parts:
        raise SpectrumError("None of the echelle orders in this file holds enough usable pixels.")
    parts.sort(key=lambda part: part.wavelength[0])
    kept = [np.ones(part.wavelength.size, bool) for part in parts]
    for i in range(len(parts) - 1):
        low, high = parts[i + 1].wavelength[0], parts[i].wavelength[-1]
        if low < high:
            kept[i] &= parts[i].wavelength <= 0.5 * (low + high)
            kept[i + 1] &= parts[i + 1].wavelength > 0.5 * (low + high)
    pairs = list(zip(parts, kept, strict=True))
    wavelength = np.concatenate([part.wavelength[k] for part, k in pairs])
    order = np.argsort(wavelength, kind="stable")
    order = order[np.concatenate([[True], np.diff(wavelength[order]) > 0])]
    flux = np.concatenate([part.flux[k] for part, k in pairs])[order]
    good = np.concatenate([part.good[k] for part, k in pairs])[order]
    errors = [part.error[k] for part, k in pairs if part.error is not None]
    error = np.concatenate(errors)[order] if len(errors) == len(parts) else None
    reason = "each order divided by its blaze (upper envelope), overlaps cut in their middle"
    step = Step("orders joined", reason, {"orders": len(parts), "blaze_degree": blaze_degree})
    return Pixels(wavelength[order], flux, error, good), step


def _lit_part(order: Pixels) -> Pixels | None:
    """The order in increasing wavelength, with what is noise alone marked as bad; None if it holds too little light."""
    ascending = np.argsort(order.wavelength, kind="stable")
    wavelength, flux, good = order.wavelength[ascending], order.flux[ascending], order.good[ascending]
    error = None if order.error is None else order.error[ascending]
    good = good & ~_noise_alone(flux, good)
    return None if good.sum() < 100 else Pixels(wavelength, flux, error, good)


def _smooth_over_orders(blazes: list[NDArray]) -> list[NDArray]:
    """Blazes (n,) of orders of one detector, freed from what no neighbour has, such as the wings of Halpha.

    The shape of a blaze changes slowly from order to order: each keeps its level and slope, the rest is the median over
    itself and three neighbours on either side. Fewer than seven orders, or orders of different length, stay as they are.
    """
    sizes = {b.size for b in blazes}
    if len(blazes) < 2 * _NEIGHBOURS + 1 or max(sizes) > 1.02 * min(sizes):
        return blazes
    x = np.linspace(-1, 1, 257)
    own = np.array([np.interp(x, np.linspace(-1, 1, b.size), b) for b in blazes])
    top = np.nanmax(own, axis=1, keepdims=True)
    if not np.isfinite(own).all() or not (top > 0).all():
        return blazes
    shape = np.log(np.maximum(own / top, 0.02))
    inner = np.abs(x) < 0.85
    out = []
    for i, blaze in enumerate(blazes):
        near = slice(max(0, i - _NEIGHBOURS), i + _NEIGHBOURS + 1)
        typical = np.median(shape[near], axis=0)
        tilt = np.polynomial.legendre.legfit(x[inner], (shape[i] - typical)[inner], 1)
        smooth = np.exp(typical + np.polynomial.legendre.legval(x, tilt)) * top[i]
        out.append(np.interp(np.linspace(-1, 1, blaze.size), x, smooth))
    return out


def _deblazed(order: Pixels, blaze: NDArray) -> Pixels | None:
    """The order divided by its blaze (n,), without empty ends; None if it holds too little light."""
    top = np.nanmax(np.where(order.good, blaze, np.nan))  # beyond the light it is extrapolated
    lit = np.isfinite(blaze) & (blaze > 0.1 * top)
    if (lit & order.good).sum() < 100:
        return None
    measured = np.flatnonzero(np.isfinite(order.flux) & (order.flux != 0))
    window = slice(measured[0], measured[-1] + 1)
    safe = np.where(lit, blaze, top)[window]
    error = None if order.error is None else order.error[window] / safe
    return Pixels(order.wavelength[window], order.flux[window] / safe, error, (order.good & lit)[window])


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
