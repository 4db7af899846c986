"""What is said to be believed follows from flags and from the shipped table of real stars."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from fake_analysis import fake_analysis

from cinn_core.inference.constraints import Constraint, tension
from cinn_core.inference.quantities import quantities
from cinn_core.inference.trust import (
    Level,
    difference_in_sigma,
    half_width,
    make_regions,
    real_error,
    real_stars_json,
    region_name,
    region_of,
    regions,
    tension_sentence,
    trust_in,
)
from cinn_core.stages import FLAGS
from cinn_core.targets import TARGETS


def with_flags(*flags: str, **labels: float):
    """A made-up star with flags, its modes moved to labels."""
    star = fake_analysis(n=500)
    targets = {name: replace(found, map=labels.get(name, found.map)) for name, found in star.summary.targets.items()}
    return replace(star, flags=flags, summary=replace(star.summary, targets=targets))


def test_good_star_is_believed_as_far_as_real_stars_teach():
    trust = trust_in(with_flags())
    error = regions()["dwarf"].errors["teff"]
    assert trust.level is Level.GOOD
    assert not trust.doubtful
    assert f"Teff within {error.within68:.0f} K" in trust.sentence
    assert f"{max(abs(error.low), abs(error.high)):.0f} K off" in trust.sentence


def test_metal_poor_star_is_not_believed_and_told_by_how_much_real_ones_are_off():
    trust = trust_in(with_flags("metal_poor", teff=5460.0, logg=2.72, feh=-2.76))
    error = regions()["metal_poor"].errors["teff"]
    assert trust.level is Level.NOT
    assert error.high < 0  # all of them too cool
    assert f"Teff {-error.high:.0f}–{-error.low:.0f} K too low" in trust.sentence
    assert {"teff", "logg", "feh"} <= set(trust.doubtful)


def test_star_out_of_domain_has_no_measurement():
    trust = trust_in(with_flags("out_of_domain", "chi2_high"))
    assert trust.level is Level.NOT
    assert trust.sentence.startswith("Do not use these numbers")
    assert set(trust.doubtful) == {target.name for target in TARGETS}


def test_poor_fit_is_said_with_its_misfit_before_what_good_spectra_give():
    star = with_flags("chi2_high")
    trust = trust_in(star)
    assert trust.level is Level.CARE
    assert f"χ² {star.resimulation.chi2_per_pixel:.1f}" in trust.sentence


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_gives_one_line_of_words(flag):
    sentence = trust_in(with_flags(flag)).sentence
    assert "\n" not in sentence
    assert not re.search("nan|None|_", sentence)
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("labels", "region"),
    [
        ((5772.0, 4.44, 0.0), "dwarf"), ((6710.0, 3.96, 0.0), "warm_dwarf"), ((4978.0, 2.97, -0.5), "giant"),
        ((5460.0, 3.65, -2.4), "metal_poor"),
    ],
)  # fmt: skip
def test_region_follows_the_answer(labels, region):
    assert region_name(*labels) == region


def test_shipped_table_has_every_region_and_says_what_is_known_of_metal_poor_stars():
    table = regions()
    assert all(table[name].errors["teff"].n >= 2 for name in table)
    assert table["metal_poor"].errors["teff"].median < -100
    assert table["metal_poor"].errors["logg"].median < -0.5
    of_dwarfs = np.abs(list(table["dwarf"].errors["teff"].values.values()))
    assert np.quantile(of_dwarfs, 0.68) < 60  # the goal of the benchmark


def answer(star: str, teff: float, *flags: str, trust: str = "fundamental", category: str = "main"):
    targets = {"teff": {"map": 5800.0 + teff}, "logg": {"map": 4.4}, "feh": {"map": 0.0}}
    native = {"flags": list(flags), "difference": {"teff": teff, "logg": 0.0, "feh": 0.0}, "targets": targets}
    return {"star": star, "category": category, "trust": trust, "native": native}


def test_spectra_of_one_star_are_averaged_and_what_cannot_be_judged_is_left_out():
    stars = [
        answer("a", 10.0), answer("a", 30.0), answer("b", -40.0), answer("c", 500.0, trust="uncertain"),
        answer("d", 500.0, "out_of_domain"), answer("e", 500.0, category="suspect"), {**answer("f", 0.0), "native": None},
    ]  # fmt: skip
    found = make_regions(stars)
    assert found["dwarf"]["teff"]["n"] == 2
    assert (found["dwarf"]["teff"]["low"], found["dwarf"]["teff"]["high"]) == (-40.0, 20.0)
    assert found["giant"] == {}


def test_real_error_is_that_of_the_region_and_of_compared_targets_alone():
    star = with_flags()
    assert real_error(star, "teff") == region_of(star).errors["teff"].within68
    assert real_error(star, "mg_fe") is None


@pytest.mark.parametrize("n", [3, 5, 9, 40])
def test_next_star_comes_out_within_the_half_width_two_times_in_three_or_more(n):
    """4000 draws of n + 1 exchangeable stars; the plain 68 % quantile of three or five others would hold too few."""
    rng = np.random.default_rng(n)
    draws = rng.standard_t(4, (4000, n + 1))
    held = np.mean([abs(last) <= half_width(others) for *others, last in draws])
    plain = np.mean([abs(last) <= np.quantile(np.abs(others), 0.68) for *others, last in draws])
    assert 0.68 - 3 * 0.0074 < held < 0.68 + 1 / n + 0.02
    assert n > 10 or plain < 0.66


def test_no_star_is_judged_by_itself():
    """18 Sco is one of the nine dwarfs of the table; the Sun by another of its names, too."""
    star = with_flags()
    for name in ("18 Sco", "HD 146233", "Vesta"):
        own = replace(star, flux_vector=replace(star.flux_vector, star=name))
        assert region_of(own).errors["teff"].n == region_of(star).errors["teff"].n - 1
    assert "8 real dwarfs" in trust_in(own).sentence


def test_shipped_table_holds_stars_left_out_one_by_one():
    """Of all values of the table two in three or more lie within what the other stars of the region promise."""
    errors = [error for region in regions().values() for error in region.errors.values()]
    held, n = sum(error.held_left_out for error in errors), sum(error.n for error in errors)
    assert held / n > 0.68 - np.sqrt(0.68 * 0.32 / n)


def test_document_says_what_stars_like_this_one_miss_by():
    found = real_stars_json(with_flags())
    assert found["region"] == "dwarf"
    assert found["level"] == "good"
    assert found["targets"]["teff"]["within68"] == regions()["dwarf"].errors["teff"].within68
    assert found["sentence"] == trust_in(with_flags()).sentence


def test_stars_are_compared_in_units_of_what_real_stars_miss_by_too():
    teff = quantities(with_flags())[0]
    half = (teff.hi68 - teff.lo68) / 2
    other = replace(teff, map=teff.map + 100.0)
    assert difference_in_sigma(teff, other, (None, None)) == pytest.approx(100 / (half * 2**0.5))
    assert difference_in_sigma(teff, other, (30.0, 40.0)) == pytest.approx(100 / (2 * half**2 + 2500) ** 0.5)
    assert difference_in_sigma(teff, replace(other, limit95=6000.0), (30.0, 40.0)) is None


def test_tension_counts_in_the_sigma_of_both():
    star = with_flags()
    teff = star.posterior.labels[:, 0]
    low, middle, high = np.quantile(teff, [0.16, 0.5, 0.84])
    half = (high - low) / 2
    assert tension(star.posterior, Constraint("teff", float(middle + 3 * half), 1e-6)) == pytest.approx(3.0, abs=0.05)
    assert tension(star.posterior, Constraint("teff", float(middle + 3 * half), float(half))) == pytest.approx(
        2.12, abs=0.05
    )


def test_external_knowledge_that_contradicts_the_spectrum_is_told_in_sigma():
    star = with_flags()
    assert re.search(r"log g = 9 ± 0.1 is \d+\.\d σ", tension_sentence(star.posterior, Constraint("logg", 9.0, 0.1)))
    agreeing = Constraint("logg", float(np.median(star.posterior.labels[:, 1])), 0.1)
    assert tension_sentence(star.posterior, agreeing) == ""
