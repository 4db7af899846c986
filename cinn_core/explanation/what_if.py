"""What-if model: spectrum of labels that a person chooses, beside the observation; fast enough to follow a slider."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..inference.model import Model
from ..inference.predictive import Comparison, compare
from ..instrument import WAVELENGTH
from ..lines import LineWindow, line_windows
from ..prior import STRUCTURE_RANGE, inside
from ..stages import FluxVector
from ..targets import A_LI_HIGH, A_LI_LOW, COLUMN, NUISANCE_BOUNDS, SOLAR_A_LI, TARGETS, labels_of


@dataclass(frozen=True, eq=False)
class WhatIf:
    """A model of chosen labels (29,) beside the observation, and whether the prior holds such stars at all."""

    labels: NDArray
    comparison: Comparison
    inside: bool


def what_if(labels: NDArray, vector: FluxVector, model: Model) -> WhatIf:
    """The model of labels (29,) in natural units; some 30 ms."""
    return WhatIf(labels, compare(labels, vector, model), bool(inside(labels[None])[0]))


def slider_bounds() -> dict[str, tuple[float, float]]:
    """The range of each label that may be moved, lithium as A(Li): the targets' and the nuisance elements' bounds, and the
    physics that stars were synthesised with."""
    bounds = {t.name: (t.low, t.high) for t in TARGETS} | dict(NUISANCE_BOUNDS)
    physics = {"structure": STRUCTURE_RANGE, "second_shape": (-2.5, 2.5), "iron_strength": (0.0, 2.5)}
    return bounds | {"li_fe": (A_LI_LOW, A_LI_HIGH)} | physics


def from_sliders(values: dict[str, float]) -> NDArray:
    """Labels (29,) from slider values, lithium given as A(Li)."""
    labels = labels_of({})
    for name, value in values.items():
        labels[COLUMN[name]] = value
    labels[COLUMN["li_fe"]] -= SOLAR_A_LI + labels[COLUMN["feh"]]
    return labels


def to_sliders(labels: NDArray) -> dict[str, float]:
    """Slider values of labels (29,), lithium as A(Li), each within its bounds."""
    values = {name: float(labels[column]) for name, column in COLUMN.items()}
    values["li_fe"] += SOLAR_A_LI + values["feh"]
    return {name: float(np.clip(values[name], *bounds)) for name, bounds in slider_bounds().items()}


def changed_most(before: NDArray, after: NDArray) -> LineWindow:
    """The diagnostic line whose pixels differ most between two spectra (N_PIXELS,)."""
    change = np.abs(after - before)
    return max(line_windows(), key=lambda w: float(change[w.pixels()].max(initial=0.0)))


def around(wavelength: float, half_width: float) -> NDArray:
    """Indices of the pixels within `half_width` [Angstrom] of a wavelength."""
    return np.flatnonzero(np.abs(WAVELENGTH - wavelength) <= half_width)
