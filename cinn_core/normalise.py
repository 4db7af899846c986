"""The last step of the preparation: the fitted continuum of one spectrum, how rippled it is, and what the ledger says of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .continuum import fit_continuum
from .instrument import ARMS, N_PIXELS, arm_slices
from .overrides import ContinuumChoice
from .stages import Step
from .templates import Templates

POOR_CONTINUUM = 0.02
"""Ripple beyond which the continuum cannot be trusted."""

_RIPPLE_PIXELS = 100


def normalise(
    flux: NDArray, good: NDArray, templates: Templates, template: int, choice: ContinuumChoice
) -> tuple[NDArray, bool, Step]:
    """Continuum (N_PIXELS,) of a spectrum at rest in 4MOST pixels, whether it is poor, and the ledger's entry.

    `template` is the index of the one that fitted the velocity best; against it the ripple is measured.
    """
    fit = choice is ContinuumChoice.FIT
    continuum = _fitted(flux, good, templates) if fit else np.ones(N_PIXELS)
    ripples = continuum_ripple(flux / continuum, good, templates.flux[template])
    numbers: dict[str, float | str] = {}
    for arm, part, ripple in zip(ARMS, arm_slices(), ripples, strict=True):
        low, high = float(continuum[part].min()), float(continuum[part].max())
        numbers |= {f"least_{arm.name}": low, f"most_{arm.name}": high, f"ripple_{arm.name}": ripple}
    reason = (
        "six Legendre modes an arm against the best template, lines it gets wrong weighted down"
        if fit
        else "given by the user: the flux is normalised already and stays as it is"
    )
    return continuum, bool(np.nanmax(ripples) > POOR_CONTINUUM), Step("continuum", reason, numbers)


def _fitted(flux: NDArray, good: NDArray, templates: Templates) -> NDArray:
    fitted = fit_continuum(flux[None].astype(np.float32), good[None], templates.flux)[0].astype(float)
    for part in arm_slices():
        seen = fitted[part][good[part]] if good[part].any() else np.ones(1)
        low, high = max(0.02, 0.8 * seen.min()), 1.25 * max(0.02, seen.max())
        fitted[part] = np.clip(fitted[part], low, high)  # gaps extrapolate
    return fitted


def continuum_ripple(flux: NDArray, good: NDArray, template: NDArray) -> tuple[float, ...]:
    """Scatter (1.48 MAD) over blocks of 10 Angstrom of the upper edge of `flux` (N_PIXELS,) against a template, for each arm.

    Well normalised spectra stay below 1 %; order ripples that six modes cannot follow, or molecular bands that the
    template lacks, reach several. NaN for an arm with fewer than six blocks.
    """
    ripples = []
    for part in arm_slices():
        starts = range(part.start, part.stop - _RIPPLE_PIXELS + 1, _RIPPLE_PIXELS)
        blocks = [np.arange(i, i + _RIPPLE_PIXELS)[good[i : i + _RIPPLE_PIXELS]] for i in starts]
        edges = [
            np.percentile(flux[b], 80) - np.percentile(template[b], 80) for b in blocks if b.size > 0.6 * _RIPPLE_PIXELS
        ]
        known = len(edges) > 5
        ripples.append(1.4826 * float(np.median(np.abs(np.array(edges) - np.median(edges)))) if known else float("nan"))
    return tuple(ripples)
