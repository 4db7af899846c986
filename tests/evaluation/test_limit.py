"""The information limit and the figures made of answers, where both are known in closed form."""

import numpy as np
import pytest
from made_up_evaluation import made_up_evaluation

from cinn_core.evaluation.held_out import lithium_equivalent_width
from cinn_core.evaluation.limit import clipped_z, information, posterior_covariance, van_trees
from cinn_core.evaluation.network import further_nrmse, limit_widths, network_figures, target_numbers, uncertainties
from cinn_core.inference.point_estimates import shortest_intervals, sobol_latents
from cinn_core.instrument import pixel_sigma
from cinn_core.prior import N_LABELS, N_TARGETS, draw, from_z
from cinn_core.targets import COLUMN, TARGET_NAMES, TARGETS


def test_without_information_the_limit_is_the_prior():
    fisher = np.zeros((1, N_LABELS, N_LABELS))
    np.testing.assert_allclose(posterior_covariance(fisher, 100)[0], np.eye(N_TARGETS))
    widths = dict(zip(TARGET_NAMES, limit_widths(np.zeros((1, N_LABELS)), fisher, 100, 0)[0], strict=True))
    vmic = TARGETS[COLUMN["vmic"]]  # uniform: its shortest 68 % is 68 % of its range
    assert widths["vmic"] == pytest.approx(0.68 * (vmic.high - vmic.low), rel=0.02)


def test_information_grows_with_the_square_of_the_snr():
    fisher = np.eye(N_LABELS)[None]
    for snr in (10, 100):
        sigma = float(pixel_sigma(snr))
        np.testing.assert_allclose(posterior_covariance(fisher, snr)[0], np.eye(N_TARGETS) / (1 + sigma**-2))


def test_bound_of_van_trees_is_that_of_the_mean_information():
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((5, N_LABELS, N_LABELS)) / 100
    fisher = roots @ roots.transpose(0, 2, 1)
    sigma = float(pixel_sigma(50))
    expected = np.linalg.inv(fisher.mean(0) / sigma**2 + np.eye(N_LABELS))
    np.testing.assert_allclose(van_trees(fisher, 50), np.sqrt(np.diag(expected)[:N_TARGETS]))
    assert (van_trees(fisher, 50) < 1).all()


def test_linear_estimate_reaches_the_limit_and_none_of_the_compression_exceeds_it(model):
    """A Gauss-Newton step from the truth of noisy emulated spectra scatters as (F + I)^-1 says."""
    rng = np.random.default_rng(1)
    labels = draw(2, rng)
    found = information(model.forward, model.projection, labels)
    np.testing.assert_allclose(found.z, clipped_z(labels))
    gained = np.linalg.eigvalsh(found.pixels - found.compressed)
    assert gained.min() > -1e-3 * np.abs(found.pixels).max()
    sigma, n = float(pixel_sigma(100)), 4000
    fisher = found.pixels[0] / sigma**2
    covariance = np.linalg.inv(fisher + np.eye(N_LABELS))
    truth = rng.standard_normal((n, N_LABELS))
    values, vectors = np.linalg.eigh(fisher)  # singular: of the physics this model knows nothing
    score = rng.standard_normal((n, N_LABELS)) @ (vectors * np.sqrt(values.clip(min=0))).T
    estimate = (truth @ fisher + score) @ covariance
    rms = np.sqrt(np.mean((estimate - truth) ** 2, 0))[:N_TARGETS]
    limit = np.sqrt(np.diag(posterior_covariance(found.pixels, 100)[0]))
    np.testing.assert_allclose(rms, limit, rtol=0.05)  # 4000 draws: 1 % each, 13 of them


def test_error_of_the_emulator_costs_nothing_in_noise_and_much_without(model):
    found = information(model.forward, model.projection, draw(3, np.random.default_rng(4)))
    trace = np.trace(found.compressed, axis1=1, axis2=2)
    kept = [np.trace(found.within_reach(snr), axis1=1, axis2=2) / trace for snr in (5, 100, 1000)]
    assert (kept[0] > 0.98).all()
    assert (kept[2] < kept[1]).all()
    assert (kept[1] < kept[0]).all()
    sigma = float(pixel_sigma(100))
    inverse = np.linalg.inv(sigma**2 * np.eye(found.error_products.shape[1]) + found.error_products[0])
    expected = found.compressed[0] - found.error_slopes[0].T @ inverse @ found.error_slopes[0]
    np.testing.assert_allclose(found.within_reach(100)[0], expected, rtol=1e-6, atol=1e-6 * trace[0])


def test_intervals_sought_on_smoothed_widths_hold_their_mass():
    """Of Sobol normals, 68 % and 95 % within half a point; the plain shortest interval of 512 holds 66.6 %."""
    from scipy.stats import norm

    held = []
    for seed in range(20):
        ordered = np.sort(sobol_latents(512, seed).numpy().astype(float) @ _rotation(seed), 0)
        held.append([np.diff(norm.cdf(shortest_intervals(ordered, mass)))[:, 0].mean() for mass in (0.68, 0.95)])
    assert np.abs(np.mean(held, 0) - (0.68, 0.95)).max() < 0.007


def _rotation(seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((N_TARGETS, N_TARGETS)))[0]


def test_figures_recover_scatter_bias_and_coverage_that_were_put_in():
    found = made_up_evaluation()
    document = network_figures(found)
    feh = found.labels[:, 0, COLUMN["feh"]]
    assert (document["n"], document["n_all"]) == ((feh > -2.5).sum(), 400)
    for table in ("snr", "snr_all"):
        numbers = document[table]["100"]
        assert tuple(numbers) == TARGET_NAMES
        for target in TARGETS:
            sigma = 0.01 * (target.high - target.low)
            row = numbers[target.name]
            assert set(row) == {
                "sigma", "bias", "nrmse", "sigma_median", "nrmse_median", "width68", "limit68", "coverage68", "coverage95",
            }  # fmt: skip
            assert row["sigma"] == pytest.approx(sigma, rel=0.1)
            assert row["bias"] == pytest.approx(0.1 if target.name == "feh" else 0, abs=0.15 * sigma)
            assert row["nrmse_median"] == 0
            assert row["width68"] == pytest.approx(1.989 * sigma)
            assert row["limit68"] == pytest.approx(sigma)
            assert row["coverage68"] == pytest.approx(0.68, abs=0.08)  # 400 stars: 2.3 points each
            assert row["coverage95"] == pytest.approx(0.95, abs=0.04)
    further = further_nrmse(found, 100, found.rich)
    for name in TARGET_NAMES:
        assert further[name]["nrmse_map_paper"] == pytest.approx(document["snr"]["100"][name]["nrmse"])
        assert further[name]["nrmse_mean"] == 0


def test_bootstrap_over_stars_gives_the_error_of_a_standard_deviation():
    found = made_up_evaluation()
    spread = uncertainties(found)["snr_all"]["100"]
    for target in TARGETS:
        sigma = 0.01 * (target.high - target.low)
        assert spread[target.name]["sigma"] == pytest.approx(sigma / np.sqrt(2 * 1200), rel=0.35)


def test_a_list_of_one_star_repeated_has_that_stars_numbers():
    found = made_up_evaluation(50)
    numbers = target_numbers(found, 100, np.full((1, 10), 3), np.full((1, 10), 3))
    error = found.answers[100].map.reshape(50, 3, -1)[3] - found.labels[3, :, :N_TARGETS]
    np.testing.assert_allclose(numbers["bias"][0], error.mean(0))
    np.testing.assert_allclose(numbers["sigma"][0], error.std(0))


def test_lithium_line_grows_with_its_abundance_and_vanishes_without_it(model):
    labels = from_z(np.zeros((3, N_LABELS)))
    labels[:, COLUMN["feh"]] = 0.0
    labels[:, COLUMN["li_fe"]] = np.array([-1.0, 2.0, 3.2]) - 1.05
    widths = lithium_equivalent_width(model.forward, labels)
    assert abs(widths[0]) < 0.5
    assert 10 < widths[1] < widths[2] < 400
