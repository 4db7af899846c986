"""Ultraviolet opacity that Lightweaver lacks: colliding hydrogen, and the haze of lines as factors on the continuum.

Colliding hydrogen matters where metals are few. H + H (quasi-molecular): Doyle (1968, ApJ 153, 987). H2+: the fit of
Kurucz (1970, SAO Special Report 309) to Bates (1952); Lightweaver's, from RH, stops at 384.6 nm and falls linearly to
zero at 0.

The haze of the Sun: from 210 nm on, f multiplies the opacity of H- and all else but the metals' bound-free opacity, and
gives the model of the Sun the observed irradiance (`ultraviolet.py`, means over 10 nm): photoionisation follows the mean
intensity, lines and gaps together. f stands for all that Lightweaver's continuum lacks there, the bound-free opacity of
iron too. Below 210 nm it is that of J. Bruls (1992, thesis Utrecht, pp. 104-106; Bruls, Rutten & Shchukina 1992, A&A 265,
237), on the metals.

For other stars (Kiel's own rule, an assumption): the haze is of neutral iron-group atoms, whose number over that of H-
goes as 10^([Fe/H] + 4.6 (5040/Teff - 5040/5777)): both are minor stages, so the electron density cancels in Saha's
equations, and 4.6 eV = 7.9 (ionisation of Fe) - 0.75 (affinity of H-) - 2.5 (typical lower level). The lines are
saturated: their blocking grows with a power of the number of atoms, 0.47 for the pixels of synthetic green spectra that
are darker than 0.5 in the Sun, 0.44 for those darker than 0.3; the lines of the ultraviolet are stronger still. So

    f = f_Sun x 10^(0.42 ([Fe/H] + 4.6 (5040/Teff - 5040/5777))),  at most 5 f_Sun.

In the visible f is small, but photons of the cool layers' own lines meet it: the lines of the grid of spectra take 7.5 % of
the Sun's flux from 515 to 574 nm and 2.8 % from 609 to 680 nm, which is f = 0.15 and 0.06; at 4500 K, 2.0, 0 they take 19
and 9 %, f = 0.32 and 0.15, at [Fe/H] = -1 f is 0.4 to 0.5 of that at 0: the rule above within a third.
`Blanketing.VISIBLE` has it.

The spread of a result between `Blanketing.OFF`, `SOLAR` and `SCALED` is its uncertainty from the haze.
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
_VISIBLE = np.array([(435.0, 1.03), (480.0, 0.35), (545.0, 0.15), (645.0, 0.06), (800.0, 0.03), (1000.0, 0.0)])
"""f of the Sun in the visible; beyond 480 nm from the mean depth of its lines, see above."""
_HAZE_NM, _HAZE_REST, _HAZE_METALS = np.concatenate([_BRULS, np.c_[_SUN, np.zeros(len(_SUN))]]).T
"""nm; f of H-, scattering and the rest; f of the metals' bound-free opacity."""
_SOLAR_TEFF, _HAZE_EV, _HAZE_POWER, _LARGEST_SCALE = 5777.0, 4.6, 0.42, 5.0


def missing_opacity(wavelength_nm: NDArray, temperature: NDArray, hydrogen: NDArray, protons: NDArray) -> NDArray:
    """Opacity (m, n) [1/m] of colliding hydrogen that Lightweaver lacks, at wavelengths (m,) [nm] and depths (n,).

    Of the depths: temperature [K], densities of hydrogen in n = 1 and of protons [1/m3].
    """
    pairs = quasi_molecular(wavelength_nm, temperature) * hydrogen**2
    ion = np.zeros((wavelength_nm.size, temperature.size))
    lacking = (wavelength_nm > _FIT_BEGINS_NM) & (wavelength_nm < _RH_ENDS_NM)
    of_rh = hydrogen_molecule_ion(np.array([_RH_ENDS_NM]), temperature) * (wavelength_nm[lacking, None] / _RH_ENDS_NM)
    ion[lacking] = np.maximum(hydrogen_molecule_ion(wavelength_nm[lacking], temperature) - of_rh, 0)
    return pairs + ion * hydrogen * protons


def quasi_molecular(wavelength_nm: NDArray, temperature: NDArray) -> NDArray:
    """Absorption coefficient (m, n) [m5] of H + H at wavelengths (m,) [nm] and T (n,) [K]; zero outside 175 to 667 nm.

    Doyle (1968), interpolated in its logarithm; times the square of the density of H it is an opacity.
    """
    theta = np.clip(5040 / temperature, _DOYLE_THETA[0], _DOYLE_THETA[-1])
    by_theta = np.stack([np.interp(theta, _DOYLE_THETA, np.log(column)) for column in _DOYLE.T])
    out = np.stack([np.interp(wavelength_nm, _DOYLE_NM, column) for column in by_theta.T], axis=1)
    inside = (wavelength_nm >= _DOYLE_NM[0]) & (wavelength_nm <= _DOYLE_NM[-1])
    return np.where(inside[:, None], np.exp(out) * _DOYLE_UNIT * _CM5, 0.0)


def hydrogen_molecule_ion(wavelength_nm: NDArray, temperature: NDArray) -> NDArray:
    """Absorption coefficient (m, n) [m5] of H + H+ at wavelengths (m,) above 100 nm and T (n,) [K], with stimulated emission.

    Kurucz (1970); times the densities of H and H+ it is an opacity.
    """
    frequency = _LIGHT / (wavelength_nm * 1e-9)
    x, log = frequency / 1e15, np.log(frequency)
    strength = np.polyval([-3.1672e-3, 3.9207e-1, -1.82496e1, 3.7797e2, -3.0233e3], log)
    energy = np.polyval([-1.351e-2, 1.224e-1, -4.230e-1, 1.028, -2.409, -7.342e-3], x)  # eV
    boltzmann = np.exp(strength[:, None] - energy[:, None] / (_BOLTZMANN_EV * temperature))
    return boltzmann * _CM5 * -np.expm1(-_PLANCK * frequency[:, None] / (_BOLTZMANN * temperature))


def planck(wavelength_nm: NDArray, temperature: NDArray) -> NDArray:
    """Planck function (m, n) [J s-1 m-2 Hz-1 sr-1] at wavelengths (m,) [nm] and T (n,) [K]."""
    frequency = _LIGHT / (wavelength_nm[:, None] * 1e-9)
    return 2 * _PLANCK * frequency**3 / _LIGHT**2 / np.expm1(_PLANCK * frequency / (_BOLTZMANN * temperature))


class Blanketing(Enum):
    """Kind of the line haze: none, that of the Sun, that scaled to the star, or scaled and continued into the visible."""

    OFF = "off"
    SOLAR = "solar"
    SCALED = "scaled"
    VISIBLE = "visible"


def haze_scale(blanketing: Blanketing, teff: float, feh: float) -> float:
    """Factor on the haze f of the Sun for a star of this Teff [K] and [Fe/H]."""
    if blanketing is Blanketing.OFF:
        return 0.0
    if blanketing is Blanketing.SOLAR:
        return 1.0
    minor_stages = feh + _HAZE_EV * (5040.0 / teff - 5040.0 / _SOLAR_TEFF)
    return float(min(10.0 ** (_HAZE_POWER * minor_stages), _LARGEST_SCALE))


def haze(wavelength_nm: NDArray, scale: float, visible: bool = False) -> tuple[NDArray, NDArray]:
    """Factors (n,) of the haze at wavelengths (n,) [nm]: on H-, scattering and the rest, and on the metals' bound-free opacity.

    `visible` continues it from 435 nm on; else it ends at 480 nm.
    """
    rest, metals = (np.interp(wavelength_nm, _HAZE_NM, f) for f in (_HAZE_REST, _HAZE_METALS))
    if visible:
        rest = np.where(wavelength_nm > _VISIBLE[0, 0], np.interp(wavelength_nm, *_VISIBLE.T), rest)
    return 1 + scale * rest, 1 + scale * metals


def layer_means(opacity: NDArray) -> NDArray:
    """Mean opacity (..., n - 1) between neighbouring depths for opacity (..., n), exponential in height between them."""
    above, below = opacity[..., :-1], opacity[..., 1:]
    ratio = np.log(below / above)
    varies = np.abs(ratio) > 1e-6
    return np.where(varies, (below - above) / np.where(varies, ratio, 1.0), below)
