"""Last step of the preparation: the fitted continuum of one spectrum, its ripple, and the ledger's entry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..instrument import ARMS, N_PIXELS, arm_slices
from ..stages import Step
from ..statistics import robust_sigma
from .templates import Templates

POOR_CONTINUUM = 0.02
"""Ripple beyond which the continuum cannot be trusted."""

_RIPPLE_PIXELS = 100


def normalise(
    flux: NDArray, good: NDArray, templates: Templates, template: int, fitted: NDArray | None
) -> tuple[NDArray, list[Step], set[str]]:
    """Continuum (N_PIXELS,) of a spectrum at rest in 4MOST pixels, the ledger's entry, and a flag where it is poor.

    `fitted` (N_PIXELS,) is what `fit_continuum` gave; None leaves the flux as it is. `template` is the index of
    the one that fitted the velocity best; against it the ripple is measured.
    """
    continuum = np.ones(N_PIXELS) if fitted is None else _kept_near(fitted, good)
    ripples = continuum_ripple(flux / continuum, good, templates.flux[template])
    numbers: dict[str, float | str] = {}
    for arm, part, ripple in zip(ARMS, arm_slices(), ripples, strict=True):
        low, high = float(continuum[part].min()), float(continuum[part].max())
        numbers |= {f"least_{arm.name}": low, f"most_{arm.name}": high, f"ripple_{arm.name}": ripple}
    reason = (
        "six Legendre modes an arm against the best template, lines it gets wrong weighted down"
        if fitted is not None
        else "given by the user: the flux is normalised already and stays as it is"
    )
    poor = bool(np.nanmax(ripples) > POOR_CONTINUUM)
    return continuum, [Step("continuum", reason, numbers)], {"continuum_poor"} if poor else set()


def _kept_near(fitted: NDArray, good: NDArray) -> NDArray:
    """A fitted continuum whose extrapolation over gaps stays near what was observed."""
    continuum = fitted.astype(float)
    for part in arm_slices():
        observed = continuum[part][good[part]] if good[part].any() else np.ones(1)
        low, high = max(0.02, 0.8 * observed.min()), 1.25 * max(0.02, observed.max())
        continuum[part] = np.clip(continuum[part], low, high)
    return continuum


def continuum_ripple(flux: NDArray, good: NDArray, template: NDArray) -> tuple[float, ...]:
    """Scatter (1.48 MAD) over blocks of 10 Angstrom of the upper edge of `flux` (N_PIXELS,) against a template, for each arm.

    Well normalised spectra stay below 1 %; order ripples that six modes cannot follow, or molecular bands that the
    template lacks, reach several. NaN for an arm with fewer than six blocks.
    """
    ripples = []
    for part in arm_slices():
        blocks = (-1, _RIPPLE_PIXELS)
        last = part.start + (part.stop - part.start) // _RIPPLE_PIXELS * _RIPPLE_PIXELS
        known = good[part.start : last].reshape(blocks)
        enough = known.sum(1) > 0.6 * _RIPPLE_PIXELS
        observed, model = (
            _upper_edge(x[part.start : last].reshape(blocks)[enough], known[enough]) for x in (flux, template)
        )
        edges = observed - model
        several = edges.size > 5
        ripples.append(robust_sigma(edges) if several else float("nan"))
    return tuple(ripples)


def _upper_edge(values: NDArray, good: NDArray) -> NDArray:
    """80th percentile (n,) of the good values of each row (n, m), linear between them."""
    ordered = np.sort(np.where(good, values, np.inf), axis=1)
    place = 0.8 * (good.sum(1) - 1)
    low = place.astype(int)
    row = np.arange(len(values))
    lower, upper = ordered[row, low], ordered[row, np.minimum(low + 1, good.sum(1) - 1)]
    return lower + (place - low) * (upper - lower)
