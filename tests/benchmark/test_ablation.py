"""The effect of each step towards real stars: what a star is judged by comes from other stars, and only one spectrum counts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fake_analysis import fake_analysis

from cinn_core.benchmark import ablation as module
from cinn_core.benchmark.ablation import BUMPS, HALPHA, LINE, MASK, NOISE, one_a_star, steps
from cinn_core.forward_model.model_error import halpha_wings, uniform_model_error
from cinn_core.inference.bias import groups_of
from cinn_core.literature import KnownStar
from cinn_core.prior import N_LABELS
from cinn_core.targets import COLUMN

TEFF = dict(zip("abcdefghi", np.linspace(4500, 6500, 9), strict=True))


@pytest.fixture
def vectors():
    vector = fake_analysis(n=16).flux_vector
    known = {star: KnownStar(star, {"teff": teff, "logg": 4.4, "feh": 0.0}) for star, teff in TEFF.items()}
    return [(known[star], replace(vector, star=star)) for star in TEFF]


@pytest.fixture
def taught(monkeypatch):
    """Replaces the fits: 5 K too hot, with Halpha 40 K too cool unless it may have bumps; notes who taught each star."""
    by: dict[str, set[str]] = {}

    def model_error_of(left):
        return replace(uniform_model_error(0.02), provenance={"stars": {one.star for one in left}})

    def fit_labels(vector, forward, error, held, used, bumps):
        assert held == {}
        if "stars" in error.provenance:
            by.setdefault(vector.star, set()).update(error.provenance["stars"])
        labels = np.zeros(N_LABELS)
        labels[COLUMN["teff"]] = TEFF[vector.star] + (5 if bumps or not used[halpha_wings()].any() else -40)
        labels[COLUMN["logg"]] = 4.4
        return SimpleNamespace(labels=labels)

    monkeypatch.setattr(module, "leftovers", lambda v, f, e: [SimpleNamespace(star=star.star) for star, _ in v])
    monkeypatch.setattr(module, "model_error_of", model_error_of)
    monkeypatch.setattr(module, "fit_labels", fit_labels)
    return by


def test_no_star_is_judged_by_what_its_own_group_taught(vectors, taught):
    steps(vectors, None)
    for group in groups_of(TEFF):
        for star in group:
            assert taught[star] == set(TEFF) - set(group)


def test_each_step_shows_its_own_bias_and_the_line_takes_a_common_one_off(vectors, taught):
    found = {effect.name: effect for effect in steps(vectors, None)}
    assert next(iter(found)) == NOISE
    assert list(found)[-1] == LINE
    assert found[MASK].overall["teff"].median == pytest.approx(5)
    assert found[HALPHA].overall["teff"].median == pytest.approx(-40)
    assert found[BUMPS].overall["teff"].median == pytest.approx(5)
    assert found[LINE].overall["teff"].median == pytest.approx(0, abs=1)
    assert found[LINE].overall["teff"].n == len(TEFF)


def test_of_several_spectra_of_a_star_the_one_of_highest_signal_to_noise_counts(vectors):
    (star, vector), *_ = vectors
    better = replace(vector, snr=(400.0, 300.0))
    worse = replace(vector, snr=(900.0, 50.0))
    (kept,) = one_a_star([(star, vector), (star, better), (star, worse)])
    assert kept[1] is better
