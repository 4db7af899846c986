"""The haze of lines in the ultraviolet, as factors on the continuous opacity, and how they follow the star.

Measured on the Sun by J. Bruls (1992, thesis Utrecht, pp. 104-106; Bruls, Rutten & Shchukina 1992, A&A 265, 237): the
opacity of H- and the scattering, or that of metals, times 1 + f(wavelength). For other stars (Kiel's own rule, an
assumption): the haze is of neutral iron-group atoms, its opacity over that of H- goes as N(Fe I) / N(H-). Both are
minor stages, so the electron density cancels in Saha's equations and

    f = f_Sun x 10^([Fe/H] + 4.6 (5040/Teff - 5040/5777)),  at most 10 f_Sun,

with 4.6 eV = 7.9 (ionisation of Fe) - 0.75 (affinity of H-) - 2.5 (typical lower level). How much an answer hangs on
this is the spread between OFF, SOLAR and SCALED.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

_WAVELENGTH, _CONTINUUM, _METALS = np.array(
    [
        (100.0, 0, 0), (152.499, 0, 0), (152.5, 0, 1), (168.2, 0, 1), (168.201, 0, 20), (185.0, 0, 10),
        (185.001, 0, 1.3), (198.6, 0, 1), (198.601, 0, 1.5), (210.615, 0, 1), (210.616, 6.5, 0), (230.0, 2.5, 0),
        (251.5, 1.6, 0), (251.501, 4.5, 0), (265.0, 4, 0), (265.001, 1.5, 0), (300.0, 0.45, 0), (320.0, 0.45, 0),
        (370.0, 0.35, 0), (420.0, 0, 0), (1000.0, 0, 0),
    ]
).T  # fmt: skip
"""nm; f of H- and scattering; f of the metals' bound-free opacity."""
_SOLAR_TEFF, _EV, _MOST = 5777.0, 4.6, 10.0


class Blanketing(Enum):
    """Which haze: none, the Sun's, or the Sun's scaled to the star."""

    OFF = "off"
    SOLAR = "solar"
    SCALED = "scaled"


def haze_scale(blanketing: Blanketing, teff: float, feh: float) -> float:
    """Factor on the Sun's f for a star of this Teff [K] and [Fe/H]."""
    if blanketing is Blanketing.OFF:
        return 0.0
    if blanketing is Blanketing.SOLAR:
        return 1.0
    return float(min(10.0 ** (feh + _EV * (5040.0 / teff - 5040.0 / _SOLAR_TEFF)), _MOST))


def haze(wavelength_nm: NDArray, scale: float) -> tuple[NDArray, NDArray]:
    """Factors (n,) on H- and scattering, and on the metals' bound-free opacity, at vacuum wavelengths (n,) [nm]."""
    continuum = np.interp(wavelength_nm, _WAVELENGTH, _CONTINUUM)
    return 1 + scale * continuum, 1 + scale * np.interp(wavelength_nm, _WAVELENGTH, _METALS)
