"""Made-up changes by NLTE: stars to learn from, the change learned, and an engine with two magnesium lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch

from cinn_core.forward_model.kernels import emulator_inputs
from cinn_core.forward_model.nlte_change import NlteChange
from cinn_core.nlte.flux_change import WINDOWS
from cinn_core.synthesis.engine import grid_wavelength
from cinn_core.synthesis.grid import star_labels
from cinn_core.synthesis.turbospectrum_nlte import NlteElement
from cinn_core.training.nlte_change import ChangedStars, ChangeSettings, learn_change

MG, LI = 5528.405, 6707.8
SETTINGS = ChangeSettings(components=3, steps=60)
NLTE_DEX, LINE, LABORATORY_LINE = 0.12, 5528.405, 5183.604


@cache
def made_up_stars(n: int) -> ChangedStars:
    """Stars of the prior in which Mg I 5528 deepens with Teff, log g and [Mg/Fe], and lithium with A(Li)."""
    index = 100_000 + np.arange(n)
    labels = np.stack([star_labels(int(i)) for i in index]).astype(float)
    x = emulator_inputs(torch.from_numpy(labels)).numpy()
    wavelength = grid_wavelength()
    magnesium = 0.03 * np.tanh(0.5 * x[:, 0] - 0.3 * x[:, 1] + 0.4 * x[:, 2]) * (1 + 0.3 * x[:, 10])
    lithium = 0.04 / (1 + np.exp(-2 * x[:, 5])) * (1 + 0.2 * x[:, 2])
    shapes = [np.exp(-0.5 * ((wavelength - centre) / 0.12) ** 2) for centre in (MG, LI)]
    change = np.stack([magnesium, -lithium], 1) @ np.stack(shapes)
    return ChangedStars(index, labels, change.astype(np.float32))


@cache
def made_up_change() -> NlteChange:
    """The change learned from 250 of these stars."""
    return learn_change(made_up_stars(250), ("Mg", "Li"), SETTINGS)


@dataclass(frozen=True)
class MagnesiumEngine:
    """Two Mg lines whose depth saturates with log gf; NLTE strengthens both by 0.12 dex."""

    shifts: dict[tuple[str, float], float] = field(default_factory=dict)
    nlte: tuple[NlteElement, ...] = ()
    in_lte: tuple[str, ...] = ()

    def synthesise(self, labels):
        wavelength = np.concatenate([np.arange(low - 1, high + 1, 0.0125) for low, high in WINDOWS["Mg"]])
        depth = np.zeros_like(wavelength)
        for centre in (LINE, LABORATORY_LINE):
            strength = 10 ** ((NLTE_DEX if self.nlte else 0.0) + self.shifts.get(("Mg I", centre), 0.0))
            depth += 1 - np.exp(-strength * np.exp(-0.5 * ((wavelength - centre) / 0.1) ** 2))
        return wavelength, 1 - depth


IN_NLTE = (NlteElement("Mg", None),)  # type: ignore[arg-type]
