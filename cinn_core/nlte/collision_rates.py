"""Collisions as the statistical equilibrium needs them: a downward coefficient, a partner, and detailed balance upwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRENGTH_TO_RATE = 8.629e-12
"""Downward coefficient [m3/s] = this x effective collision strength / (g_upper sqrt(T)) (Seaton 1962)."""
_HARTREE_HALF = 13.6057  # eV
_BOLTZMANN_EV = 8.617333e-5
_AFFINITY = 0.754  # eV, of H-
_SAHA = 2.0706e-22  # m3 K^1.5: (h^2 / 2 pi m k)^1.5 / 2 of the Saha equation
_X = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
_P = np.array([1.160, 0.956, 0.758, 0.493, 0.331, 0.209, 0.100, 0.063, 0.040, 0.023])


@dataclass(eq=False)
class DownwardRate:
    """Rate j -> i [1/s] = coefficient(T) [m3/s] x density of the partner [1/m3]; upwards by detailed balance.

    Stands where Lightweaver expects one of its CollisionalRates: `setup` and `compute_rates` are what it calls.
    """

    j: int
    i: int
    coefficient: Callable[[NDArray], NDArray]
    partner: Callable[[Any, Any], NDArray]
    atom: Any = field(init=False, repr=False)

    def setup(self, atom: Any) -> None:
        self.atom = atom

    def compute_rates(self, atmos: Any, eqPops: Any, Cmat: NDArray) -> None:
        down = self.coefficient(atmos.temperature) * self.partner(atmos, eqPops)
        lte = eqPops.atomicPops[self.atom.element].nStar
        Cmat[self.i, self.j] += down
        Cmat[self.j, self.i] += down * lte[self.j] / lte[self.i]


def electrons(atmos: Any, pops: Any) -> NDArray:
    """Density of electrons [1/m3]."""
    return atmos.ne


def neutral_hydrogen(atmos: Any, pops: Any) -> NDArray:
    """Density of hydrogen atoms in the ground state [1/m3]."""
    return pops["H"][0]


def hydrogen_anions(atmos: Any, pops: Any) -> NDArray:
    """Density of H- in LTE [1/m3]: Saha equation with an affinity of 0.754 eV and weights 1 and 2."""
    t = atmos.temperature
    return pops["H"][0] * atmos.ne * 0.5 * _SAHA * t**-1.5 * np.exp(_AFFINITY / (_BOLTZMANN_EV * t))


def tabulated(temperature: NDArray, values: NDArray) -> Callable[[NDArray], NDArray]:
    """Values (t,) interpolated linearly in log value and log T, constant beyond the ends; all zero where any is zero."""
    if (values <= 0).any():
        return lambda t: np.interp(t, temperature, values)
    return lambda t: np.exp(np.interp(np.log(t), np.log(temperature), np.log(values)))


def from_strength(strength: Callable[[NDArray], NDArray], weight_upper: float) -> Callable[[NDArray], NDArray]:
    """Downward coefficient [m3/s] of an effective collision strength as a function of T."""
    return lambda t: STRENGTH_TO_RATE * strength(t) / (weight_upper * np.sqrt(t))


def van_regemorter(energy_ev: float, gf: float) -> Callable[[NDArray], NDArray]:
    """Effective collision strength of an allowed transition of a neutral atom by electrons.

    8 pi / sqrt(3) x (13.6 eV / dE) g f P(dE / kT), with P of van Regemorter (1962, ApJ 136, 906), Table 1, neutral
    atoms, and 0.066 / sqrt(x) beyond x = 10.
    """

    def strength(t: NDArray) -> NDArray:
        x = energy_ev / (_BOLTZMANN_EV * t)
        p = np.where(x > _X[-1], 0.066 / np.sqrt(x), np.exp(np.interp(np.log(x), np.log(_X), np.log(_P))))
        return 8 * np.pi / np.sqrt(3) * _HARTREE_HALF / energy_ev * gf * p

    return strength


def seaton_ionisation(energy_ev: float, threshold_m2: float) -> float:
    """C [m3 / (s sqrt(K))] of the ionisation of a neutral atom by electrons, whose rate is n_e C sqrt(T) e^(-E / kT).

    1.55e13 x 0.1 x sigma / (u sqrt(T)) e^-u in cgs, u = E / kT (Seaton 1962; Mihalas 1978, eq. 5-79), from the
    photoionisation cross-section [m2] at threshold: C does not depend on T.
    """
    return 1.55e13 * 0.1 * (threshold_m2 * 1e4) * 1e-6 * _BOLTZMANN_EV / energy_ev
