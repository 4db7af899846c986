"""Pixels that take no part though they were observed: telluric lines, what no model can do, what a person leaves out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..instrument import SPEED_OF_LIGHT_KMS, TELLURIC_OXYGEN, WAVELENGTH
from ..stages import Step
from .telluric import Telluric, water_pixels


def oxygen_pixels(kms: float) -> NDArray:
    """Pixels (N_PIXELS,) bool that telluric oxygen covers once a star of this velocity is brought to rest."""
    low, high = np.array(TELLURIC_OXYGEN) / (1 + kms / SPEED_OF_LIGHT_KMS)
    return (low <= WAVELENGTH) & (high >= WAVELENGTH)


def without_masked(
    good: NDArray, wrong: NDArray, kms: float, telluric: Telluric, regions: tuple[tuple[float, float], ...]
) -> tuple[NDArray, list[Step]]:
    """Good pixels (N_PIXELS,) less telluric lines, less what no model can do (`wrong`) and less the user's regions
    [Angstrom, at rest], and the ledger's entries."""
    oxygen = oxygen_pixels(kms)
    steps = [Step("mask", "telluric O2 (6275-6320 Angstrom where it was observed)", {"pixels": int(oxygen.sum())})]
    water, step = water_pixels(telluric, kms)
    steps += [] if step is None else [step]
    reason = "the core of Halpha and lines that no model reproduces in stars of known parameters"
    steps.append(Step("mask", reason, {"pixels": int((wrong & good & ~oxygen).sum())}))
    good = good & ~oxygen & ~water & ~wrong
    for low, high in regions:
        inside = (low <= WAVELENGTH) & (high >= WAVELENGTH)
        reason = f"{low:g}-{high:g} Angstrom at rest, given by the user"
        steps.append(Step("mask", reason, {"pixels": int((inside & good).sum())}))
        good = good & ~inside
    return good, steps
