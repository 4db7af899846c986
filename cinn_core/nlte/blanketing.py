"""The haze of lines in the ultraviolet, as factors on the continuous opacity, and how they follow the star.

From 210 nm on f multiplies the opacity of H- and all that is not the metals' bound-free, and gives the Sun's model the
irradiance that is observed (`ultraviolet.py`, means over 10 nm): what photoionises is the mean intensity, lines and gaps
together. f stands for all that Lightweaver's continuum lacks there, iron's bound-free opacity too. Below it is that of
J. Bruls (1992, thesis Utrecht, pp. 104-106; Bruls, Rutten & Shchukina 1992, A&A 265, 237), on the metals.

For other stars (Kiel's own rule, an assumption): the haze is of neutral iron-group atoms, whose number over that of H-
goes as 10^([Fe/H] + 4.6 (5040/Teff - 5040/5777)): both are minor stages, so the electron density cancels in Saha's
equations, and 4.6 eV = 7.9 (ionisation of Fe) - 0.75 (affinity of H-) - 2.5 (typical lower level). The lines are
saturated: what they block grows with a power of their number of atoms, 0.47 for the pixels of synthetic green spectra
that are darker than 0.5 in the Sun, 0.44 for those darker than 0.3; the ultraviolet's lines are stronger still. So

    f = f_Sun x 10^(0.42 ([Fe/H] + 4.6 (5040/Teff - 5040/5777))),  at most 5 f_Sun.

How much an answer hangs on this is the spread between OFF, SOLAR and SCALED.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

_BRULS = np.array(
    [
        (100.0, 0, 0), (152.499, 0, 0), (152.5, 0, 1), (168.2, 0, 1), (168.201, 0, 20), (185.0, 0, 10),
        (185.001, 0, 1.3), (198.6, 0, 1), (198.601, 0, 1.5), (209.999, 0, 1),
    ]
)  # fmt: skip
_SUN = np.array(
    [
        (210.0, 7.37), (215.0, 7.37), (225.0, 8.39), (235.0, 15.39), (245.0, 21.48), (255.0, 22.60), (265.0, 8.14),
        (275.0, 10.79), (285.0, 7.97), (295.0, 3.36), (305.0, 3.56), (315.0, 3.04), (325.0, 2.32), (335.0, 2.04),
        (345.0, 2.24), (355.0, 2.28), (365.0, 2.02), (375.0, 2.03), (385.0, 2.86), (395.0, 2.29), (405.0, 0.85),
        (415.0, 0.85), (425.0, 0.91), (435.0, 1.03), (480.0, 0.0), (2000.0, 0.0),
    ]
)  # fmt: skip
_WAVELENGTH, _REST, _METALS = np.concatenate([_BRULS, np.c_[_SUN, np.zeros(len(_SUN))]]).T
"""nm; f of H-, scattering and the rest; f of the metals' bound-free opacity."""
_SOLAR_TEFF, _EV, _SATURATED, _MOST = 5777.0, 4.6, 0.42, 5.0


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
    return float(min(10.0 ** (_SATURATED * (feh + _EV * (5040.0 / teff - 5040.0 / _SOLAR_TEFF))), _MOST))


def haze(wavelength_nm: NDArray, scale: float) -> tuple[NDArray, NDArray]:
    """Factors (n,) on H-, scattering and the rest, and on the metals' bound-free opacity, at wavelengths (n,) [nm]."""
    return 1 + scale * np.interp(wavelength_nm, _WAVELENGTH, _REST), 1 + scale * np.interp(
        wavelength_nm, _WAVELENGTH, _METALS
    )
