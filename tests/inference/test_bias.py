"""The linear bias correction: what it learns, what it leaves alone, and that no star corrects itself."""

from __future__ import annotations

import numpy as np
import pytest
from fake_analysis import fake_analysis

from cinn_core.errors import DataError, ParametersError
from cinn_core.inference.bias import (
    BiasCorrection,
    KnownAnswer,
    LinearBias,
    cross_validated,
    fit_bias,
    groups_of,
    load_bias,
    save_bias,
)
from cinn_core.inference.summary import summarise
from cinn_core.targets import COLUMN

SUN = np.array([5772, 4.44, 0.0, 1.0, 3.4, 0.0, 0.0, 0.02, -0.01, 0.05, 0.02, 0.01, 0.0])


def known(star, teff, *, slope=-0.02, offset=150.0, n=64, seed=0):
    """A star whose Teff comes out wrong by slope * (found Teff) + offset, its samples 20 K wide."""
    rng = np.random.default_rng([seed, len(star) + sum(map(ord, star))])
    found = (teff + offset) / (1 - slope)
    samples = np.repeat(SUN[None], n, 0)
    samples[:, COLUMN["teff"]] = found + rng.normal(0, 20, n)
    best = SUN.copy()
    best[COLUMN["teff"]] = found
    return KnownAnswer(star, best, samples, {"teff": teff})


def stars(n=9, **options):
    return [known(f"star {i}", teff, **options) for i, teff in enumerate(np.linspace(4500, 6500, n))]


def test_the_line_that_was_put_in_is_found():
    line = fit_bias(stars(n=12)).lines["teff"]
    assert line.slope == pytest.approx(-0.02, abs=0.004)  # 20 K over sqrt(64) samples on 2000 K, twelve stars
    assert line.slope * 5500 + line.offset == pytest.approx(-0.02 * 5500 + 150, abs=5)
    assert line.stars == 12


def test_many_spectra_of_a_star_weigh_as_one():
    once = fit_bias(stars()).lines["teff"]
    many = fit_bias([*stars(), *[stars()[0]] * 20]).lines["teff"]
    assert many.slope == pytest.approx(once.slope, abs=1e-9)
    assert many.offset == pytest.approx(once.offset, abs=1e-5)


def test_fewer_than_three_stars_teach_nothing():
    with pytest.raises(DataError, match="3 stars"):
        fit_bias(stars(n=2))


def test_samples_without_measurable_lithium_take_no_part():
    def with_lithium(k, value):
        samples = k.samples.copy()
        samples[:, COLUMN["li_fe"]] = 1.5
        samples[::2, COLUMN["li_fe"]] = value
        return KnownAnswer(k.star, k.map, samples, {"li_fe": 1.0})

    lines = fit_bias([with_lithium(k, -1.0) for k in stars()]).lines
    at = 5500.0
    assert lines["li_fe"].slope * at + lines["li_fe"].offset == pytest.approx(0.5, abs=1e-6)


def test_correction_uses_the_uncorrected_teff_and_touches_nothing_else():
    bias = BiasCorrection({"teff": LinearBias(0.01, 0.0, 3), "feh": LinearBias(1e-5, 0.0, 3)}, {})
    out = bias.corrected(SUN[None])[0]
    assert out[COLUMN["teff"]] == pytest.approx(5772 - 57.72)
    assert out[COLUMN["feh"]] == pytest.approx(-0.05772)
    untouched = [i for i in range(13) if i not in (COLUMN["teff"], COLUMN["feh"])]
    np.testing.assert_array_equal(out[untouched], SUN[untouched])
    only = bias.corrected(SUN[None], only=("feh",))[0]
    assert only[COLUMN["teff"]] == 5772


def test_corrected_summary_moves_modes_and_intervals_together():
    posterior = fake_analysis(n=512).posterior
    plain = summarise(posterior)
    moved = BiasCorrection({"logg": LinearBias(0.0, 0.1, 3)}, {}).summarise(posterior)
    for kind in ("map", "median", "lo68", "hi68", "lo95", "hi95"):
        shift = getattr(moved.targets["logg"], kind) - getattr(plain.targets["logg"], kind)
        assert shift == pytest.approx(-0.1, abs=1e-9)
    assert moved.targets["feh"] == plain.targets["feh"]


def test_groups_share_out_every_star_once():
    groups = groups_of(["c", "a", "b", "a", "d"])
    assert sorted(name for group in groups for name in group) == ["a", "b", "c", "d"]


def test_a_bias_common_to_all_stars_is_removed_from_stars_that_had_no_part_in_the_line():
    found = cross_validated(stars(n=12))["teff"]
    assert len(found) == 12
    before, after = np.array(list(found.values())).T
    assert np.abs(before).min() > 10
    assert np.abs(after).max() < 25


def test_a_star_of_its_own_bias_is_not_corrected_by_itself():
    odd = known("odd", 5500.0, slope=0.0, offset=400.0)
    others = stars(n=11, slope=0.0, offset=0.0)
    before, after = cross_validated([*others, odd])["teff"]["odd"]
    assert before == pytest.approx(400, abs=1)
    assert after == pytest.approx(400, abs=15)


def test_a_saved_correction_comes_back_and_belongs_to_its_network(tmp_path):
    path = tmp_path / "network_bias.json"
    bias = fit_bias(stars(), {"network_sha256": "a" * 64, "stars": ["x"]})
    save_bias(bias, path)
    back = load_bias(path, "a" * 64)
    assert back.lines == bias.lines
    assert back.provenance["stars"] == ["x"]
    with pytest.raises(ParametersError, match="another network"):
        load_bias(path, "b" * 64)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1, 2]", '{"lines": {"teff": {"slope": 1}}, "provenance": {}, "schema": 1}']
)
def test_a_damaged_correction_is_refused_in_words(tmp_path, text):
    path = tmp_path / "network_bias.json"
    path.write_text(text)
    with pytest.raises(ParametersError, match="make it again"):
        load_bias(path, "a" * 64)


def test_a_missing_correction_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ParametersError, match="kiel benchmark"):
        load_bias(tmp_path / "network_bias.json", "a" * 64)
