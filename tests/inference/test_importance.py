"""Weights against cases whose answer is known: tails of known shape, an exact proposal, a likelihood at the truth."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import genpareto, multivariate_normal

from cinn_core.inference.distance import distance_statistics, load_distance, save_distance
from cinn_core.inference.importance import _StudentT, draw_between, nuisance_proposal, weigh
from cinn_core.inference.infer import infer, log_snr_input
from cinn_core.inference.likelihood import make_likelihood
from cinn_core.inference.network import Observation
from cinn_core.inference.projection import mask_projection
from cinn_core.inference.weighted import pareto_k
from cinn_core.instrument import ARMS, N_COVERAGE, N_PIXELS, pixel_sigma
from cinn_core.preparation.continuum import fit_continuum
from cinn_core.prior import N_TARGETS, draw, from_z, to_z
from cinn_core.stages import Reliability


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_shape_of_a_known_tail_is_recovered(shape):
    weights = genpareto.rvs(shape, size=20_000, random_state=np.random.default_rng(0))
    assert pareto_k(np.log(weights)) == pytest.approx(shape, abs=0.15)  # some 400 weights in the tail


def test_equal_weights_have_no_tail():
    assert np.isnan(pareto_k(np.zeros(1000)))


def test_density_of_the_student_proposal_integrates_to_one():
    """Importance estimate of the mass of a normal of the same covariance under it, in 13 dimensions."""
    rng = np.random.default_rng(1)
    root = np.eye(N_TARGETS) + 0.1 * np.tril(rng.standard_normal((N_TARGETS, N_TARGETS)))
    student = _StudentT(np.zeros(N_TARGETS), root)
    z = student.draw(200_000, rng)
    log_normal = multivariate_normal(np.zeros(N_TARGETS), root @ root.T).logpdf(z)
    assert np.exp(log_normal - student.log_prob(z)).mean() == pytest.approx(1, abs=0.02)


def test_draws_between_nodes_follow_the_density_that_is_told():
    """A bent log density on uneven heights: histogram against the told density, and its integral by quadrature."""
    nodes = np.linspace(-2.0, 3.0, 9)
    level = np.array([-40.0, -3.0, 0.0, 1.0, 1.0, -2.0, -1.0, -600.0, -5.0]) + 700.0
    draws = 200_000
    uniform = np.random.default_rng(3).random((2, draws))
    cell, share, density = draw_between(nodes, np.broadcast_to(level, (draws, 9)), uniform)
    x = nodes[cell] + share * np.diff(nodes)[cell]
    fine = np.linspace(-2, 3, 400_001)
    height = np.exp(np.interp(fine, nodes, level - 701.0))
    total = np.trapezoid(height, fine)
    np.testing.assert_allclose(np.exp(density), np.exp(np.interp(x, nodes, level - 701.0)) / total, rtol=1e-5)
    counts, edges = np.histogram(x, 40, (-2, 3))
    within = np.array([height[(fine >= lo) & (fine < hi)].sum() for lo, hi in pairwise(edges)])
    expected = draws * within / height.sum()
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected.max())


def test_nuisances_are_drawn_as_their_own_likelihood_has_them(model):
    """At fixed targets the weights of the draws against prior x likelihood vary little; a normal proposal's vary more."""
    labels = draw(1, np.random.default_rng(9))
    seen, masked = seen_star(model, labels, 100, 9)
    z = to_z(labels)[:, :N_TARGETS]
    likelihood = make_likelihood(seen, masked, model, z[0])
    proposal = nuisance_proposal(likelihood, z[0])
    many = np.repeat(z, 300, 0)
    drawn, log_prob = proposal.draw(many, np.random.default_rng(4))

    def target(n):
        full = np.concatenate([many, n], 1)
        return likelihood.log_likelihood(full) - 0.5 * (n**2).sum(1)

    scatter = (target(drawn) - log_prob).std()
    normal = multivariate_normal(drawn.mean(0), np.cov(drawn.T))
    others = normal.rvs(300, random_state=np.random.default_rng(5))
    assert scatter < 1.0
    assert scatter < 0.7 * (target(others) - normal.logpdf(others)).std()


def seen_star(model, labels, snr, seed, realism=0.0):
    masked = mask_projection(model.projection, np.ones(N_PIXELS, bool))
    flux = model.forward.flux(labels) + np.random.default_rng(seed).standard_normal(N_PIXELS) * pixel_sigma(snr)
    pieces = (
        masked.coefficients(model.projection, flux),
        log_snr_input(np.full((1, len(ARMS)), snr)),
        np.ones((1, N_COVERAGE)),
        np.full(1, realism),
    )
    return Observation(*(torch.as_tensor(piece, dtype=torch.float32) for piece in pieces)), masked


def test_chi2_at_the_truth_is_the_number_of_coefficients(model):
    """Noise alone separates the star from its model; the fitted continuum adds little at S/N 50."""
    labels = draw(3, np.random.default_rng(2))
    for i in range(3):
        seen, masked = seen_star(model, labels[i : i + 1], 50, i)
        z = to_z(labels[i : i + 1])
        likelihood = make_likelihood(seen, masked, model, z[0, :N_TARGETS])
        n = likelihood.data.size
        assert n == model.projection.n_components
        assert abs(-2 * likelihood.log_likelihood(z)[0] - n) < 5 * np.sqrt(2 * n)


def test_realism_makes_the_likelihood_more_forgiving(model):
    labels = draw(1, np.random.default_rng(3))
    z = to_z(labels)
    wrong = z.copy()
    wrong[0, 0] += 0.3
    drops = []
    for realism in (0.0, 1.0):
        seen, masked = seen_star(model, labels, 200, 4, realism)
        likelihood = make_likelihood(seen, masked, model, z[0, :N_TARGETS])
        drops.append(likelihood.log_likelihood(z)[0] - likelihood.log_likelihood(wrong)[0])
    assert 0 < drops[1] < drops[0]


def test_whitened_derivatives_equal_finite_differences(model):
    labels = draw(1, np.random.default_rng(5))
    z = to_z(labels)
    seen, masked = seen_star(model, labels, 50, 6)
    likelihood = make_likelihood(seen, masked, model, z[0, :N_TARGETS])
    slopes, step = likelihood.jacobian(z[0]), 0.02
    for column in (0, 2, 7, 20):
        moved = np.repeat(z, 2, 0)
        moved[:, column] += (step, -step)
        up, down = likelihood.residuals(moved)
        found = (down - up) / (2 * step)
        assert np.linalg.norm(found - slopes[:, column]) < 0.02 * np.linalg.norm(slopes[:, column]) + 0.05


def test_the_continuum_follows_the_labels_of_each_model(model):
    """Against models through continuum fits of their own, at S/N 250 where an ill-followed continuum counts most."""
    labels = draw(3, np.random.default_rng(12))[2:]
    seen, masked = seen_star(model, labels, 250, 10)
    centre = to_z(labels)
    likelihood = make_likelihood(seen, masked, model, centre[0, :N_TARGETS])
    slopes = likelihood.jacobian(centre[0])
    root = np.linalg.cholesky(np.linalg.inv(slopes.T @ slopes + np.eye(slopes.shape[1])))
    z = centre + np.random.default_rng(11).standard_normal((60, len(root))) @ root.T
    flux = model.forward.flux(from_z(z))
    at_centre = model.forward.flux(from_z(likelihood.centre[None]))
    fitted = fit_continuum(np.concatenate([at_centre, flux]), np.ones((61, N_PIXELS), bool), model.templates.flux)
    refitted = likelihood.data - (flux * fitted[0] / fitted[1:]) @ likelihood.operator
    held = replace(likelihood, drift=np.zeros_like(likelihood.drift)).log_likelihood(z)
    exact = -0.5 * (refitted**2).sum(1)
    assert (exact - likelihood.log_likelihood(z)).std() < 0.7 * (exact - held).std()


def test_weights_move_a_wrong_posterior_to_the_truth_and_say_how_well(model):
    """The flow's samples shifted by half a sigma: the weighted mean is nearer the plain one of the right samples."""
    labels = draw(1, np.random.default_rng(7))
    seen, masked = seen_star(model, labels, 50, 8)
    posterior = infer(seen, model, 512, 0)
    found = weigh(seen, masked, posterior, model, seed=1)
    again = weigh(seen, masked, posterior, model, seed=1)
    np.testing.assert_array_equal(found.log_weights, again.log_weights)
    assert len(found.log_weights) <= 512 * (1 + found.rounds)
    assert 0 < found.efficiency <= 1
    assert found.effective_samples == pytest.approx(found.efficiency * len(found.z))
    assert found.failed == (not (found.pareto_k <= 0.7 and found.efficiency >= 0.01))
    spread = posterior.z.std(0)
    centre = np.average(found.z, axis=0, weights=np.exp(found.log_weights - found.log_weights.max()))
    assert np.abs((centre - posterior.z.mean(0)) / spread).max() < 3


def test_one_percent_of_validation_stars_lie_beyond_the_distance():
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(8, 8, generator=generator)
    training, validation = (torch.randn(n, 8, generator=generator) @ mix + 3 for n in (5000, 4000))
    found = distance_statistics(training, validation)
    distance = found.distance(validation)
    assert float((distance > found.threshold).float().mean()) == pytest.approx(0.01, abs=0.001)
    assert float(distance.pow(2).mean().sqrt()) == pytest.approx(1, abs=0.03)
    assert (found.distance(training + 10 * mix[0]) > found.threshold).all()


def test_distance_of_another_network_is_not_used(tmp_path):
    generator = torch.Generator().manual_seed(1)
    found = distance_statistics(torch.randn(100, 4, generator=generator), torch.randn(100, 4, generator=generator))
    network = tmp_path / "mine.safetensors"
    assert load_distance(network, "a") is None
    save_distance(found, network, "a")
    assert load_distance(network, "b") is None
    read = load_distance(network, "a")
    assert read is not None
    assert read.threshold == found.threshold
    torch.testing.assert_close(read.whitening, found.whitening)


def test_a_star_is_far_only_where_a_threshold_says_so():
    assert Reliability(0.0, 2.0, 1.5, 1.0, {}).is_far
    assert not Reliability(0.0, 1.0, 1.5, 1.0, {}).is_far
    assert not Reliability(0.0, None, None, 1.0, {}).is_far
