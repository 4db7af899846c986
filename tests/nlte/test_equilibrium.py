"""Statistical equilibrium: lithium in the Sun, runs that go on where they stopped, the gate's bookkeeping, the command."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from cinn_core.errors import DataError, KielError
from cinn_core.nlte import load_lightweaver, runs
from cinn_core.nlte.corrections import (
    ComparedCorrection,
    PublishedCorrection,
    by_line,
    by_temperature,
    correction,
    corrections_of,
    count_within,
    ground_level_b,
    nearest_published,
    published_corrections,
)
from cinn_core.nlte.equilibrium import Physics
from cinn_core.nlte.lines import read_line_data
from cinn_core.nlte.opacity import Blanketing
from cinn_core.nlte.runs import NlteStar, collect_table, load_solution, solve_stars, star_of_abundance
from cinn_core.nlte.ultraviolet import solar_ultraviolet
from cinn_core.synthesis.departure_files import read_table, write_table

SUN = NlteStar("Li", 5777.0, 4.44, 0.0, 0.0)
FULL, BARE = Physics(), Physics(hydrogen=False, blanketing=Blanketing.OFF)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shared):
    """Solutions of solar lithium with all physics and with none."""
    pytest.importorskip("lightweaver", reason="the extra nlte is not installed")
    where = tmp_path_factory.mktemp("nlte")
    for physics in (FULL, BARE):
        outcomes = solve_stars([SUN], where, shared, physics)
        assert [outcome.reason for outcome in outcomes] == [""]
    return where


def test_hydrogen_and_the_haze_bring_solar_lithium_towards_lte(folder):
    full, bare = (load_solution(SUN.file(folder, physics)) for physics in (FULL, BARE))
    assert ground_level_b(bare) < 0.9 < ground_level_b(full) < 1.05
    deep = full.departures.on(np.array([1.4]))
    np.testing.assert_allclose(deep, 1.0, atol=0.02)  # LTE at depth


def test_with_the_haze_the_sun_shines_in_the_ultraviolet_as_observed(folder, shared):
    found = solar_ultraviolet(shared)
    np.testing.assert_allclose(found.with_haze, found.observed, rtol=0.05)  # the table has two decimals
    assert (found.without > 1.4 * found.observed).all()


def test_the_solution_keeps_every_lithium_nucleus(folder):
    solution = load_solution(SUN.file(folder, FULL))
    nuclei = 10.0 ** (1.05 - 12) * solution.hydrogen
    np.testing.assert_allclose((solution.departures.b * solution.lte).sum(0), nuclei, rtol=1e-4)
    np.testing.assert_allclose(solution.lte.sum(0), nuclei, rtol=1e-4)


def test_solar_lithium_line_is_a_few_milliangstrom_and_weaker_than_in_lte(folder, shared):
    lines = read_line_data(shared / "synthesis", "Li")
    (found,) = corrections_of(load_solution(SUN.file(folder, FULL)), lines)
    assert 3.0 < found.nlte < found.lte < 4.5  # published equivalent widths of A(Li) = 1.05: 3 to 4 mA
    assert 0 < found.correction < 0.1


def test_a_weak_lines_correction_is_the_log_of_its_widths(folder, shared):
    # on the linear part of the curve of growth abundance and equivalent width are proportional
    lines = read_line_data(shared / "synthesis", "Li")
    found = correction(load_solution(SUN.file(folder, BARE)), lines, 1.0)
    assert found.correction == pytest.approx(np.log10(found.lte / found.nlte), abs=0.01)


def test_a_second_run_computes_nothing_again(folder, shared, monkeypatch):
    def solve(*arguments):
        raise AssertionError("solved again")

    monkeypatch.setattr(runs, "solve", solve)
    told = []
    assert len(solve_stars([SUN, SUN], folder, shared, FULL, report=told.append)) == 1
    assert told == []


def test_a_star_without_a_model_atmosphere_is_listed_with_the_reason(folder, shared):
    (outcome,) = solve_stars([NlteStar("Li", 9000.0, 4.0, 0.0, 0.0)], folder, shared, FULL)
    assert "Teff 9000 is outside the model atmospheres" in outcome.reason


def test_the_table_of_a_folder_gives_back_the_departures(folder, tmp_path):
    write_table(collect_table("Li", folder, FULL), tmp_path / "Li.npz")
    table = read_table(tmp_path / "Li.npz")
    solution = load_solution(SUN.file(folder, FULL))
    np.testing.assert_allclose(table.nodes, [[5777, 4.44, 0.0, 1.05]])
    at = table.grid().at(5777, 4.44, 0.0, 1.05)
    np.testing.assert_allclose(at.b, solution.departures.on(at.log_tau), rtol=0.0012)  # half a step of 0.001 dex


def test_a_folder_without_solutions_is_refused(tmp_path):
    with pytest.raises(DataError, match="no solution of Mg"):
        collect_table("Mg", tmp_path, FULL)


def test_alpha_elements_are_enhanced_in_metal_poor_stars():
    assert NlteStar("Mg", 5000, 4, -2.0, 0.0).abundance == pytest.approx(7.55 - 2.0 + 0.4)
    assert NlteStar("Ca", 5000, 4, -0.5, 0.1).abundance == pytest.approx(6.37 - 0.5 + 0.2 + 0.1)
    assert NlteStar("Li", 5000, 4, -2.0, 0.5).abundance == pytest.approx(1.05 - 2.0 + 0.5)
    assert star_of_abundance("Mg", 5000, 4, -3.0, 5.0).abundance == pytest.approx(5.0, abs=1e-3)


def test_every_published_row_of_the_diagnostic_lines_is_compared(shared):
    rows = published_corrections(shared / "nlte")
    assert sum(row.source == "Mg_3NLTE" for row in rows) == 882
    assert sum(row.source == "MPIA" and row.star.element == "Mg" for row in rows) == 45
    assert sum(row.source == "MPIA" and row.star.element == "Ca" for row in rows) == 81
    moved = published_corrections(shared / "nlte", shift=0.5)
    assert moved[0].star.feh == rows[0].star.feh + 0.5
    assert moved[0].star.abundance == pytest.approx(rows[0].star.abundance, abs=2e-3)


def test_a_star_is_shown_beside_the_nearest_published_one_and_none_that_is_far():
    near, far = (
        PublishedCorrection("MPIA", NlteStar("Mg", teff, 4.5, 0, 0), 5711.07, 1.0, -0.02) for teff in (5750, 6000)
    )
    assert nearest_published([far, near], NlteStar("Mg", 5777, 4.44, 0.0, 0.0), 5711.09, 1.2) is near
    assert nearest_published([far, near], NlteStar("Mg", 4642, 1.3, -2.6, 0.0), 5711.09, 1.0) is None
    assert nearest_published([far, near], NlteStar("Mg", 5777, 4.44, 0.0, 0.0), 5528.4, 1.0) is None


def test_rows_without_our_correction_count_against_the_gate():
    row = PublishedCorrection("MPIA", NlteStar("Mg", 5000, 4.5, 0, 0), 5711.07, 1.0, -0.02)
    compared = [ComparedCorrection(row, -0.06), ComparedCorrection(row, 0.04), ComparedCorrection(row, None, "why")]
    assert count_within(compared) == {"mg_n": 3, "mg_within_005": 1, "ca_n": 0, "ca_within_005": 0}
    (line,) = by_line(compared)
    assert (line.rows, line.within) == (2, 1)
    assert line.largest == pytest.approx(0.06)
    assert line.rms == pytest.approx(np.hypot(0.04, 0.06) / np.sqrt(2))
    assert line.lte == pytest.approx(0.02)
    assert [x.name for x in by_temperature(compared)] == ["MPIA Mg 5000 K"]


def test_without_lightweaver_the_refusal_names_the_extra(monkeypatch):
    import builtins

    real = builtins.__import__

    def missing(name, *arguments, **keywords):
        if name.startswith("lightweaver"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(KielError, match=r"\.\[nlte\]"):
        load_lightweaver()


def test_the_command_prints_departures_and_corrections(folder, shared):
    from app.cli import app

    done = CliRunner().invoke(app, ["nlte", "solve", "Li", str(folder), "--data", str(shared)])
    assert done.exit_code == 0, done.output
    assert "b of the ground level" in done.output
    assert "6707.92 Å" in done.output


def test_the_command_refuses_values_that_are_no_numbers(tmp_path, shared):
    from app.cli import app

    done = CliRunner().invoke(app, ["nlte", "solve", "Li", str(tmp_path), "--teff", "hot", "--data", str(shared)])
    assert done.exit_code == 2
    assert "--teff takes numbers" in done.output
