"""Spline couplings: the inverse and the Jacobian they claim, and the transform of a library of flows as reference."""

import math
from dataclasses import replace

import pytest
import torch
from test_network import SMALL
from zuko.transforms import MonotonicRQSTransform

from cinn_core.inference.network import N_TARGETS, Coupling, Network
from cinn_core.inference.sampler import Sampler
from cinn_core.inference.spline import BINS, BOUND, knots, rational_quadratic


def random_raw(n: int, size: float, seed: int = 0) -> torch.Tensor:
    return size * torch.randn(n, 3 * BINS - 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spline_network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    architecture = replace(SMALL, coupling=Coupling.SPLINE)
    network = Network(architecture, torch.ones(SMALL.n_components)).eval().requires_grad_(False)
    for parameter in network.flow.parameters():  # away from the identity it starts as
        if parameter.is_floating_point():
            parameter += 0.05 * torch.randn_like(parameter)
    return network


def points(n: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(n, N_TARGETS, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_spline_agrees_with_zukos() -> None:
    raw, x = random_raw(400, 1.5), torch.linspace(-7, 7, 400, dtype=torch.float64)
    knots_x, knots_y, slopes = knots(raw)
    least = 1e-12  # zuko squeezes what it is given by this; undone here, so that its knots are ours
    widths, heights = (
        _unsqueezed(torch.log(ends.diff() / ends.diff().mean()), least, 2) for ends in (knots_x, knots_y)
    )
    theirs = MonotonicRQSTransform(widths, heights, _unsqueezed(slopes[:, 1:-1].log(), least, 1), BOUND, least)
    for found, expected in zip(rational_quadratic(x, raw), theirs.call_and_ladj(x), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(rational_quadratic(x, raw, inverse=True)[0], theirs.inv(x), atol=1e-9, rtol=0)


def _unsqueezed(squeezed: torch.Tensor, least: float, times: int) -> torch.Tensor:
    return squeezed / (1 - times * squeezed.abs() / abs(math.log(least)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_spline_inverts_itself_with_opposite_slope(dtype: torch.dtype, tolerance: float) -> None:
    raw = random_raw(3000, 2.0, 1).to(dtype)
    x = torch.linspace(-6, 6, 3000, dtype=dtype)
    y, forward = rational_quadratic(x, raw)
    back, backward = rational_quadratic(y, raw, inverse=True)
    torch.testing.assert_close(rational_quadratic(back, raw)[0], y, atol=tolerance, rtol=0)
    if dtype is torch.float64:
        torch.testing.assert_close(back, x, atol=1e-7, rtol=0)
        torch.testing.assert_close(backward, -forward, atol=1e-5, rtol=0)


def test_slope_of_the_spline_is_its_derivative() -> None:
    raw = random_raw(200, 1.5, 2)
    x = torch.linspace(-5.5, 5.5, 200, dtype=torch.float64, requires_grad=True)
    y, log_slope = rational_quadratic(x, raw)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope, atol=1e-8, rtol=1e-8)


def test_spline_flow_inverse_recovers_labels_in_double_and_single_precision() -> None:
    network, c = spline_network(), torch.randn(50, SMALL.condition, generator=torch.Generator().manual_seed(1))
    z = points(50, 2, torch.float32)
    latent, _ = network.flow(z, c=[c])
    torch.testing.assert_close(network.sample(latent, c)[0], z, atol=2e-3, rtol=0)
    network, c, z = network.double(), c.double(), z.double()
    latent, _ = network.flow(z, c=[c])
    torch.testing.assert_close(network.sample(latent, c)[0], z, atol=1e-7, rtol=0)


def test_log_density_of_the_spline_flow_matches_autograd() -> None:
    network = spline_network().double()
    c, z = torch.randn(1, SMALL.condition, generator=torch.Generator().manual_seed(3)).double(), points(1, 4)
    jacobian = torch.autograd.functional.jacobian(lambda x: network.flow(x[None], c=[c])[0][0], z[0])
    _, log_jacobian = network.flow(z, c=[c])
    torch.testing.assert_close(log_jacobian[0], torch.linalg.slogdet(jacobian)[1], atol=1e-7, rtol=0)
    sampled, log_density = network.sample(points(1, 5), c)
    torch.testing.assert_close(log_density, network.log_density(sampled, c), atol=1e-6, rtol=0)


def test_untrained_spline_flow_returns_the_prior() -> None:
    network = Network(replace(SMALL, coupling=Coupling.SPLINE), torch.ones(SMALL.n_components)).eval()
    latent = points(100, 6, torch.float32)
    with torch.no_grad():
        z, _ = network.sample(latent, torch.zeros(100, SMALL.condition))
    torch.testing.assert_close(z.sort(1).values, latent.sort(1).values, atol=1e-5, rtol=0)


def test_a_card_names_the_coupling_and_gives_the_same_network_back() -> None:
    architecture = replace(SMALL, coupling=Coupling.SPLINE)
    assert type(architecture)(**architecture.to_card()) == architecture
    with pytest.raises(ValueError, match="cubic"):
        replace(SMALL, coupling="cubic")


def test_sampler_draws_from_a_spline_flow_by_freias_reverse_pass() -> None:
    network, latent = spline_network(), points(64, 7, torch.float32)
    c = torch.randn(2, SMALL.condition, generator=torch.Generator().manual_seed(8))
    z, log_density = Sampler(network).sample(latent, c)
    with torch.no_grad():
        expected, density = network.sample(latent, c[1:].expand(64, -1))
    torch.testing.assert_close(z[1], expected)
    torch.testing.assert_close(log_density[1], density)
