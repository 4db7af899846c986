"""Grids of departure coefficients are interpolated; lines find their levels by term and by energy."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_departures import CA_LEVELS, FINE_LOG_TAU, LEVELS, LOG_TAU, MG_LEVELS, made_up_b, made_up_table

from cinn_core.errors import DataError
from cinn_core.synthesis.departures import (
    DepartureGrid,
    Departures,
    Level,
    Term,
    find_term,
    match_lines,
    term_of_level,
    terms_in,
)
from cinn_core.synthesis.line_lists import LineTable


def test_a_star_outside_the_grid_is_refused_in_words():
    grid = made_up_table().grid()
    with pytest.raises(DataError, match=r"teff 7000 is outside .* 5000 to 6000"):
        grid.at(7000, 4.5, 0, 7.5)
    with pytest.raises(DataError, match=r"A\(X\) - \[Fe/H\]"):
        grid.at(5500, 4.5, 0, 9.5)


def test_a_hole_in_the_grid_is_named():
    table = made_up_table()
    grid = DepartureGrid("Mg", LEVELS, table.nodes[2:], lambda i: table.departures(i + 2))
    with pytest.raises(DataError, match=r"no model at Teff 5000 K, log g 4\.0"):
        grid.at(5100, 4.2, -0.9, 6.7)


def test_negative_departures_are_refused():
    with pytest.raises(DataError, match="not negative"):
        Departures("Mg", LEVELS, LOG_TAU, -made_up_b(5000, 4, 0, 7.5))


@pytest.mark.parametrize("label", ["MG I 2P6 3S 3P 1PO", "3s.3p 1P*", "2p6.3s.3p 1P*", "3s3p-1P*"])
def test_codes_name_one_term_in_their_own_ways(label):
    assert term_of_level(Level(label)) == Term(("3s", "3p"), "1P*")


def test_a_closed_pair_of_electrons_counts_twice_and_a_number_is_no_shell():
    assert term_of_level(Level("4p2 3P")) == Term(("4p", "4p"), "3P")
    assert term_of_level(Level("17")) is None
    assert terms_in("a line of unknown levels") == (None, None)
    mixed = terms_in("Si I LS:3s.3p3 3D* JK:3s2.3p.(2P*<1/2>).5f 2[5/2]")
    assert mixed == (Term(("3s", "3p", "3p", "3p"), "3D*"), None)  # JK coupling has no term: by energy


def test_levels_closer_than_a_term_is_split_are_told_apart_by_name():
    lower, upper = terms_in("Ca I LS:3p6.3d.4s 3D LS:3p6.3d.4p 1D*")
    assert CA_LEVELS[find_term(lower, 20335.0, 0, CA_LEVELS, 400.0)].label == "3d4s-3D"
    assert CA_LEVELS[find_term(upper, 35819.0, 0, CA_LEVELS, 400.0)].label == "3d4p-1D*"  # 3F* lies nearer


def test_held_grid_leaves_out_models_that_do_not_exist():
    b = {4.0: 0.5, 5.0: 0.9}
    nodes = np.array([[5000.0, 4.0, 0.0, 7.5], [5000.0, 5.0, 0.0, 7.5], [6000.0, 5.0, 0.0, 7.5]])
    grid = DepartureGrid(
        "Mg",
        MG_LEVELS[:1],
        nodes,
        lambda i: Departures("Mg", MG_LEVELS[:1], FINE_LOG_TAU, np.full((1, 27), b[nodes[i, 1]])),
    )
    assert grid.at(5500.0, 4.0, 0.0, 7.5, held=True).b[0, 0] == pytest.approx(0.5)
    with pytest.raises(DataError, match="hold no model at Teff 6000"):
        grid.at(5500.0, 4.0, 0.0, 7.5)
    with pytest.raises(DataError, match="outside the departure coefficients"):
        grid.at(5000.0, 4.0, 0.5, 7.5)


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
