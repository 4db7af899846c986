"""Continuous opacity of colliding hydrogen in the ultraviolet, of which Lightweaver's has too little.

H + H (quasi-molecular): Doyle (1968, ApJ 153, 987). H2+: the fit of Kurucz (1970, SAO Special Report 309) to Bates
(1952); Lightweaver's, from RH, stops at 384.6 nm and falls linearly to zero at 0. Both matter where metals are few.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

_LIGHT, _PLANCK, _BOLTZMANN = 2.99792458e8, 6.62607015e-34, 1.380649e-23
_BOLTZMANN_EV = 8.617333e-5
_CM5, _DOYLE_UNIT = 1e-10, 1e-50  # m5; cm5
_FIT_BEGINS_NM, _RH_ENDS_NM = 100.0, 384.6
_DOYLE_NM = np.array([175.0, 200.0, 222.27, 250.08, 300.09, 364.10, 450.13, 666.88])
_DOYLE_THETA = np.array([0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4])
_DOYLE = np.array([
    (5.95e8, 3.49e8, 2.22e8, 1.38e8, 7.54e7, 4.05e7, 1.96e7, 4.46e6),
    (4.71e8, 2.10e8, 1.08e8, 5.28e7, 2.02e7, 7.77e6, 2.65e6, 3.60e5),
    (3.64e8, 1.23e8, 5.14e7, 1.98e7, 5.32e6, 1.47e6, 3.53e5, 2.85e4),
    (3.13e8, 9.20e7, 3.47e7, 1.19e7, 2.68e6, 6.26e5, 1.27e5, 7.88e3),
    (2.66e8, 6.82e7, 2.32e7, 7.08e6, 1.34e6, 2.65e5, 4.51e4, 2.17e3),
    (2.24e8, 5.02e7, 1.54e7, 4.19e6, 6.66e5, 1.12e5, 1.60e4, 5.99e2),
    (1.86e8, 3.67e7, 1.02e7, 2.47e6, 3.30e5, 4.66e4, 5.63e3, 1.65e2),
    (1.55e8, 2.68e7, 6.71e6, 1.45e6, 1.63e5, 1.95e4, 1.98e3, 4.55e1),
    (1.29e8, 1.96e7, 4.43e6, 8.53e5, 8.07e4, 8.12e3, 6.99e2, 1.26e1),
    (1.06e8, 1.43e7, 2.92e6, 5.01e5, 3.98e4, 3.38e3, 2.46e2, 3.51),
])  # fmt: skip
"""Coefficient [1e-50 cm5] at (theta = 5040 K / T, wavelength), times the square of the density of H."""


def missing_opacity(wavelength_nm: NDArray, temperature: NDArray, hydrogen: NDArray, protons: NDArray) -> NDArray:
    """Opacity (m, n) [1/m] at wavelengths (m,) [nm] and depths (n,): T [K], densities of H in n = 1 and of H+ [1/m3]."""
    pairs = quasi_molecular(wavelength_nm, temperature) * hydrogen**2
    ion = np.zeros((wavelength_nm.size, temperature.size))
    lacking = (wavelength_nm > _FIT_BEGINS_NM) & (wavelength_nm < _RH_ENDS_NM)
    theirs = hydrogen_molecule_ion(np.array([_RH_ENDS_NM]), temperature) * (wavelength_nm[lacking, None] / _RH_ENDS_NM)
    ion[lacking] = np.maximum(hydrogen_molecule_ion(wavelength_nm[lacking], temperature) - theirs, 0)
    return pairs + ion * hydrogen * protons


def quasi_molecular(wavelength_nm: NDArray, temperature: NDArray) -> NDArray:
    """Coefficient (m, n) [m5] of H + H, interpolated in its logarithm; zero outside 175 to 667 nm."""
    theta = np.clip(5040 / temperature, _DOYLE_THETA[0], _DOYLE_THETA[-1])
    by_theta = np.stack([np.interp(theta, _DOYLE_THETA, np.log(column)) for column in _DOYLE.T])
    out = np.stack([np.interp(wavelength_nm, _DOYLE_NM, column) for column in by_theta.T], axis=1)
    inside = (wavelength_nm >= _DOYLE_NM[0]) & (wavelength_nm <= _DOYLE_NM[-1])
    return np.where(inside[:, None], np.exp(out) * _DOYLE_UNIT * _CM5, 0.0)


def hydrogen_molecule_ion(wavelength_nm: NDArray, temperature: NDArray) -> NDArray:
    """Coefficient (m, n) [m5] of H + H+, stimulated emission in it; for wavelengths above 100 nm."""
    frequency = _LIGHT / (wavelength_nm * 1e-9)
    x, log = frequency / 1e15, np.log(frequency)
    strength = np.polyval([-3.1672e-3, 3.9207e-1, -1.82496e1, 3.7797e2, -3.0233e3], log)
    energy = np.polyval([-1.351e-2, 1.224e-1, -4.230e-1, 1.028, -2.409, -7.342e-3], x)  # eV
    boltzmann = np.exp(strength[:, None] - energy[:, None] / (_BOLTZMANN_EV * temperature))
    return boltzmann * _CM5 * -np.expm1(-_PLANCK * frequency[:, None] / (_BOLTZMANN * temperature))


def planck(wavelength_nm: NDArray, temperature: NDArray) -> NDArray:
    """The Planck function (m, n) [J s-1 m-2 Hz-1 sr-1]."""
    frequency = _LIGHT / (wavelength_nm[:, None] * 1e-9)
    return 2 * _PLANCK * frequency**3 / _LIGHT**2 / np.expm1(_PLANCK * frequency / (_BOLTZMANN * temperature))


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
