"""Collisions: published tables obey detailed balance, formulas are of the order measured."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from cinn_core.errors import DataError
from cinn_core.nlte.collisions import (
    IONIC,
    TEMPERATURE,
    form_factor,
    free_electron_rate,
    hydrogen_anions,
    hydrogen_rates,
    magnesium_electron_strengths,
    tabulated,
    van_regemorter,
)


def test_van_regemorters_collision_strength_of_the_sodium_d_lines_is_of_the_order_measured():
    # 2.10 eV, g f = 2 x 0.98: effective collision strength about 20 at 5000 K by modern calculations; good to a factor 3
    assert 20 / 3 < van_regemorter(2.10, 2 * 0.98)(np.array([5000.0]))[0] < 60


def test_rates_are_interpolated_in_log_and_held_at_the_ends():
    f = tabulated(np.array([2000.0, 8000.0]), np.array([1e-10, 1e-8]))
    np.testing.assert_allclose(f(np.array([1000.0, 2000.0, 4000.0, 9000.0])), [1e-10, 1e-10, 1e-9, 1e-8], rtol=1e-12)


def test_hydrogen_anions_are_a_few_in_a_hundred_million_in_the_photosphere():
    class Layer:
        temperature, ne = np.array([6000.0]), np.array([4e19])  # tau = 0.7 in the Sun, SI

    share = hydrogen_anions(Layer, {"H": np.array([[1.0]])})[0]
    assert 1e-8 < share < 1e-7


@pytest.mark.parametrize(
    ("element", "n_states", "low", "high", "gap_per_cm", "weights"),
    [("Li", 10, "2s", "2p", 14903.8, 3.0), ("Mg", 8, "3s1S", "3p3Po", 21890.0, 9.0), ("Ca", 18, "4s2.1S", "4s4p.1Po", 23652.3, 3.0)],
)  # fmt: skip
def test_hydrogen_rates_obey_detailed_balance(shared, element, n_states, low, high, gap_per_cm, weights):
    table = hydrogen_rates(shared / "nlte" / "barklem", element)[0]
    assert len(table.states) == n_states
    assert table.states[-1] == IONIC
    k = int(np.argmin(np.abs(table.temperature - 6000)))
    i, j = table.states.index(low), table.states.index(high)
    up, down = table.between(i, j)[k], table.between(j, i)[k]
    expected = weights * np.exp(-1.4388 * gap_per_cm / table.temperature[k])
    assert up / down == pytest.approx(expected, rel=0.1)  # the tables have three digits, term energies differ a little


def test_strength_of_magnesiums_resonance_line_grows_with_temperature_and_that_of_the_intercombination_line_falls(
    shared,
):
    table = magnesium_electron_strengths(shared / "nlte" / "barklem")
    assert table.values.shape == (13, 25, 25)
    np.testing.assert_allclose(table.values, table.values.transpose(0, 2, 1))
    hot = table.temperature >= 7000
    ground, triplet, singlet = (table.states.index(name) for name in ("3s2_1S", "3s3p_3P", "3s3p_1P"))
    assert (np.diff(table.between(ground, singlet)[hot]) > 0).all()
    assert (np.diff(table.between(ground, triplet)[hot]) < 0).all()


def test_the_two_calculations_of_magnesium_and_hydrogen_agree_within_a_factor_three_where_rates_are_large(shared):
    full, model = hydrogen_rates(shared / "nlte" / "barklem", "Mg")
    at_6000 = [float(np.interp(6000, x.temperature, x.between(*pair))) for x, pair in (
        (full, (full.states.index("4s1S"), full.states.index("4s3S"))),
        (model, (model.states.index("4s.1S"), model.states.index("4s.3S"))),
    )]  # fmt: skip
    assert 1 / 3 < at_6000[0] / at_6000[1] < 3


def test_there_are_no_hydrogen_rates_of_iron(tmp_path):
    with pytest.raises(DataError, match="there are those of Li, Na, Mg, Si and Ca"):
        hydrogen_rates(tmp_path, "Fe")


@pytest.mark.parametrize("x", [0.0, 0.1, 1.0, 5.0])
def test_the_form_factor_is_the_integral_over_momenta(x):
    integral = quad(lambda y: y * y / (1 + y * y) ** 4 * (1 - x / y if x else 1), x, np.inf)[0]
    assert form_factor(x) == pytest.approx(32 / np.pi * integral, rel=1e-6)


def test_free_electrons_jump_where_levels_are_close_and_hardly_elsewhere():
    close = free_electron_rate(24.305, 61671, 58611, 58443, 15, 2)  # 7g -> 6d of Mg
    wide = free_electron_rate(24.305, 61671, 21891, 0, 1, 2)  # 3p -> 3s
    assert close.shape == TEMPERATURE.shape
    assert (close > 300 * wide).all()
    assert (close < 1e-13).all()  # m3/s: below geometry, pi a0^2 n^4 at 10 km/s
