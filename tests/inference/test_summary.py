"""Summaries against posteriors whose numbers are known."""

import numpy as np

from cinn_core.inference.summary import summarise
from cinn_core.inference.weighted import highest_density_interval
from cinn_core.prior import N_TARGETS, from_z
from cinn_core.stages import PosteriorSamples
from cinn_core.targets import TARGETS


def narrow_posterior(n: int = 4000) -> PosteriorSamples:
    rng = np.random.default_rng(0)
    z = 0.1 * rng.standard_normal((n, N_TARGETS))
    return PosteriorSamples(from_z(z), z, -0.5 * (z**2).sum(1) / 0.01, np.zeros(N_TARGETS), 0.0, 0)


def test_highest_density_interval_of_a_normal_is_its_sigma() -> None:
    x = np.random.default_rng(1).standard_normal(100_000)
    low, high = highest_density_interval(x, 0.6827)
    assert abs(low + 1) < 0.05
    assert abs(high - 1) < 0.05


def test_highest_density_interval_of_an_exponential_begins_at_its_edge() -> None:
    x = np.random.default_rng(2).exponential(size=50_000)
    low, high = highest_density_interval(x, 0.68)
    assert low < 0.02
    assert abs(high + np.log(0.32)) < 0.05


def test_summary_brackets_the_mode_of_a_narrow_posterior() -> None:
    summary = summarise(narrow_posterior())
    for target in TARGETS:
        numbers = summary.targets[target.name]
        assert numbers.lo95 < numbers.lo68 < numbers.median < numbers.hi68 < numbers.hi95
        assert numbers.lo68 < numbers.map < numbers.hi68
        assert numbers.unit == target.unit


def test_map_of_the_paper_is_one_of_the_samples() -> None:
    posterior = narrow_posterior(500)
    summary = summarise(posterior)
    row = np.array([summary.targets[t.name].map_paper for t in TARGETS])
    assert (np.abs(posterior.labels - row).max(1) < 1e-9).any()


def test_summary_with_weights_is_that_of_the_samples_kept() -> None:
    posterior = narrow_posterior()
    kept = posterior.labels[:, 0] > np.median(posterior.labels[:, 0])
    weighted = summarise(posterior, kept.astype(float))
    alone = PosteriorSamples(
        posterior.labels[kept], posterior.z[kept], posterior.log_density[kept], posterior.map_z, 0.0, 0
    )
    expected = summarise(alone)
    for target in TARGETS:
        found, wanted = weighted.targets[target.name], expected.targets[target.name]
        for key in ("mean", "median", "lo68", "hi68", "lo95", "hi95", "map_paper"):
            assert abs(getattr(found, key) - getattr(wanted, key)) < 1e-9 * max(1, abs(getattr(wanted, key))), key
    assert weighted.targets["teff"].map > np.median(posterior.labels[:, 0])
