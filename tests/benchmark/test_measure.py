"""Real stars against the literature: the refusals, the figures that sum them up, line fits and disturbances."""

from __future__ import annotations

import numpy as np
import pytest
from fake_benchmark import answer, entry, row

from cinn_core.analyse import analyse
from cinn_core.benchmark.figures import figures_of, noisy, over_stars, repeats_of, star_means, trend_of
from cinn_core.benchmark.measure import BenchmarkRow, measure, run_benchmark
from cinn_core.benchmark.report import to_json
from cinn_core.benchmark.robustness import perturbations, shifts
from cinn_core.errors import SpectrumError


def test_a_refused_file_keeps_its_reason_and_the_others_go_on(tmp_path):
    (tmp_path / "Sun.fits").touch()
    answers = iter([SpectrumError("This is an image of a cat."), answer({"teff": 5772.0})])

    def one(path):
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found, None

    rows = list(run_benchmark([entry(), entry("nothing"), entry()], tmp_path, one))
    assert rows[0].refusal == "This is an image of a cat."
    assert "not in" in rows[1].refusal
    assert rows[2].refusal is None
    stars = to_json(rows)["stars"]
    assert stars[0]["native"] is None
    assert stars[2]["native"]["difference"]["teff"] == 0.0


def test_spectra_of_one_star_count_once():
    rows = [row("Sun", {"teff": -10.0}), row("Sun", {"teff": 30.0}), row("Other", {"teff": 50.0})]
    found = figures_of(rows)
    assert found.spectra == 3
    assert found.stars["Sun"]["teff"] == pytest.approx(10.0)
    assert found.overall["teff"].n == 2
    assert found.overall["teff"].median == pytest.approx(30.0)


def test_what_does_not_count_changes_no_figure():
    counted = [row(name, {"teff": off}) for name, off in (("a", -30.0), ("b", 0.0), ("c", 20.0))]
    others = [
        row("d", {"teff": 900.0}, feh=-2.5),
        BenchmarkRow(entry("e", trust="uncertain"), answer({"teff": 9000.0})),
        BenchmarkRow(entry("f"), None, refusal="no"),
    ]
    assert figures_of(counted).overall == figures_of([*counted, *others]).overall


def test_scatter_is_that_of_a_gaussian_and_one_wild_star_does_not_move_it():
    rng = np.random.default_rng(3)
    stars = {str(i): {"teff": float(x)} for i, x in enumerate(rng.normal(20, 50, 4000))}
    found = over_stars(stars)["teff"]
    assert found.median == pytest.approx(20, abs=3)  # 50 / sqrt(4000) = 0.8, the median's 1.25 times that
    assert found.scatter == pytest.approx(50, rel=0.06)
    assert over_stars({**stars, "wild": {"teff": 1e6}})["teff"].scatter == pytest.approx(found.scatter, rel=0.01)


def test_repeat_scatter_is_that_within_stars_and_blind_to_their_offsets():
    rng = np.random.default_rng(4)
    values = [(str(i), {"teff": 1000.0 * i + float(rng.normal(0, 25))}) for i in range(400) for _ in range(3)]
    found = repeats_of([*values, ("alone", {"teff": 1e5})])["teff"]
    assert (found.n, found.stars) == (1200, 400)
    assert found.rms == pytest.approx(25, rel=0.08)  # 800 degrees of freedom: 2.5 %
    assert found.robust == pytest.approx(25, rel=0.12)


def test_trend_is_the_slope_that_was_put_in():
    rng = np.random.default_rng(5)
    teff = np.linspace(4500, 6500, 60)
    points = [(float(t), float(0.05 * (t - 5500) + rng.normal(0, 10))) for t in teff]
    found = trend_of(points)
    assert abs(found.slope - 50) < 4 * found.error
    assert found.sigmas > 10
    assert np.isnan(trend_of(points[:3]).slope)
    assert np.isnan(trend_of([(5772.0, off) for _, off in points]).slope)  # no two temperatures, no slope


def test_a_star_s_means_take_what_each_spectrum_has():
    found = star_means([("a", {"feh": 0.1}), ("a", {"feh": 0.3, "mg_fe": 0.2})])
    assert found == {"a": {"feh": pytest.approx(0.2), "mg_fe": pytest.approx(0.2)}}


def test_answers_with_noise_added_have_figures_of_their_own():
    one = row("Sun", {"teff": 10.0})
    rows = [BenchmarkRow(one.entry, one.native, answer({**one.entry.literature, "teff": 5792.0}))]
    assert figures_of(rows).overall["teff"].median == pytest.approx(10.0)
    assert figures_of(rows, noisy).overall["teff"].median == pytest.approx(20.0)
    assert to_json(rows)["summary_degraded"]["overall"]["teff"]["median"] == pytest.approx(20.0)


def test_a_good_solar_spectrum_is_judged_by_itself_and_a_noisy_one_is_not():
    good = row("Sun", {"feh": 0.01})
    poor = BenchmarkRow(entry(), answer(good.entry.literature, snr=(60.0, 300.0)))
    assert len(figures_of([good]).sun) == 1
    assert figures_of([poor]).sun == {}


def test_figures_of_nothing_are_null_in_json():
    document = to_json([])
    assert document["summary"]["spectra"] == 0
    assert document["summary"]["overall"] == {}
    assert document["summary"]["noise"] is None
    assert document["robustness"] is None


def test_map_minus_line_fit_compares_iron_and_ratios_with_the_lines():
    found = answer(
        {"feh": 0.10, "mg_fe": 0.05, "ca_fe": 0.0, "li_fe": 1.0}, lines={"Fe": 0.07, "Mg": 0.10, "Ca": 0.07, "Li": 2.1}
    )
    expected = {"feh": 0.03, "mg_fe": 0.02, "ca_fe": 0.0, "a_li": 0.05}
    assert found.minus_lines == pytest.approx(expected)


def test_benchmark_gives_the_numbers_and_flags_of_an_analysis(model, examples):
    analysis = analyse(examples["solar-twin"], model, n_samples=256)
    native, noisy = measure(examples["solar-twin"], model, n_samples=256, degrade_to=50.0, with_fit=True)
    assert native.summary.targets == analysis.summary.targets
    assert native.flags == analysis.flags
    assert noisy.snr == (50.0, 50.0)
    assert noisy.check.mean["map"] > native.check.mean["map"]
    assert native.fitted[0] == pytest.approx(native.summary.targets["teff"].map, abs=100)


def test_a_disturbance_is_measured_in_the_disturbed_interval():
    before, after = answer({"teff": 5772.0}, half=0.05), answer({"teff": 5872.0}, half=0.10)
    found = shifts(before.summary, after.summary)["teff"]
    assert (found.value, found.sigmas, found.widening) == pytest.approx((100.0, 1.0, 2.0))


def test_disturbances_are_those_of_the_table():
    names = [change.name for change in perturbations()]
    assert len(names) == len(set(names)) == 12
    assert sum(name.startswith("S/N") for name in names) == 5
    assert all(
        any(part in name for name in names) for part in ("tilted -0.5 %", "-0.5 km/s", "+5 %", "half of the red")
    )
