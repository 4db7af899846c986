"""Runs over many stars: they go on where they stopped, failures have a reason, solutions become a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from solar_lithium import FULL, SUN

from cinn_core.errors import DataError
from cinn_core.nlte import runs
from cinn_core.nlte.equilibrium import Solution
from cinn_core.nlte.runs import (
    NlteStar,
    collect_table,
    load_solution,
    save_solution,
    solve_stars,
    star_of_abundance,
)
from cinn_core.synthesis.departure_files import read_table, write_table
from cinn_core.synthesis.departures import Departures, Level


def test_a_second_run_computes_nothing_again(solutions, shared, monkeypatch):
    def solve(*arguments):
        raise AssertionError("solved again")

    monkeypatch.setattr(runs, "solve", solve)
    told = []
    assert len(solve_stars([SUN, SUN], solutions, shared, FULL, report=told.append)) == 1
    assert told == []


def test_a_star_without_a_model_atmosphere_is_listed_with_the_reason(solutions, shared):
    (outcome,) = solve_stars([NlteStar("Li", 9000.0, 4.0, 0.0, 0.0)], solutions, shared, FULL)
    assert "Teff 9000 is outside the model atmospheres" in outcome.reason


def test_the_table_of_a_folder_gives_back_the_departures(solutions, tmp_path):
    write_table(collect_table("Li", solutions, FULL), tmp_path / "Li.npz")
    table = read_table(tmp_path / "Li.npz")
    solution = load_solution(SUN.file(solutions, FULL))
    np.testing.assert_allclose(table.nodes, [[5777, 4.44, 0.0, 1.05]])
    at = table.grid().at(5777, 4.44, 0.0, 1.05)
    np.testing.assert_allclose(at.b, solution.departures.on(at.log_tau), rtol=0.0012)  # half a step of 0.001 dex


def test_a_star_of_another_structure_has_a_solution_of_its_own(solutions, shared, tmp_path):
    mean3d = replace(FULL, s=1.0)
    (outcome,) = solve_stars([SUN], tmp_path, shared, mean3d)
    assert outcome.reason == ""
    atlas, other = load_solution(SUN.file(solutions, FULL)), load_solution(SUN.file(tmp_path, mean3d))
    solar = [np.interp(-2.0, x.departures.log_tau, x.temperature) for x in (other, atlas)]
    assert 10 < abs(solar[0] - solar[1]) < 100  # K: in the Sun the two hardly differ, but they do
    assert collect_table("Li", tmp_path, mean3d).card["s"] == 1.0
    with pytest.raises(DataError, match="h-scaled"):
        collect_table("Li", tmp_path, FULL)


def test_a_folder_without_solutions_is_refused(tmp_path):
    with pytest.raises(DataError, match="no solution of Mg"):
        collect_table("Mg", tmp_path, FULL)


def test_alpha_elements_are_enhanced_in_metal_poor_stars():
    assert NlteStar("Mg", 5000, 4, -2.0, 0.0).abundance == pytest.approx(7.55 - 2.0 + 0.4)
    assert NlteStar("Ca", 5000, 4, -0.5, 0.1).abundance == pytest.approx(6.37 - 0.5 + 0.2 + 0.1)
    assert NlteStar("Li", 5000, 4, -2.0, 0.5).abundance == pytest.approx(1.05 - 2.0 + 0.5)
    assert star_of_abundance("Mg", 5000, 4, -3.0, 5.0).abundance == pytest.approx(5.0, abs=1e-3)


def save_made_up(folder, star, physics, log_b):
    """A file of a solution whose log b is the same at all depths."""
    levels, depths = (Level("3s2 1S", 0.0, 1.0),), np.array([-4.0, 0.0, 1.0])
    departures = Departures(star.element, levels, depths, np.full((1, 3), np.exp(log_b)))
    zero = np.zeros(3)
    solution = Solution(departures, star.abundance, 1.0, zero, zero, zero, zero, zero[None], zero[:1], zero[None], 5)
    save_solution(solution, star.file(folder, physics))


def test_stars_solved_on_one_structure_alone_get_the_change_of_the_others_between_two_of_them(tmp_path):
    mean3d = replace(FULL, s=1.0)
    for teff, change in ((5000.0, 0.2), (5500.0, None), (6000.0, 0.6), (6500.0, None)):
        star = NlteStar("Mg", teff, 4.0, 0.0, 0.0)
        save_made_up(tmp_path, star, FULL, -0.1)
        if change is not None:
            save_made_up(tmp_path, star, mean3d, -0.1 + change)
    table = collect_table("Mg", tmp_path, mean3d, collect_table("Mg", tmp_path, FULL))
    assert (table.card["solutions"], table.card["s"]) == (6, [0.0, 1.0])
    write_table(table, tmp_path / "Mg.npz")
    grid = read_table(tmp_path / "Mg.npz").grid(1.0)
    found = [np.log(grid.at(teff, 4.0, 0.0, 7.55).b[0, 3]) for teff in (5000, 5500, 6000, 6500)]
    np.testing.assert_allclose(found, [0.1, 0.3, 0.5, 0.5], atol=0.002)  # steps of 0.001 dex; held beyond 6000 K


def test_solutions_are_not_added_to_the_table_of_another_element(tmp_path):
    star = NlteStar("Mg", 5000.0, 4.0, 0.0, 0.0)
    save_made_up(tmp_path, star, FULL, 0.0)
    with pytest.raises(DataError, match="other levels"):
        collect_table("Mg", tmp_path, FULL, replace(collect_table("Mg", tmp_path, FULL), element="Ca"))
