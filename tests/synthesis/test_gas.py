"""Gas of a photosphere: charges balance, limits are those of Saha's equations, and ATLAS9's electrons come out."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.synthesis.abundances import SOLAR_ABUNDANCES
from cinn_core.synthesis.atmosphere import load_atmospheres
from cinn_core.synthesis.gas import BOLTZMANN, gas


def test_hot_thin_gas_is_ionised_hydrogen():
    temperature, pressure = np.array([25_000.0]), np.array([1.0])
    state = gas(temperature, pressure, 0.0)
    # hydrogen and helium give one electron each: half of all particles, metals add less than 0.1 %
    np.testing.assert_allclose(state.electrons / (pressure / (BOLTZMANN * temperature)), 0.5, atol=2e-3)


def test_electrons_of_a_cool_photosphere_are_those_of_the_easily_ionised_metals():
    temperature, pressure = np.array([4500.0]), np.array([1e4])
    state = gas(temperature, pressure, 0.0)
    hydrogen = pressure / (BOLTZMANN * temperature) / (1 + 10 ** (SOLAR_ABUNDANCES[2] - 12))
    donors = sum(10 ** (SOLAR_ABUNDANCES[z] - 12) for z in (11, 12, 13, 14, 20, 26)) * hydrogen
    assert 0.2 * donors < state.electrons[0] < donors
    poor = gas(temperature, pressure, -1.0)
    assert 0.05 < poor.electrons[0] / state.electrons[0] < 0.3  # fewer donors, each of them more ionised


def test_opacity_follows_the_electrons_where_it_is_of_negative_hydrogen():
    rich, poor = (gas(np.array([4500.0]), np.array([1e4]), feh) for feh in (0.0, -0.5))
    ratio = (rich.opacity / poor.opacity) / (rich.electrons / poor.electrons)
    np.testing.assert_allclose(ratio, 1.0, atol=0.05)  # Rayleigh scattering is the rest


def test_density_is_that_of_the_ideal_gas():
    state = gas(np.array([6000.0]), np.array([1e5]), 0.0)
    helium = 10 ** (SOLAR_ABUNDANCES[2] - 12)
    weight = (1.008 + 4.0026 * helium) / (1 + helium)  # metals: 1.4 % more
    np.testing.assert_allclose(state.density, 1e5 * weight * 1.66054e-24 / (BOLTZMANN * 6000.0), rtol=0.02)


@pytest.mark.parametrize(
    ("teff", "logg", "metallicity"),
    [(5777.0, 4.44, 0.0), (4500.0, 2.0, 0.0), (6000.0, 4.0, -1.7), (4500.0, 5.0, 0.0), (4500.0, 2.0, -1.7)],
)
def test_electrons_are_those_of_atlas9_within_four_per_cent(shared, teff, logg, metallicity):
    model = load_atmospheres(shared / "synthesis").at(teff, logg, metallicity)
    inside = model.log_tau > -4
    columns = model.columns[inside]
    state = gas(columns[:, 1], columns[:, 2], metallicity)
    np.testing.assert_allclose(state.electrons / columns[:, 3], 1.0, atol=0.04)
