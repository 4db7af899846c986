"""Excitation by hydrogen atoms where there are no quantum-mechanical rates: the free-electron model of excited states.

The outer electron, free on the scale of a collision, is scattered by the hydrogen atom with the cross-section at zero
energy (Kaulakys 1991, J. Phys. B 24, L127; Lebedev & Beigman 1998, Physics of Highly Excited Atoms and Ions, ch. 5).
In a collision at speed V with momentum transfer Q the atom gains Q.V, of which every value within +-QV is as likely;
averaged over the momenta of a shell n (Fock 1935, all l alike), in atomic units,

    sigma(n -> n') = 2 pi L^2 / (V^2 n'^3) f(n w / 2V),   f(x) = 32/pi int_x^inf y^2 / (1 + y^2)^4 (1 - x/y) dy,

w being the energy and n the effective quantum number of the upper state. L^2 is that of singlet and triplet scattering
by their weights, lengths 5.965 and 1.769. A term takes its share, by weight, of the shell n'.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_LENGTH_SQUARED = 0.25 * 5.965**2 + 0.75 * 1.769**2
_PROTON, _HYDROGEN = 1822.888486, 1.008  # electron masses a mass unit; mass units
_HARTREE_K, _HARTREE_CM = 3.1668116e-6, 219474.63
_RATE_M3_S = 0.529177e-10**3 / 2.4188843e-17  # the atomic unit
_ENERGY, _WEIGHT = np.polynomial.laguerre.laggauss(24)
TEMPERATURE = np.array([1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 1e4, 1.2e4, 1.6e4, 2e4])
_SMALLEST_GAP = 0.01  # 1/cm, of levels that coincide


def free_electron_rate(
    mass: float, limit: float, upper: float, lower: float, weight_lower: float, weight_core: float
) -> NDArray:
    """De-excitation coefficient [m3/s] on TEMPERATURE of an atom of this mass [u].

    limit, upper, lower: energies [1/cm] of ionisation and of the levels; weights of the lower one and of the ion's
    ground state, to which the electron belongs: a shell n' holds 2 n'^2 states times it.
    """
    shell = np.sqrt(_HARTREE_CM / (2 * (limit - lower)))
    n = np.sqrt(_HARTREE_CM / (2 * (limit - upper)))
    gap = max(upper - lower, _SMALLEST_GAP) / _HARTREE_CM
    reduced = mass * _HYDROGEN / (mass + _HYDROGEN) * _PROTON
    speed = np.sqrt(2 * np.outer(TEMPERATURE * _HARTREE_K, _ENERGY) / reduced)
    section = 2 * np.pi * _LENGTH_SQUARED / (speed**2 * shell**3) * form_factor(n * gap / (2 * speed))
    mean = (2 / np.sqrt(np.pi) * np.sqrt(_ENERGY) * section * speed * _WEIGHT).sum(1)
    return mean * weight_lower / (2 * weight_core * shell**2) * _RATE_M3_S


def form_factor(x: NDArray) -> NDArray:
    """f(x) of the free-electron model: 1 at 0, falling as x^-5."""
    x = np.asarray(x, float)
    third = np.pi / 2 * 3 / 8 - (x / (4 * (1 + x * x) ** 2) + 3 * x / (8 * (1 + x * x)) + 3 / 8 * np.arctan(x))
    near = third / 6 + x / (6 * (1 + x * x) ** 3)
    return np.maximum(32 / np.pi * (near - x / (6 * (1 + x * x) ** 3)), 0.0)


def as_function(values: NDArray) -> Callable[[NDArray], NDArray]:
    """Coefficients on TEMPERATURE interpolated in their logarithm."""
    safe = np.log(np.maximum(values, 1e-40))
    return lambda t: np.exp(np.interp(np.log(t), np.log(TEMPERATURE), safe))
