"""The goals that real stars set, and the page and the tables that show them."""

from __future__ import annotations

import io

import pytest
from fake_benchmark import answer, entry, row
from rich.console import Console

from app.commands import tables_benchmark as tables
from app.commands.benchmark_page import page
from app.page.figures.benchmark import save_figure
from cinn_core.benchmark.figures import points
from cinn_core.benchmark.goals import goals
from cinn_core.benchmark.measure import BenchmarkRow
from cinn_core.benchmark.report import to_json
from cinn_core.errors import DataError
from cinn_core.output.report import dumps

STARS = {"a": 4500.0, "b": 5000.0, "c": 5500.0, "d": 6000.0, "e": 6500.0}


def of(rows, text):
    """The one goal whose words hold `text`."""
    (found,) = [goal for goal in goals(rows) if text in goal.text]
    return found


def stars(off):
    """Five stars 500 K apart whose Teff comes out wrong by off(Teff) [K]."""
    return [row(star, {"teff": off(teff)}, teff=teff) for star, teff in STARS.items()]


@pytest.mark.parametrize(("bias", "holds"), [(59.0, True), (-61.0, False)])
def test_bias_has_to_be_within_sixty_kelvin(bias, holds):
    assert of(stars(lambda teff: bias), "teff: bias").holds is holds


def test_scatter_without_bias_fails_as_well():
    off = dict(zip(STARS.values(), (-200.0, 200.0, 0.0, 200.0, -200.0), strict=True))
    assert not of(stars(off.__getitem__), "teff: bias").holds


def test_a_trend_is_found():
    wiggle = dict(zip(STARS.values(), (5.0, -5.0, 3.0, 4.0, -6.0), strict=True))
    assert of(stars(wiggle.__getitem__), "teff: trend").holds
    assert not of(stars(lambda teff: 0.04 * (teff - 5500) + wiggle[teff]), "teff: trend").holds


def test_repeats_that_disagree_fail():
    assert of([row("Sun", {"teff": 10.0}), row("Sun", {"teff": -10.0})], "teff: scatter of repeats").holds
    assert not of([row("Sun", {"teff": 40.0}), row("Sun", {"teff": -40.0})], "teff: scatter of repeats").holds


def test_every_star_of_another_kind_has_to_be_flagged_or_refused():
    def star(found, refusal=None):
        return BenchmarkRow(entry("Vega", category="out_of_domain"), found, refusal=refusal)

    assert not of([star(answer({}))], "Vega").holds
    assert not of([star(answer({}, flags=("medium_guessed",)))], "Vega").holds
    assert of([star(answer({}, flags=("medium_guessed", "out_of_domain")))], "Vega").holds
    assert of([star(None, "There is no line here.")], "Vega").holds


def test_alpha_elements_of_the_old_stars_are_looked_at():
    poor = {"mg_fe": 0.02, "ca_fe": 0.04}
    rich = {"mg_fe": 0.30, "ca_fe": 0.20}
    known = entry("tau Cet", teff=5463.0, feh=-0.5)
    assert not of([BenchmarkRow(known, answer(poor))], "tau Cet").holds
    assert of([BenchmarkRow(known, answer(rich))], "tau Cet").holds


def test_json_holds_the_goals_and_is_read_by_everybody():
    document = to_json(stars(lambda teff: 100.0))
    assert '"holds": false' in dumps(document)
    assert len(document["goals"]) == len(goals(stars(lambda teff: 100.0)))


def test_goals_are_printed_with_yes_and_no():
    console = Console(record=True, width=150, file=io.StringIO())
    tables.print_goals(goals(stars(lambda teff: 100.0)), console)
    text = console.export_text()
    assert "NO" in text
    assert "yes" in text


def test_page_shows_everything_and_no_name_becomes_markup():
    rows = [*stars(lambda teff: 10.0), BenchmarkRow(entry("<script>x</script>"), None, refusal="<b>no</b>")]
    text = page(rows, {})
    assert "<script" not in text
    assert "<b>no" not in text
    assert "Goals" in text
    assert text.count("data:image/png;base64,") == 3  # as it is, corrected, residuals


def test_figure_is_written_whole_with_the_residuals_beside(tmp_path):
    save_figure(stars(lambda teff: 10.0), tmp_path / "out.png")
    assert {path.name for path in tmp_path.iterdir()} == {"out.png", "out_corrected.png", "out_residuals.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
    with pytest.raises(DataError, match=r"\.png"):
        save_figure([], tmp_path / "out.gif")


def test_figure_draws_literature_for_parameters_and_lines_for_abundances():
    found = answer({"teff": 5800.0, "feh": 0.1, "mg_fe": 0.05}, lines={"Fe": 0.07, "Mg": 0.12})
    rows = [BenchmarkRow(entry(), found)]
    ((teff, reference, _, at, _, counts),) = points(rows, "teff")
    assert (teff, reference, at, counts) == (5800.0, 5772.0, 5800.0, True)
    assert points(rows, "mg_fe")[0][1] == pytest.approx(0.05)  # 0.12 - 0.07
    assert points(rows, "ca_fe") == []
