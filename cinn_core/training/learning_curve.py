"""How the emulator's error falls with the number of spectra it learned from: emulators trained afresh on fewer stars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..forward_model.evaluate_emulator import flux_errors, well_covered
from ..forward_model.forward import forward_model
from .emulator import EmulatorSettings, train_emulator
from .grid_data import Grid

SHARES = (0.25, 0.5, 1.0)
QUICK = EmulatorSettings(likelihood_stars=300, steps=40)
"""Kernels from fewer stars in fewer steps than what ships: a little worse, a good deal faster, and alike at every size."""


@dataclass(frozen=True)
class CurvePoint:
    """Stars learned from, and |flux error| on the held-out stars as fractions of the continuum at R = 20 000."""

    stars: int
    median_abs: float
    p99_abs: float
    rms: float


def learning_curve(
    own: Grid,
    held_out: Grid,
    settings: EmulatorSettings = QUICK,
    shares: Sequence[float] = SHARES,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[CurvePoint]:
    """Errors on `held_out` of emulators of growing shares of the training stars of `own`, each holding those before it.

    The line list of `own` alone, so that the number of stars is all that changes. A share needs more training stars than
    the emulator has components.
    """
    train = np.flatnonzero(~(own.is_test | own.is_validation))
    order = np.random.default_rng(settings.seed).permutation(train)
    core = well_covered(held_out.labels)
    for share in shares:
        chosen = np.sort(order[: round(share * train.size)])
        emulator = train_emulator(own.select(chosen), None, settings, progress)
        error = np.abs(flux_errors(forward_model(emulator), held_out.select(core)))
        yield CurvePoint(
            emulator.n_own, float(np.median(error)), float(np.percentile(error, 99)), float(np.sqrt(np.mean(error**2)))
        )


def halving(points: Sequence[CurvePoint]) -> float:
    """By which factor the median error falls when the number of stars doubles: a power law through all points."""
    stars, error = (np.log2([getattr(point, name) for point in points]) for name in ("stars", "median_abs"))
    return float(2 ** np.polyfit(stars, error, 1)[0])
