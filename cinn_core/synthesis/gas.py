"""Gas of a stellar photosphere: electron density and opacity at 500 nm from temperature and pressure, by one code.

It puts the models of different codes on the same optical depth, and solves the pressure again where a temperature changes.
Saha's equations with partition functions held at their values near 5000 K, H2 and H-. Opacity: H- (John 1988, A&A 193,
189), H I (Kramers' cross-sections, Gray 2005, eqs 8.8 and 8.10), Rayleigh scattering by H and H2, electrons. Results are
used as ratios between neighbouring models; what both lack (metals, H2+) cancels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .abundances import SOLAR_ABUNDANCES

BOLTZMANN = 1.380649e-16  # erg/K
_BOLTZMANN_EV, _MASS_UNIT = 8.617333e-5, 1.66053907e-24
_SAHA = 2.414683e15  # cm-3 K-1.5: (2 pi m k / h^2)^1.5
_WAVELENGTH_UM = 0.5
_IONISATION: dict[int, tuple[float, float]] = {
    2: (24.587, 4.0), 6: (11.260, 1.28), 11: (5.139, 0.97), 12: (7.646, 3.9), 13: (5.986, 0.34), 14: (8.152, 1.22),
    16: (10.360, 1.0), 19: (4.341, 0.93), 20: (6.113, 3.6), 22: (6.828, 3.7), 24: (6.766, 1.37), 25: (7.434, 2.2),
    26: (7.902, 3.1), 28: (7.640, 0.7),
}  # fmt: skip
"""Ionisation energy [eV] and 2 U(II) / U(I), by atomic number, of the elements that give electrons."""
_HELIUM_MASS, _METAL_MASS = 4.0026, 1.4 * 0.014  # u; of the metals per hydrogen atom, for the Sun's
_HMINUS_EDGE_UM, _HMINUS_EV, _HYDROGEN_EV = 1.6419, 0.7542, 13.598
_BOUND_FREE = (152.519, 49.534, -118.858, 92.536, -34.194, 4.982)
_FREE_FREE = np.array([
    (2483.346, 285.827, -2054.291, 2827.776, -1341.537, 208.952),
    (-3449.889, -1158.382, 8746.523, -11485.632, 5303.609, -812.939),
    (2200.040, 2427.719, -13651.105, 16755.524, -7510.494, 1132.738),
    (-696.271, -1841.400, 8624.970, -10051.530, 4400.067, -655.020),
    (88.283, 444.517, -1863.864, 2095.288, -901.788, 132.985),
])  # fmt: skip
_MOLECULE = (12.739, -5.1172, 0.12572, -0.014149, 6.3021e-4)
"""log10 of p(H)^2 / p(H2) [dyn/cm2] in powers of 5040 / T (Tsuji 1973, A&A 23, 411)."""
_LAST_LEVEL = 8
_THOMSON = 6.6524e-25  # cm2
_BISECTIONS = 36  # of 12 dex: 1e-9 in the electrons


@dataclass(frozen=True, eq=False)
class Gas:
    """State of the gas at some depths (n,): electron density [1/cm3], opacity at 500 nm [cm2/g], density [g/cm3]."""

    electrons: NDArray
    opacity: NDArray
    density: NDArray


def gas(temperature: NDArray, pressure: NDArray, metallicity: float) -> Gas:
    """State at temperatures (n,) [K] and gas pressures (n,) [dyn/cm2], for the Sun's mixture with all metals at [M/H]."""
    share = np.array([10.0 ** (SOLAR_ABUNDANCES[z] - 12 + metallicity * (z > 2)) for z in _IONISATION])
    equilibrium = _Equilibrium(temperature, pressure / (BOLTZMANN * temperature), share)
    low, high = np.full_like(pressure, -12.0), np.zeros_like(pressure)  # log10 of electrons over all particles
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        lacks = equilibrium.charge(equilibrium.particles * 10.0**middle) > 0
        low, high = np.where(lacks, middle, low), np.where(lacks, high, middle)
    electrons = equilibrium.particles * 10.0 ** (0.5 * (low + high))
    neutral, molecules, nuclei = equilibrium.hydrogen(electrons)
    weight = 1.008 + _HELIUM_MASS * share[0] + _METAL_MASS * 10.0**metallicity
    mass = nuclei * weight * _MASS_UNIT
    return Gas(electrons, _opacity(temperature, electrons, neutral, molecules) / mass, mass)


def _saha(temperature: NDArray, energy: float, ratio: float) -> NDArray:
    """N(II) Ne / N(I) [1/cm3], of an ionisation energy [eV] and 2 U(II) / U(I)."""
    return ratio * _SAHA * temperature**1.5 * np.exp(-energy / (_BOLTZMANN_EV * temperature))


class _Equilibrium:
    """Constants of ionisation and dissociation at some depths (n,), and the gas at any density of electrons."""

    def __init__(self, temperature: NDArray, particles: NDArray, share: NDArray) -> None:
        self.particles, self.share = particles, share
        self.proton = _saha(temperature, _HYDROGEN_EV, 1.0)
        self.anion = 1.0 / _saha(temperature, _HMINUS_EV, 4.0)
        self.metals = np.stack([_saha(temperature, *constants) for constants in _IONISATION.values()])
        dissociation = 10.0 ** np.polyval(_MOLECULE[::-1], 5040.0 / temperature)
        self.molecular = BOLTZMANN * temperature / dissociation  # N(H2) / N(H)^2

    def hydrogen(self, electrons: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Densities (n,) [1/cm3] of H I, H2 and of hydrogen nuclei."""
        ions, others = 1.0 + self.proton / electrons + electrons * self.anion, self.share.sum()
        a, b = self.molecular * (1 + 2 * others), ions * (1 + others)
        neutral = 2 * (self.particles - electrons) / (b + np.sqrt(b * b + 4 * a * (self.particles - electrons)))
        molecules = self.molecular * neutral**2
        return neutral, molecules, ions * neutral + 2 * molecules

    def charge(self, electrons: NDArray) -> NDArray:
        """Positive minus negative charges (n,) [1/cm3]."""
        neutral, _, nuclei = self.hydrogen(electrons)
        metals = nuclei * (self.share[:, None] * self.metals / (self.metals + electrons)).sum(0)
        return metals + neutral * (self.proton / electrons - electrons * self.anion) - electrons


def _opacity(temperature: NDArray, electrons: NDArray, neutral: NDArray, molecules: NDArray) -> NDArray:
    """Opacity (n,) [1/cm] at 500 nm."""
    um, theta = _WAVELENGTH_UM, 5040.0 / temperature
    stimulated = -np.expm1(-1.438777e4 / (um * temperature))
    x = 1 / um - 1 / _HMINUS_EDGE_UM
    section = 1e-18 * um**3 * x**1.5 * sum(c * x ** (0.5 * n) for n, c in enumerate(_BOUND_FREE))
    bound_free = neutral * electrons / _saha(temperature, _HMINUS_EV, 4.0) * section * stimulated
    powers = um ** np.array([2.0, 0.0, -1.0, -2.0, -3.0, -4.0])
    pressure = electrons * BOLTZMANN * temperature
    free_free = 1e-29 * sum(theta ** (0.5 * n) * (row @ powers) for n, row in enumerate(_FREE_FREE, 3))
    cm = um * 1e4  # Angstrom
    levels = np.arange(3, _LAST_LEVEL + 1)[:, None]
    excited = 10.0 ** (-theta * _HYDROGEN_EV * (1 - 1.0 / levels**2)) / levels**3
    last = 1.0 / (_LAST_LEVEL + 1) ** 2
    rest = 0.4342945 / (2 * theta * _HYDROGEN_EV) * 10.0 ** (-theta * _HYDROGEN_EV * (1 - last))
    atoms = 1.0449e-26 * cm**3 * (excited.sum(0) + rest) * stimulated * neutral
    rayleigh = neutral * (5.799e-13 / cm**4 + 1.422e-6 / cm**6 + 2.784 / cm**8)
    rayleigh = rayleigh + molecules * (8.14e-13 / cm**4 + 1.28e-6 / cm**6 + 1.61 / cm**8)
    return bound_free + neutral * pressure * free_free + atoms + rayleigh + electrons * _THOMSON
