"""The strongest peaks of a saliency map, named by the element that shapes their pixels; and the map of typical stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..inference.infer import observe
from ..inference.model import Model
from ..inference.predictive import with_nuisances_of_z
from ..inference.projection import mask_projection
from ..instrument import N_PIXELS, WAVELENGTH
from ..lines import LineWindow, line_windows
from ..prior import draw, to_z
from ..stages import Analysis, FluxVector, PosteriorSamples, Saliency
from ..targets import COLUMN, LABEL_NAMES, TARGETS
from .saliency import saliency

N_PEAKS = 10
PEAK_ANGSTROM = 0.8
"""Peaks are further apart than this; a peak's share counts the pixels within half of it."""
_NEAR_ANGSTROM = 0.4
_STEP_DEX = 0.1
_SEEN = 2e-4
"""Smallest change of flux per dex by which an element is said to shape a pixel."""
TYPICAL_SNR = 100.0


@dataclass(frozen=True)
class Peak:
    """A peak at an air wavelength [Angstrom]: its share of the target's squared saliency, the sign of its weight, the element
    that changes the flux there most (empty: none), and the diagnostic line it is (None: none of them).
    """

    wavelength: float
    share: float
    raises: bool
    element: str
    line: LineWindow | None


def elements_of_pixels(analysis: Analysis, model: Model) -> NDArray:
    """Symbol (N_PIXELS,) of the element to whose abundance the model flux answers most at the star's MAP; "" where none does."""
    names = [name for name in LABEL_NAMES if name.endswith("_fe")]
    at_map = with_nuisances_of_z(analysis.posterior.map_z[None])
    moved = np.repeat(at_map, len(names) + 2, 0)
    for i, name in enumerate([*names, "feh"]):
        moved[i, COLUMN[name]] += _STEP_DEX
    flux = model.forward.flux(moved)
    slopes = (flux[:-1] - flux[-1]) / _STEP_DEX
    iron = slopes[-1] - slopes[:-1].sum(0)  # [Fe/H] moves all metals, each ratio kept
    sizes = np.abs(np.concatenate([slopes[:-1], iron[None]]))
    symbols = np.array([name.removesuffix("_fe").capitalize() for name in names] + ["Fe"])
    return np.where(sizes.max(0) > _SEEN, symbols[sizes.argmax(0)], "")


def strongest_peaks(weights: NDArray, elements: NDArray, n: int = N_PEAKS) -> tuple[Peak, ...]:
    """The n strongest peaks of one target's saliency (N_PIXELS,), the strongest first."""
    power = weights**2
    total = max(float(power.sum()), 1e-30)
    free = np.ones(N_PIXELS, bool)
    peaks = []
    for _ in range(n):
        at = int(np.argmax(np.where(free, power, -1)))
        if power[at] <= 0:
            break
        distance = np.abs(WAVELENGTH - WAVELENGTH[at])
        own = (distance <= PEAK_ANGSTROM / 2) & free
        line = min(line_windows(), key=lambda w: abs(w.wavelength - WAVELENGTH[at]))
        near = abs(line.wavelength - WAVELENGTH[at]) <= _NEAR_ANGSTROM
        share = float(power[own].sum() / total)
        peaks.append(
            Peak(float(WAVELENGTH[at]), share, bool(weights[at] > 0), str(elements[at]), line if near else None)
        )
        free &= distance > PEAK_ANGSTROM
    return tuple(peaks)


def typical_saliency(model: Model, n: int, seed: int) -> Saliency:
    """Root mean square saliency of `n` simulated stars of the prior at S/N 100 per Angstrom: what decides in general, no signs."""
    labels = draw(n, np.random.default_rng(seed))
    flux = model.forward.flux(labels)
    good = np.ones(N_PIXELS, bool)
    masked = mask_projection(model.projection, good)
    power = np.zeros((len(TARGETS), N_PIXELS))
    for star, seen_flux in zip(to_z(labels[:, : len(TARGETS)]), flux, strict=True):
        vector = FluxVector(
            seen_flux, good, np.ones(N_PIXELS), (TYPICAL_SNR, TYPICAL_SNR), 0.0, 0.0, 20_000.0, 0.0, "", "", "", (), ()
        )
        seen = observe(vector, model, masked=masked)
        truth = PosteriorSamples(star[None], star[None], np.zeros(1), star, 0.0, seed)
        power += saliency(seen, truth, model, masked).weights ** 2
    return Saliency(np.sqrt(power / n))
