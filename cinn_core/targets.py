"""The thirteen targets, the thirteen nuisance elements and the three labels of the physics: order, names, units and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SOLAR_A_LI = 1.05
"""Photospheric A(Li) of the solar scale (Magg et al. 2022 and Asplund et al. 2021 for C, N, O)."""

SOLAR_A_C, SOLAR_A_O = 8.46, 8.69

A_LI_LOW, A_LI_HIGH = -1.0, 4.2
"""Range of A(Li) in the prior; [Li/Fe] follows as A(Li) - 1.05 - [Fe/H]."""


@dataclass(frozen=True)
class Target:
    """One label the network infers.

    `low` and `high` are the bounds of the prior in `unit`; `log` says that the paper's network, and so
    `map_paper`, measures its density in log10; `paper_range` is the range that normalises the paper's NRMSE.
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    decimals: int
    log: bool = False
    paper_range: float | None = None


TARGETS: tuple[Target, ...] = (
    Target("teff", "Teff", "K", 3950.0, 7200.0, 0, log=True, paper_range=4125.0),
    Target("logg", "log g", "dex", 0.0, 5.0, 2, paper_range=5.2),
    Target("feh", "[Fe/H]", "dex", -4.0, 0.5, 2, paper_range=6.0),
    Target("vmic", "vmic", "km/s", 0.4, 2.6, 2, paper_range=1.5),
    Target("vbroad", "vbroad", "km/s", 1.0, 100.0, 1, log=True, paper_range=100.0),
    Target("ca_fe", "[Ca/Fe]", "dex", -0.4, 0.7, 2, paper_range=1.32),
    Target("c_fe", "[C/Fe]", "dex", -0.7, 0.6, 2),
    Target("mg_fe", "[Mg/Fe]", "dex", -0.5, 0.8, 2, paper_range=1.55),
    Target("mn_fe", "[Mn/Fe]", "dex", -0.7, 0.4, 2),
    Target("n_fe", "[N/Fe]", "dex", -0.6, 1.0, 2),
    Target("si_fe", "[Si/Fe]", "dex", -0.5, 0.8, 2),
    Target("ti_fe", "[Ti/Fe]", "dex", -0.5, 0.8, 2),
    Target("li_fe", "[Li/Fe]", "dex", A_LI_LOW - SOLAR_A_LI - 0.5, A_LI_HIGH - SOLAR_A_LI + 4.0, 2, paper_range=9.1),
)
TARGET_NAMES: tuple[str, ...] = tuple(t.name for t in TARGETS)

NUISANCE_BOUNDS: dict[str, tuple[float, float]] = {
    "o_fe": (-0.3, 0.8),
    "na_fe": (-0.4, 0.6),
    "al_fe": (-0.4, 0.6),
    "v_fe": (-0.3, 0.3),
    "cr_fe": (-0.3, 0.3),
    "co_fe": (-0.3, 0.3),
    "ni_fe": (-0.3, 0.3),
    "sr_fe": (-0.6, 0.8),
    "y_fe": (-0.6, 0.8),
    "zr_fe": (-0.6, 0.8),
    "ba_fe": (-0.6, 0.8),
    "ce_fe": (-0.6, 0.8),
    "eu_fe": (-0.5, 1.0),
}
"""Elements that the network integrates over, with their uniform prior bounds in dex; told on demand (`more_elements`)."""

PHYSICS_DEFAULTS: dict[str, float] = {"structure": 1.0, "second_shape": 0.0, "iron_strength": 1.0}
"""What is not known of the physics of a star, and the value where nothing else is said: the structure s of its atmosphere
(0 ATLAS9, 1 STAGGER's mean), the amplitude of a second shape, the strength n of iron's departures (0 LTE, 1 the model atom's)."""

PHYSICS_LABELS: dict[str, str] = {
    "structure": "structure s",
    "second_shape": "second shape",
    "iron_strength": "departures n of iron",
}
"""What these are called where a person reads them."""

LABEL_NAMES: tuple[str, ...] = TARGET_NAMES + tuple(NUISANCE_BOUNDS) + tuple(PHYSICS_DEFAULTS)
"""All 29 labels of the forward model: the targets, the nuisance elements, the physics."""

COLUMN: dict[str, int] = {name: i for i, name in enumerate(LABEL_NAMES)}
"""Column of each label in an array of labels."""

SYNTHESIS_NAMES: tuple[str, ...] = (
    "teff", "logg", "feh", "vmic", "li_fe", "c_fe", "n_fe", "o_fe", "na_fe", "mg_fe", "al_fe", "si_fe", "ca_fe",
    "ti_fe", "v_fe", "cr_fe", "mn_fe", "co_fe", "ni_fe", "sr_fe", "y_fe", "zr_fe", "ba_fe", "ce_fe", "eu_fe",
)  # fmt: skip
"""The 25 labels a synthesis takes (all but vbroad), in the column order of the grid files."""

SYNTHESIS_COLUMNS: list[int] = [COLUMN[name] for name in SYNTHESIS_NAMES]
"""Column of each of them in an array of all labels."""

PHYSICS_COLUMNS: list[int] = [COLUMN[name] for name in PHYSICS_DEFAULTS]
"""Column of each label of the physics."""

EMULATOR_COLUMNS: list[int] = SYNTHESIS_COLUMNS + PHYSICS_COLUMNS
"""Columns of the 28 labels that an emulator takes: those of a synthesis, then the physics."""


def labels_of(values: Mapping[str, float]) -> NDArray:
    """Labels (29,) from values by name: 0 for what is missing, the physics as nothing else is said."""
    return np.array([values.get(name, PHYSICS_DEFAULTS.get(name, 0.0)) for name in LABEL_NAMES], float)


def a_li(li_fe: NDArray, feh: NDArray) -> NDArray:
    """A(Li) = log10(N_Li / N_H) + 12 from [Li/Fe] and [Fe/H] [dex]."""
    return li_fe + SOLAR_A_LI + feh


def log_c_over_o(labels: NDArray) -> NDArray:
    """log10 of the number ratio C/O for labels (n, 29)."""
    return SOLAR_A_C - SOLAR_A_O + labels[..., COLUMN["c_fe"]] - labels[..., COLUMN["o_fe"]]


def effective_metallicity(labels: NDArray) -> NDArray:
    """[M/H] of the model atmosphere for labels (n, 29): [Fe/H] raised by the alpha elements (Salaris et al. 1993).

    [M/H] = [Fe/H] + log10(0.638 10^[alpha/Fe] + 0.362), with [alpha/Fe] the mean of Mg and Si.
    """
    alpha = 0.5 * (labels[..., COLUMN["mg_fe"]] + labels[..., COLUMN["si_fe"]])
    return labels[..., COLUMN["feh"]] + np.log10(0.638 * 10.0**alpha + 0.362)
