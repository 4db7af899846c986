"""What departures do to a line: opacity and source function over their LTE values.

With x = h nu / k T and levels l, u (Rutten 2003, Radiative Transfer in Stellar Atmospheres, eqs 2.105-2.110):
alpha = alpha_LTE b_l (1 - (b_u/b_l) e^-x) / (1 - e^-x),  S = B (e^x - 1) / ((b_l/b_u) e^x - 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 1e-3  # of 1 - (b_u/b_l) e^-x: below it the line would be a laser, which this gas is not


def opacity_over_lte(b_lower: NDArray, b_upper: NDArray, x: NDArray) -> NDArray:
    """Line opacity over that in LTE, (n,) like its arguments."""
    stimulated = np.maximum(1.0 - b_upper / b_lower * np.exp(-x), _SMALLEST)
    return b_lower * stimulated / -np.expm1(-x)


def source_over_planck(b_lower: NDArray, b_upper: NDArray, x: NDArray) -> NDArray:
    """Line source function over the Planck function, (n,) like its arguments."""
    stimulated = np.maximum(1.0 - b_upper / b_lower * np.exp(-x), _SMALLEST)
    return b_upper / b_lower * -np.expm1(-x) / stimulated
