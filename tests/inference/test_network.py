"""The flow: invertible, with the density it claims."""

import numpy as np
import torch

from cinn_core.inference.infer import refine_modes
from cinn_core.inference.network import N_TARGETS, Architecture, Network

SMALL = Architecture(
    n_components=8, embedding_width=32, embedding_layers=1, condition=16, couplings=6, coupling_width=32
)


def random_network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = Network(SMALL, torch.ones(SMALL.n_components)).double().eval().requires_grad_(False)
    for parameter in network.flow.parameters():  # away from the identity it starts as
        if parameter.is_floating_point():  # permutations are stored as integers
            parameter += 0.1 * torch.randn_like(parameter)
    return network


def condition(n: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, SMALL.condition, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_flow_inverse_recovers_labels() -> None:
    network, c = random_network(), condition(50)
    z = torch.randn(50, N_TARGETS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    latent, _ = network.flow(z, c=[c])
    back, _ = network.sample(latent, c)
    torch.testing.assert_close(back, z, atol=1e-8, rtol=0)


def test_log_density_matches_autograd_jacobian() -> None:
    network, c = random_network(), condition(1)
    z = torch.randn(1, N_TARGETS, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: network.flow(x[None], c=[c])[0][0], z[0])
    latent = network.flow(z, c=[c])[0]
    expected = -0.5 * (latent**2).sum() - 0.5 * N_TARGETS * np.log(2 * np.pi) + torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(network.log_density(z, c)[0], expected, atol=1e-8, rtol=0)


def test_sampling_states_the_density_of_its_samples() -> None:
    network, c = random_network(), condition(20)
    latent = torch.randn(20, N_TARGETS, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    z, log_density = network.sample(latent, c)
    torch.testing.assert_close(log_density, network.log_density(z, c), atol=1e-8, rtol=0)


def test_untrained_flow_returns_the_prior() -> None:
    torch.manual_seed(0)
    network = Network(SMALL, torch.ones(SMALL.n_components)).eval()
    latent = torch.randn(100, N_TARGETS, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        z, _ = network.sample(latent, condition(100).float())
    torch.testing.assert_close(z.sort(1).values, latent.sort(1).values)  # a permutation of independent normals


def test_building_a_network_leaves_numpy_s_global_generator_alone() -> None:
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    Network(SMALL, torch.ones(SMALL.n_components))
    assert np.random.random() == expected  # noqa: NPY002


def test_refined_mode_is_no_worse_than_the_best_sample() -> None:
    network, c = random_network(), condition(4)
    start = torch.randn(4, N_TARGETS, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    mode = refine_modes(network, start, c)
    assert (network.log_density(mode, c) > network.log_density(start, c)).all()
