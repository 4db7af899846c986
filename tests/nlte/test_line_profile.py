"""NLTE line formation: opacity and source function with departures, the formal solution, collisions and the haze."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.nlte.collisions import (
    IONIC,
    hydrogen_anions,
    hydrogen_rates,
    magnesium_electron_strengths,
    tabulated,
    van_regemorter,
)
from cinn_core.nlte.line_profile import emergent_flux, opacity_over_lte, source_over_planck
from cinn_core.nlte.lines import LINES, lines_of, read_line_data
from cinn_core.nlte.opacity import Blanketing, haze, haze_scale
from cinn_core.synthesis.departures import Level, match_lines
from cinn_core.synthesis.line_lists import LineTable

X = np.array([2.0, 4.0, 8.0])


def test_without_departures_a_line_is_in_lte():
    ones = np.ones(3)
    np.testing.assert_allclose(opacity_over_lte(ones, ones, X), 1.0, rtol=1e-14)
    np.testing.assert_allclose(source_over_planck(ones, ones, X), 1.0, rtol=1e-14)


def test_equal_departures_weaken_the_line_and_leave_its_source_function():
    b = np.full(3, 0.6)
    np.testing.assert_allclose(opacity_over_lte(b, b, X), 0.6, rtol=1e-14)
    np.testing.assert_allclose(source_over_planck(b, b, X), 1.0, rtol=1e-14)


def test_in_the_wien_limit_the_source_function_is_that_of_the_upper_level_over_the_lower():
    b_lower, b_upper, x = np.array([0.9]), np.array([0.5]), np.array([30.0])
    np.testing.assert_allclose(source_over_planck(b_lower, b_upper, x), 0.5 / 0.9, rtol=1e-12)
    np.testing.assert_allclose(opacity_over_lte(b_lower, b_upper, x), 0.9, rtol=1e-12)


def test_emission_follows_the_upper_level_alone():
    x = np.array([3.0])
    emission = [
        opacity_over_lte(np.array([low]), np.array([0.7]), x) * source_over_planck(np.array([low]), np.array([0.7]), x)
        for low in (0.5, 1.0, 1.5)
    ]
    np.testing.assert_allclose(emission, 0.7, rtol=1e-12)


def test_eddington_and_barbier_hold_for_a_linear_source_function():
    # opacity exp(-z): optical depth exp(-z) too; S = 1 + 2 tau gives the flux 1/2 + 2/3 (in units of 2 pi)
    height = np.linspace(14.0, -4.0, 400)
    tau = np.exp(-height)
    opacity, source = tau[None, :], (1 + 2 * tau)[None, :]
    flux = emergent_flux(opacity, source, height)
    np.testing.assert_allclose(flux, 0.5 + 2 / 3, rtol=2e-3)  # four angles, 400 depths


def test_the_haze_is_the_suns_for_the_sun_and_follows_iron():
    assert haze_scale(Blanketing.SCALED, 5777, 0.0) == pytest.approx(1.0)
    assert haze_scale(Blanketing.SCALED, 5777, -2.0) == pytest.approx(10**-0.84)  # saturated lines
    assert haze_scale(Blanketing.SCALED, 6500, 0.0) < 1 < haze_scale(Blanketing.SCALED, 5000, 0.0) < 5
    assert haze_scale(Blanketing.SCALED, 3500, 0.5) == 5.0
    rest, metals = haze(np.array([90.0, 175.0, 230.0, 355.0, 500.0]), 1.0)
    np.testing.assert_allclose(rest, [1, 1, 12.89, 3.28, 1], rtol=1e-6)
    assert metals[1] > 10
    np.testing.assert_array_equal(metals[[0, 2, 3, 4]], 1)
    off = haze(np.array([175.0, 230.0]), haze_scale(Blanketing.OFF, 5777, 0.0))
    np.testing.assert_array_equal(off, 1)


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
    with pytest.raises(DataError, match="there are those of Li, Mg and Ca"):
        hydrogen_rates(tmp_path, "Fe")


def test_diagnostic_lines_of_the_three_elements_all_have_levels():
    from cinn_core.lines import diagnostic_lines

    wanted = {(x.element, x.wavelength) for x in diagnostic_lines() if x.element in ("Li", "Mg", "Ca")}
    assert {(x.element, x.wavelength) for x in LINES} == wanted


@pytest.mark.parametrize("element", ["Li", "Mg", "Ca"])
def test_the_laboratory_list_has_every_line(shared, element):
    data = read_line_data(shared / "synthesis", element)
    assert len(data) == len(lines_of(element))
    assert all(np.isfinite([x.log_gf, x.radiative, x.stark, x.waals]).all() for x in data)


def test_lines_find_their_levels_by_energy_and_the_others_are_listed():
    table = LineTable(
        species=np.array(["Mg 1", "Mg 1", "Mg 2"]),
        number=np.array([12, 12, 12]),
        ion=np.array([1, 1, 2]),
        wavelength=np.array([5528.405, 5711.088, 5528.0]),
        excitation=np.array([4.346, 4.346, 0.0]),
        log_gf=np.zeros(3),
        radiative=np.zeros(3),
        stark=np.zeros(3),
        waals=np.zeros(3),
    )
    levels = [
        Level("3s2 1S", 0.0),
        Level("3s3p 1P", 35051.27),
        Level("3s4d 1D", 53134.64),
        Level("5"),
        Level("ion", 61671.0, 2, 1),
    ]
    found = match_lines(table, levels)
    np.testing.assert_array_equal(found.lower, [1, 1, 4])
    np.testing.assert_array_equal(found.upper, [2, -1, -1])
    np.testing.assert_array_equal(found.in_lte, [1, 2])
