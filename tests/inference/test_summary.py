"""Summaries and verdicts, measured, limit or unconstrained, of posteriors whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from cinn_core.inference.summary import EDGE_SHARE, density_in_prior, information, status_of, summarise
from cinn_core.prior import N_TARGETS, from_z
from cinn_core.stages import PosteriorSamples, Status
from cinn_core.targets import COLUMN, TARGETS


def normal_in_u(centre: float, sigma: float, n: int = 40_000) -> np.ndarray:
    """Samples of a normal in u = Phi(z), cut at the prior's edges."""
    u = np.random.default_rng(0).normal(centre, sigma, 4 * n)
    return u[(u > 0) & (u < 1)][:n]


def status_in_u(u: np.ndarray) -> tuple[Status, float | None]:
    return status_of(ndtri(u), u)


def posterior_with(column: int, u: np.ndarray) -> PosteriorSamples:
    z = 0.05 * np.random.default_rng(4).standard_normal((u.size, N_TARGETS))
    z[:, column] = ndtri(u)
    mode = np.median(z, 0)
    return PosteriorSamples(from_z(z), z, -((z - mode) ** 2).sum(1), mode, 0.0, 0)


def narrow_posterior(n: int = 4000) -> PosteriorSamples:
    rng = np.random.default_rng(0)
    z = 0.1 * rng.standard_normal((n, N_TARGETS))
    return PosteriorSamples(from_z(z), z, -0.5 * (z**2).sum(1) / 0.01, np.zeros(N_TARGETS), 0.0, 0)


def test_a_narrow_posterior_inside_the_prior_is_a_measurement():
    assert status_in_u(normal_in_u(0.5, 0.02)) == (Status.MEASURED, None)


def test_a_posterior_equal_to_the_prior_is_unconstrained():
    u = np.random.default_rng(1).uniform(size=4096)
    assert status_in_u(u) == (Status.UNCONSTRAINED, None)


def test_density_at_the_lower_edge_makes_an_upper_limit_at_its_95_percent_quantile():
    u = normal_in_u(0.0, 0.1)
    status, limit = status_in_u(u)
    assert status is Status.LIMIT
    assert limit == pytest.approx(np.quantile(u, 0.95))


def test_density_at_the_upper_edge_makes_a_lower_limit_at_its_5_percent_quantile():
    u = normal_in_u(1.0, 0.1)
    status, limit = status_in_u(u)
    assert status is Status.LIMIT
    assert limit == pytest.approx(np.quantile(u, 0.05))


@pytest.mark.parametrize(("centre", "expected"), [(0.20, Status.LIMIT), (0.30, Status.MEASURED)])
def test_a_limit_begins_two_sigma_from_the_edge(centre, expected):
    """A normal of sigma 0.1 has exp(-2) = 0.135 of its height 0.2 away; the first twentieth's mean is above 0.14 there."""
    assert np.isclose(EDGE_SHARE, np.exp(-2), atol=0.005)
    assert status_in_u(normal_in_u(centre, 0.1))[0] is expected


def test_information_of_a_posterior_confined_to_a_tenth_of_the_prior_is_ln_10():
    u = np.random.default_rng(2).uniform(0.4, 0.5, 20_000)
    assert information(density_in_prior(ndtri(u))) == pytest.approx(np.log(10), rel=1e-2)


def test_weights_of_zero_are_as_good_as_absent_samples():
    u = np.concatenate([normal_in_u(0.0, 0.1), np.random.default_rng(3).uniform(0.5, 1, 5000)])
    weights = np.where(np.arange(u.size) < u.size - 5000, 1.0, 0.0)
    status, limit = status_of(ndtri(u), u, weights)
    assert status is Status.LIMIT
    assert limit == pytest.approx(np.quantile(u[:-5000], 0.95), rel=1e-3)


def test_undetected_lithium_is_an_upper_limit_in_the_summary():
    posterior = posterior_with(COLUMN["li_fe"], normal_in_u(0.0, 0.15, 4000))
    lithium = summarise(posterior).targets["li_fe"]
    assert lithium.status is Status.LIMIT
    assert lithium.limit_sign == "<"
    assert lithium.limit95 == pytest.approx(np.quantile(posterior.labels[:, COLUMN["li_fe"]], 0.95))
    assert summarise(posterior).targets["mg_fe"].limit_sign == ""


def test_derived_abundances_follow_from_the_targets_on_the_solar_scale():
    posterior = posterior_with(COLUMN["mg_fe"], normal_in_u(0.5, 0.1, 2000))
    summary = summarise(posterior)
    columns = posterior.labels.T
    mg_h = columns[COLUMN["mg_fe"]] + columns[COLUMN["feh"]]
    assert summary.derived["mg_h"].mean == pytest.approx(mg_h.mean())
    assert summary.derived["a_mg"].mean == pytest.approx(mg_h.mean() + 7.55)
    alpha = [columns[COLUMN[name]] for name in ("mg_fe", "si_fe", "ca_fe", "ti_fe")]
    assert summary.derived["alpha_fe"].median == pytest.approx(np.median(np.mean(alpha, 0)))
    assert "Magg" in summary.derived["a_li"].scale


def test_correlations_are_numpys_and_symmetric():
    posterior = posterior_with(COLUMN["ti_fe"], normal_in_u(0.5, 0.1, 2000))
    found = np.array(summarise(posterior).correlations)
    np.testing.assert_allclose(found, np.corrcoef(posterior.labels.T), atol=1e-12)


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
        posterior.labels[kept], posterior.z[kept], posterior.log_prob[kept], posterior.map_z, 0.0, 0
    )
    expected = summarise(alone)
    for target in TARGETS:
        found, wanted = weighted.targets[target.name], expected.targets[target.name]
        for key in ("mean", "median", "lo68", "hi68", "lo95", "hi95", "map_paper"):
            assert abs(getattr(found, key) - getattr(wanted, key)) < 1e-9 * max(1, abs(getattr(wanted, key))), key
    assert weighted.targets["teff"].map > np.median(posterior.labels[:, 0])
