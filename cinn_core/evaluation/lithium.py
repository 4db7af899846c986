"""How strong a star's lithium line is: what decides whether lithium can be measured at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..forward_model.forward import ForwardModel
from ..instrument import LITHIUM_ANGSTROM, PIXEL_ANGSTROM, WAVELENGTH
from ..targets import A_LI_LOW, COLUMN, SOLAR_A_LI

_BATCH = 64
_HALF_WIDTH_ANGSTROM = 1.5
_SLOW_KMS = 2.0


def lithium_equivalent_width(forward: ForwardModel, labels: NDArray) -> NDArray:
    """Equivalent width [milli-Angstrom] (n,) of Li I 6707.8 in stars with labels (n, 26), rotation aside.

    The light that the star would gain if A(Li) were the lowest of the prior, where no line shows.
    """
    line = np.abs(WAVELENGTH - LITHIUM_ANGSTROM) < _HALF_WIDTH_ANGSTROM
    own = labels.copy()
    own[:, COLUMN["vbroad"]] = _SLOW_KMS
    without = own.copy()
    without[:, COLUMN["li_fe"]] = A_LI_LOW - SOLAR_A_LI - own[:, COLUMN["feh"]]
    width = np.empty(len(labels))
    for i in range(0, len(labels), _BATCH):
        part = slice(i, i + _BATCH)
        gained = forward.flux(without[part])[:, line] - forward.flux(own[part])[:, line]
        width[part] = gained.sum(1) * PIXEL_ANGSTROM * 1000
    return width
