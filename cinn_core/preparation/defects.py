"""Light and defects that are not the star's, marked on native pixels before anything smooths it: noise alone, cosmic rays, saturation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..stages import Step
from ..statistics import median, robust_sigma, row_medians
from .native import Window

_STRETCH = 64
_STRETCH_ANGSTROM, _FEWEST_KNOWN = 5.0, 20
_CROWDED, _FEWEST_CROWDED, _FEWEST_SPIKES = 0.1, 5, 10  # share of a stretch; stretches; pixels in all


def without_noise(windows: list[Window]) -> tuple[list[Window], list[Step]]:
    """Mark stretches of 64 pixels whose scatter is five times the usual as bad: ends of orders, dead parts of a detector."""
    out, count = [], 0
    for w in windows:
        n = _STRETCH
        difference = np.full(w.flux.size, np.inf)
        known = w.good[2:-2] & w.good[:-4] & w.good[4:]
        difference[2:-2][known] = np.abs(2 * w.flux[2:-2] - w.flux[:-4] - w.flux[4:])[known]
        cut = difference[: difference.size // n * n].reshape(-1, n)
        finite = np.isfinite(cut).sum(1)
        known_rows = finite >= 10
        if not known_rows.any():
            out.append(w)
            continue
        scatter = np.zeros(len(cut))
        scatter[known_rows] = row_medians(cut[known_rows], finite[known_rows])
        usual = np.median(scatter[known_rows])
        noisy = np.repeat((scatter > 5 * usual) & (scatter > 0.15), n)
        good = w.good.copy()
        good[: noisy.size] &= ~noisy
        count += int(noisy.sum())
        out.append(replace(w, good=good))
    if count == 0:
        return windows, []
    return out, [Step("noisy stretches", "pixels with five times the usual scatter are missing", {"pixels": count})]


def without_spikes(windows: list[Window]) -> tuple[list[Window], list[Step]]:
    """Mark positive outliers (cosmic rays) and their neighbours as bad: 8 sigma and 10 % above the continuum.

    Where five stretches or more hold many of them, as echelle orders leave it, it is the continuum that is off: then they
    count above what the pixels around them reach.
    """
    out, count = [], 0
    for w in windows:
        flux = w.flux[w.good]
        sigma = robust_sigma(np.diff(flux), 0.0) / np.sqrt(2)
        above = flux[flux > median(flux)] if flux.size else flux
        upper = median(above) if above.size else 1.0  # no pixel above: a model whose continuum was rounded
        far = max(0.10, 8 * sigma)
        spike = w.good & (w.flux > np.maximum(1.0, upper) + far)
        if spike.mean() > 0.02:  # a poor continuum, not cosmic rays
            spike[:] = False
        elif spike.sum() > _FEWEST_SPIKES:
            spike &= w.flux > _reached(w, spike) + far
        wide = np.convolve(spike, np.ones(5), "same") > 0
        count += int(spike.sum())
        out.append(replace(w, good=w.good & ~wide))
    if count == 0:
        return windows, []
    return out, [
        Step(
            "spikes", "pixels 8 sigma and 10 % above the continuum, and two neighbours, are missing", {"pixels": count}
        )
    ]


def _reached(window: Window, spike: NDArray) -> NDArray | float:
    """Level (n,) that the pixels around each reach, where spikes (n,) crowd in five stretches of 5 Angstrom; else no level.

    The upper quartile of a stretch's good pixels, straight between the middles of stretches.
    """
    stretch = ((window.wavelength - window.wavelength[0]) / _STRETCH_ANGSTROM).astype(int)
    known = np.bincount(stretch, window.good)
    crowded = np.bincount(stretch, spike) > _CROWDED * np.maximum(known, _FEWEST_KNOWN)
    if crowded.sum() < _FEWEST_CROWDED:
        return -np.inf
    lit = np.flatnonzero(known >= _FEWEST_KNOWN)
    levels = [float(np.percentile(window.flux[(stretch == one) & window.good], 75)) for one in lit]
    return np.interp(window.wavelength, window.wavelength[0] + _STRETCH_ANGSTROM * (lit + 0.5), levels)
