"""Saliency of held-out stars at S/N 250 against ideal weights and the responses of the forward model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..explanation.peaks import strongest_peaks
from ..explanation.saliency import ideal_from_response, label_gradients
from ..forward_model.jacobian import jacobian
from ..inference.model import Model
from ..inference.network import N_TARGETS
from ..inference.point_estimates import estimate_all, sobol_latents
from ..inference.projection import mask_projection
from ..instrument import LITHIUM_ANGSTROM, N_PIXELS, WAVELENGTH
from ..synthesis.grid_file import Grid
from ..targets import TARGET_NAMES
from .held_out import HeldOutStars, evaluation_vbroad, held_out_stars, lithium_equivalent_width, observe_held_out
from .limit import clipped_z

SALIENCY_SNR = 250
_LATENTS = 128
_OWN_RESPONSE = 0.1
"""Share of its largest response from which a pixel counts as an element's own."""
_LITHIUM_WIDTH = 10.0
_LITHIUM_REACH = 1.0
"""Distance [Angstrom] from 6707.8 within which a peak is the lithium line's (rotation widens it)."""


@dataclass(frozen=True, eq=False)
class StarSaliency:
    """Saliency of n stars: weights and ideal (n, 13, N_PIXELS) float16, rows of unit norm; own (n, 13, N_PIXELS) bool, where a
    target's response exceeds a tenth of its largest; lithium_width (n,) [milli-Angstrom].
    """

    weights: NDArray
    ideal: NDArray
    own: NDArray
    lithium_width: NDArray

    @property
    def background(self) -> NDArray:
        """Median over the stars (13, N_PIXELS), as the paper draws it, rows of unit norm."""
        middle = np.stack([np.median(self.weights[:, i].astype(np.float32), 0) for i in range(N_TARGETS)])
        return middle / np.linalg.norm(middle, axis=1, keepdims=True)


def measure_saliency(
    model: Model, grid: Grid, seed: int = 0, progress: Callable[[str], None] = lambda _: None
) -> StarSaliency:
    """Saliency at the MAP of every grid star, with noise of S/N 250 and a rotation of the training prior."""
    vbroad = evaluation_vbroad(len(grid), 0, seed)
    stars = held_out_stars(model, grid, vbroad, 0.0, seed)
    observation = observe_held_out(model, stars, SALIENCY_SNR, seed)
    progress("MAP of every star")
    maps = clipped_z(estimate_all(model, observation, sobol_latents(_LATENTS, seed).to(model.device)).map)
    masked = mask_projection(model.projection, np.ones(N_PIXELS, bool))
    shape = (len(grid), N_TARGETS, N_PIXELS)
    weights, ideal, own = np.empty(shape, np.float16), np.empty(shape, np.float16), np.empty(shape, bool)
    for i in range(len(grid)):
        if i % 20 == 0:
            progress(f"Star {i + 1} of {len(grid)}")
        row = label_gradients(observation.rows(slice(i, i + 1)), maps[i : i + 1], model)[0] @ masked.matrix.T
        weights[i] = row / np.linalg.norm(row, axis=1, keepdims=True)
        ideal[i], own[i] = _physics(model, stars, i)
    return StarSaliency(weights, ideal, own, lithium_equivalent_width(model.forward, stars.labels[:, 0]))


def _physics(model: Model, stars: HeldOutStars, i: int) -> tuple[NDArray, NDArray]:
    """Ideal weights (13, N_PIXELS) of a star at its true labels, and where each target's own response is large."""
    z = clipped_z(stars.labels[i])
    response = jacobian(model.forward, z)[0].astype(float)
    good = np.ones(N_PIXELS, bool)
    ideal = ideal_from_response(z[0, :N_TARGETS], response, (SALIENCY_SNR, SALIENCY_SNR), good)
    size = np.abs(response[:, :N_TARGETS]).T
    return ideal.weights, size > _OWN_RESPONSE * size.max(1, keepdims=True)


def saliency_numbers(saliency: StarSaliency) -> dict[str, object]:
    """The JSON of `kiel evaluate saliency`.

    For each target the median correlation with the ideal weights over stars (both have unit norm, no mean removed),
    the share of the ten strongest peaks on its own pixels, and that of random pixels; for lithium how often the strongest peak
    is 6707.8.
    """
    n = len(saliency.weights)
    none = np.full(N_PIXELS, "")
    targets, strongest = {}, np.empty(n)
    for i, name in enumerate(TARGET_NAMES):
        rows, ideal = saliency.weights[:, i].astype(np.float32), saliency.ideal[:, i].astype(np.float32)
        on_own = np.empty(n)
        for star in range(n):
            peaks = strongest_peaks(rows[star], none)
            pixels = [int(np.argmin(np.abs(WAVELENGTH - peak.wavelength))) for peak in peaks]
            on_own[star] = saliency.own[star, i, pixels].mean()
            if name == "li_fe":
                strongest[star] = peaks[0].wavelength
        targets[name] = {
            "correlation": float(np.median((rows * ideal).sum(1))),
            "peaks_on_own": float(on_own.mean()),
            "random_on_own": float(saliency.own[:, i].mean()),
        }
    visible = saliency.lithium_width > _LITHIUM_WIDTH
    right = np.abs(strongest[visible] - LITHIUM_ANGSTROM) < _LITHIUM_REACH
    return {
        "n": n,
        "snr": SALIENCY_SNR,
        "targets": targets,
        "lithium": {"n": int(visible.sum()), "strongest_at_line": float(right.mean()) if visible.any() else None},
    }
