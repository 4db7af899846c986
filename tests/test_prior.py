"""The prior's stated densities, cuts and coordinates, each checked against something that does not use it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from cinn_core import prior
from cinn_core.targets import (
    A_LI_HIGH,
    A_LI_LOW,
    COLUMN,
    LABEL_NAMES,
    NUISANCE_BOUNDS,
    TARGET_NAMES,
    TARGETS,
    a_li,
    effective_metallicity,
)

SOLAR_A_C, SOLAR_A_O = 8.46, 8.69


@pytest.fixture(scope="module")
def stars():
    return prior.draw(20_000, np.random.default_rng(11))


@pytest.fixture(scope="module")
def uncut():
    """Draws before the cut at effective [M/H] 0.5, whose coordinates are exactly normal."""
    return prior.from_z(np.random.default_rng(12).standard_normal((20_000, prior.N_LABELS)))


def column(labels, name):
    return labels[:, COLUMN[name]]


def follows(sample, cdf) -> bool:
    """Whether a sample agrees with a distribution (Kolmogorov-Smirnov, p > 0.1 %)."""
    return stats.kstest(sample, cdf).pvalue > 1e-3


def cdf_of(density, low, high):
    """Normalised CDF of an unnormalised density, by the trapezium rule on a fine grid."""
    x = np.linspace(low, high, 20_001)
    total = np.concatenate([[0], np.cumsum(0.5 * (density(x)[1:] + density(x)[:-1]) * np.diff(x))])
    return lambda value: np.interp(value, x, total / total[-1])


def test_coordinates_of_labels_are_the_coordinates_they_came_from():
    z = np.random.default_rng(1).standard_normal((2000, prior.N_LABELS))
    np.testing.assert_allclose(prior.to_z(prior.from_z(z)), z, atol=1e-9, rtol=0)


def test_targets_alone_have_the_same_coordinates_as_within_all_labels(stars):
    n = len(TARGETS)
    np.testing.assert_array_equal(prior.to_z(stars[:500, :n]), prior.to_z(stars[:500])[:, :n])
    z = prior.to_z(stars[:500])
    np.testing.assert_allclose(prior.from_z(z[:, :n]), stars[:500, :n], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(LABEL_NAMES) - {"feh", "mg_fe", "si_fe"}))
def test_coordinates_of_draws_are_standard_normal(stars, name):
    # the cut at effective [M/H] bends only the three labels it depends on
    assert follows(column(prior.to_z(stars), name), stats.norm.cdf)


def test_coordinates_of_draws_are_uncorrelated_but_for_the_metallicity_cut(stars):
    free = [i for i, name in enumerate(LABEL_NAMES) if name not in ("feh", "mg_fe", "si_fe")]
    correlation = np.corrcoef(prior.to_z(stars)[:, free].T) - np.eye(len(free))
    assert np.abs(correlation).max() < 5 / np.sqrt(len(stars))


def test_log_g_is_62_percent_dwarfs_and_38_percent_giants(uncut):
    def density(x):
        return 0.62 * ((x >= 3.3) & (x <= 5.0)) / 1.7 + 0.38 * ((x >= 0.3) & (x <= 3.6)) / 3.3

    assert follows(column(uncut, "logg"), cdf_of(density, 0.0, 5.2))


def test_metallicity_has_the_stated_shares(uncut):
    feh = column(uncut, "feh")
    edges, shares = [-4.0, -2.5, -1.2, 0.5], [0.10, 0.24, 0.66]
    found = np.histogram(feh, edges)[0] / feh.size
    assert found == pytest.approx(shares, abs=0.015)
    assert found.sum() == 1.0


def test_teff_is_uniform_between_its_edges_at_each_log_g(stars):
    cool, hot = prior.teff_bounds(column(stars, "logg"))
    teff = column(stars, "teff")
    assert np.all((teff >= cool) & (teff <= hot))
    assert follows((teff - cool) / (hot - cool), "uniform")


@pytest.mark.parametrize(
    ("logg", "cool", "hot"),
    [(0.0, 3950, 5000), (3.0, 4200, 6000), (4.0, 4085.714, 7200), (4.44, 4000, 6960), (5.0, 4000, 6400)],
)
def test_teff_edges_are_the_tabulated_ones(logg, cool, hot):
    assert [float(edge) for edge in prior.teff_bounds(np.array(logg))] == pytest.approx([cool, hot], abs=1e-3)


@pytest.mark.parametrize("beyond", [-1.0, 1.0])
def test_a_star_beyond_a_teff_edge_has_no_density(beyond):
    star = prior.from_z(np.zeros((1, prior.N_LABELS)))
    cool, hot = prior.teff_bounds(column(star, "logg"))
    star[:, COLUMN["teff"]] = cool - 1 if beyond < 0 else hot + 1
    assert prior.log_prob(star) == -np.inf
    assert not prior.inside(star)[0]


def test_broadening_is_half_uniform_and_half_log_uniform(uncut):
    def density(x):
        return 0.5 / 99 + 0.5 * (x <= 30) / (x * np.log(30))

    assert follows(column(uncut, "vbroad"), cdf_of(density, 1.0, 100.0))


def test_lithium_abundance_is_uniform_whatever_the_metallicity(uncut):
    lithium = a_li(column(uncut, "li_fe"), column(uncut, "feh"))
    assert follows((lithium - A_LI_LOW) / (A_LI_HIGH - A_LI_LOW), "uniform")
    assert abs(stats.spearmanr(lithium, column(uncut, "feh")).statistic) < 5 / np.sqrt(lithium.size)


def test_carbon_falls_linearly_where_the_cut_in_c_over_o_bites(uncut):
    assert follows(column(uncut, "c_fe"), cdf_of(lambda c: np.minimum(1.0, (0.98 - c) / 1.1), -0.7, 0.6))


def test_no_star_is_a_carbon_star(stars):
    log_c_to_o = SOLAR_A_C + column(stars, "c_fe") - SOLAR_A_O - column(stars, "o_fe")
    assert log_c_to_o.max() < -0.05 + 1e-12


def test_carbon_and_oxygen_are_uniform_stars_redrawn_below_the_cut(uncut):
    rng = np.random.default_rng(13)
    carbon, oxygen = rng.uniform(-0.7, 0.6, 60_000), rng.uniform(-0.3, 0.8, 60_000)
    kept = SOLAR_A_C + carbon - SOLAR_A_O - oxygen < -0.05
    for name, drawn in (("c_fe", carbon[kept]), ("o_fe", oxygen[kept])):
        assert stats.ks_2samp(column(uncut, name), drawn).pvalue > 1e-3


def test_no_star_exceeds_the_metallicity_of_the_atmospheres(stars, uncut):
    assert effective_metallicity(stars).max() <= 0.5
    rejected = effective_metallicity(uncut) > 0.5
    assert 0.02 < rejected.mean() < 0.12
    assert np.all(prior.log_prob(uncut[rejected]) == -np.inf)
    assert np.all(np.isfinite(prior.log_prob(uncut[~rejected])))


def test_accepted_share_is_what_draws_show(uncut):
    accepted = np.mean(effective_metallicity(uncut) <= 0.5)
    assert np.exp(prior.LOG_ACCEPTED) == pytest.approx(accepted, abs=5 * np.sqrt(0.06 * 0.94 / len(uncut)))


@pytest.mark.parametrize("n_labels", [len(TARGETS), len(LABEL_NAMES)])
def test_density_integrates_to_one(n_labels):
    """Importance estimate from proposals uniform in the box, log-uniform in vbroad: nothing of the prior's own code."""
    rng = np.random.default_rng(14)
    n = 400_000
    boxes = {t.name: (t.low, t.high) for t in TARGETS} | NUISANCE_BOUNDS
    boxes |= {"structure": (-0.5, 1.6), "second_shape": (-4.5, 4.5), "iron_strength": (-0.1, 4.0)}
    labels, log_volume = np.empty((n, n_labels)), np.zeros(n)
    for i, name in enumerate(LABEL_NAMES[:n_labels]):
        low, high = boxes[name]
        if name == "vbroad":
            labels[:, i] = np.exp(rng.uniform(np.log(low), np.log(high), n))
            log_volume += np.log(labels[:, i] * np.log(high / low))
        else:
            labels[:, i] = rng.uniform(low, high, n)
            log_volume += np.log(high - low)
    weights = np.exp(prior.log_prob(labels) + log_volume)
    error = weights.std() / np.sqrt(n)
    assert error < 0.02
    assert weights.mean() == pytest.approx(1.0, abs=4 * error)


def test_every_target_bound_holds_the_draws(stars):
    for target in TARGETS:
        values = column(stars, target.name)
        assert target.low <= values.min() < values.max() <= target.high


def test_jacobian_is_that_of_finite_differences():
    z = np.random.default_rng(15).uniform(-1.5, 1.5, (12, len(TARGETS)))
    labels = prior.from_z(z)
    steps = np.array([1e-2, 1e-5, 1e-5, 1e-5, 1e-4] + [1e-5] * 8)
    columns = []
    for i, step in enumerate(steps):
        shift = np.zeros(len(TARGETS))
        shift[i] = step
        columns.append((prior.to_z(labels + shift) - prior.to_z(labels - shift)) / (2 * step))
    _, log_determinant = np.linalg.slogdet(np.stack(columns, -1))
    np.testing.assert_allclose(prior.log_dz_dlabel(labels), log_determinant, atol=2e-4)


def test_density_in_labels_is_the_normal_density_in_coordinates(stars):
    labels = stars[:2000]
    normal = stats.norm.logpdf(prior.to_z(labels)).sum(1)
    np.testing.assert_allclose(
        prior.log_prob(labels), normal + prior.log_dz_dlabel(labels) - prior.LOG_ACCEPTED, atol=1e-6
    )


def test_same_generator_draws_the_same_stars():
    first, second = (prior.draw(50, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_coordinates_stay_finite_far_out():
    labels = prior.from_z(np.full((1, prior.N_LABELS), 40.0))
    assert np.all(np.isfinite(labels))
    assert labels[0, COLUMN["vbroad"]] <= 100.0
    assert ndtri(1 - 1e-12) < 40.0


def test_targets_come_first_and_in_the_fixed_order():
    assert LABEL_NAMES[:13] == TARGET_NAMES
    assert TARGET_NAMES == (
        "teff", "logg", "feh", "vmic", "vbroad", "ca_fe", "c_fe", "mg_fe", "mn_fe", "n_fe", "si_fe", "ti_fe", "li_fe",
    )  # fmt: skip
