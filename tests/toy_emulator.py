"""An emulator that learned from a toy grid, whose spectra are known functions of their labels."""

from __future__ import annotations

from functools import cache

import numpy as np

from cinn_core.forward_model.emulator import Emulator
from cinn_core.prior import draw
from cinn_core.synthesis.grid_file import FLUX_SCALE, Grid
from cinn_core.targets import COLUMN, a_li
from cinn_core.training.emulator import EmulatorSettings, train_emulator

LITHIUM = (6705.5, 6710.2)
SETTINGS = EmulatorSettings(
    blocks=((0, 4),), windows=((*LITHIUM, 5),), likelihood_stars=80, likelihood_components=4, steps=40
)


def toy_grid(n: int, seed: int, offset: float = 0.0) -> Grid:
    """One line that follows Teff and [Fe/H] (and another line list's `offset`), and one of lithium alone."""
    labels = draw(n, np.random.default_rng(seed))
    labels[:, COLUMN["vbroad"]] = np.nan
    wavelength = 6690 * np.exp(np.arange(600) * 2.0 / 299_792.458)
    iron = 0.3 + 0.05 * labels[:, COLUMN["feh"]] - (labels[:, COLUMN["teff"]] - 5500) / 2e4 + offset
    lithium = 0.3 / (1 + np.exp(2 - a_li(labels[:, COLUMN["li_fe"]], labels[:, COLUMN["feh"]])))
    shape_iron = np.exp(-0.5 * ((wavelength - 6695) / 0.2) ** 2)
    shape_lithium = np.exp(-0.5 * ((wavelength - 6707.8) / 0.2) ** 2)
    flux = 1 - iron[:, None] * shape_iron - lithium[:, None] * shape_lithium
    stored = np.round(flux * FLUX_SCALE).astype(np.uint16)
    return Grid(labels, stored, seed * 100_000 + np.arange(n), wavelength, "toy")


@cache
def toy_emulator() -> Emulator:
    """The emulator of 180 stars of one line list and 60 of another, whose iron line is deeper."""
    return train_emulator(toy_grid(200, 3), toy_grid(60, 1, offset=0.05), SETTINGS, lambda text: None)
