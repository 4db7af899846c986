"""A synthesis engine that takes no time, and may fail or die; it imports little, for processes that start with it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from cinn_core.errors import SynthesisError
from cinn_core.synthesis.engine import GRID_WINDOWS, MARGIN_ANGSTROM
from cinn_core.synthesis.grid import make_grid


@dataclass(frozen=True)
class FakeEngine:
    """One line as deep as the star is cool; stars cooler than `fails_below` fail, and the process dies at `dies_at`."""

    fails_below: float = 0.0
    dies_at: int | None = None
    calls: list = field(default_factory=list)
    linelist: str = "calibrated"
    provenance: dict = field(default_factory=lambda: {"engine": "fake"})

    def synthesise(self, labels):
        self.calls.append(labels)
        if self.dies_at is not None and len(self.calls) > self.dies_at:
            os._exit(9)
        if labels[0] < self.fails_below:
            raise SynthesisError("This star is too cool for a fake.")
        wavelength = np.concatenate(
            [np.arange(low - MARGIN_ANGSTROM, high + MARGIN_ANGSTROM, 0.1) for low, high in GRID_WINDOWS]
        )
        depth = (8000 - labels[0]) / 8000
        return wavelength, 1 - depth * np.exp(-0.5 * ((wavelength - 5500) / 2) ** 2)


def run_until_death(out: str) -> None:
    make_grid(Path(out), 8, 40, lambda: FakeEngine(dies_at=25))


def stored(path: Path) -> dict[str, np.ndarray]:
    """The stars of a grid file by the names of its datasets."""
    with h5py.File(path) as f:
        return {name: f[name][:] for name in ("labels", "flux", "index")}
