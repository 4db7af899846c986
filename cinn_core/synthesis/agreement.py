"""How far this installation's spectra are from those of a grid file: the check that a build is the one to trust."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..training.grid_data import Grid, synthesis_labels
from .engine import Engine, to_grid


@dataclass(frozen=True)
class Agreement:
    """One star: index and main labels; rms and largest |difference| of the flux as fractions of the continuum; seconds."""

    index: int
    teff: float
    logg: float
    feh: float
    rms: float
    largest: float
    seconds: float


def agreements(engine: Engine, grid: Grid, n_stars: int) -> Iterator[Agreement]:
    """Synthesises `n_stars` stars spread evenly over a grid again and compares.

    Fluxes of a grid file are multiples of 1/50 000, so that a perfect match has an rms of 0.0006 %.
    """
    chosen = np.unique(np.linspace(0, len(grid) - 1, min(n_stars, len(grid))).round().astype(int))
    labels, flux = synthesis_labels(grid.labels), grid.normalised()[chosen].astype(float)
    for i, expected in zip(chosen, flux, strict=True):
        started = time.perf_counter()
        difference = to_grid(*engine.synthesise(labels[i])) - expected
        rms, largest = float(np.sqrt(np.mean(difference**2))), float(np.abs(difference).max())
        teff, logg, feh = (float(value) for value in labels[i, :3])
        yield Agreement(int(grid.index[i]), teff, logg, feh, rms, largest, time.perf_counter() - started)
