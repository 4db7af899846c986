"""Abundances A(X) of all elements from labels, on the solar scale, and the metallicity of the model atmosphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..targets import SOLAR_A_C, SOLAR_A_LI, SOLAR_A_O, SYNTHESIS_NAMES, effective_metallicity
from .grid_file import all_labels

SOLAR_ABUNDANCES: dict[int, float] = {
    1: 12.0, 2: 10.94, 3: SOLAR_A_LI, 4: 1.38, 5: 2.7, 6: SOLAR_A_C, 7: 7.83, 8: SOLAR_A_O, 9: 4.4, 10: 8.15, 11: 6.29, 12: 7.55,
    13: 6.43, 14: 7.59, 15: 5.41, 16: 7.16, 17: 5.25, 18: 6.5, 19: 5.14, 20: 6.37, 21: 3.07, 22: 4.94, 23: 3.89,
    24: 5.74, 25: 5.52, 26: 7.5, 27: 4.95, 28: 6.24, 29: 4.18, 30: 4.56, 31: 3.02, 32: 3.62, 37: 2.32, 38: 2.93,
    39: 2.3, 40: 2.68, 41: 1.47, 42: 1.88, 44: 1.75, 45: 0.78, 46: 1.57, 47: 0.96, 49: 0.8, 50: 2.02, 56: 2.27,
    57: 1.11, 58: 1.58, 59: 0.75, 60: 1.42, 62: 0.95, 63: 0.57, 64: 1.08, 65: 0.31, 66: 1.1, 67: 0.48, 68: 0.93,
    69: 0.11, 70: 0.85, 71: 0.1, 72: 0.85, 74: 0.79, 76: 1.35, 77: 1.32, 79: 0.91, 81: 0.92, 82: 1.95, 90: 0.03,
}  # fmt: skip
"""A(X) = log10(N_X / N_H) + 12 of the Sun by atomic number: mostly Magg et al. 2022; C, N, O of Asplund et al. 2021."""

ATOMIC_NUMBER: dict[str, int] = {
    "li": 3, "c": 6, "n": 7, "o": 8, "na": 11, "mg": 12, "al": 13, "si": 14, "ca": 20, "ti": 22, "v": 23, "cr": 24,
    "mn": 25, "co": 27, "ni": 28, "sr": 38, "y": 39, "zr": 40, "ba": 56, "ce": 58, "eu": 63,
}  # fmt: skip
"""Atomic numbers of the elements that have a label [X/Fe]."""

_ALPHA = ("o_fe", "mg_fe", "si_fe")
_RAISED_WITH_ALPHA = (10, 16)  # Ne, S
_HYDROGEN_HELIUM = (1, 2)
LOWEST_ABUNDANCE = -9.0
"""Lowest A(X) that is passed to a synthesis code."""


def abundances(labels: NDArray) -> dict[int, float]:
    """A(X) by atomic number from labels (25,) in the order of SYNTHESIS_NAMES: solar + [Fe/H] + [X/Fe], at least -9.

    H and He are solar. Elements without a label follow iron; Ne and S follow the mean of [O/Fe], [Mg/Fe] and [Si/Fe].
    """
    value = dict(zip(SYNTHESIS_NAMES, labels.tolist(), strict=True))
    ratios = {number: value[f"{symbol}_fe"] for symbol, number in ATOMIC_NUMBER.items()}
    ratios |= dict.fromkeys(_RAISED_WITH_ALPHA, float(np.mean([value[name] for name in _ALPHA])))
    return {
        number: solar
        if number in _HYDROGEN_HELIUM
        else max(solar + value["feh"] + ratios.get(number, 0.0), LOWEST_ABUNDANCE)
        for number, solar in SOLAR_ABUNDANCES.items()
    }


def metallicity(labels: NDArray) -> float:
    """[M/H] of the model atmosphere for labels (25,): [Fe/H] raised by the alpha elements."""
    return float(effective_metallicity(all_labels(np.asarray(labels)[None]))[0])
