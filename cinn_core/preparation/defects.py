"""Light and defects that are not the star's, marked on native pixels before anything smooths it: noise alone, cosmic rays, saturation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..stages import Step
from ..statistics import median, robust_sigma, row_medians
from .native import Window

_STRETCH = 64


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
    """Mark positive outliers (cosmic rays) and their neighbours as bad: 8 sigma and 10 % above the continuum."""
    out, count = [], 0
    for w in windows:
        flux = w.flux[w.good]
        sigma = robust_sigma(np.diff(flux), 0.0) / np.sqrt(2)
        above = flux[flux > median(flux)] if flux.size else flux
        upper = median(above) if above.size else 1.0  # no pixel above: a model whose continuum was rounded
        spike = w.good & (w.flux > np.maximum(1.0, upper) + max(0.10, 8 * sigma))
        if spike.mean() > 0.02:  # a poor continuum, not cosmic rays
            spike[:] = False
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
