"""The flow: invertible, with the density it claims; its conditional normal is the one it states, at any width."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from cinn_core.errors import ParametersError
from cinn_core.inference.infer import covariance, refine_map
from cinn_core.inference.model import load_model, save_network
from cinn_core.inference.network import N_TARGETS, Architecture, ConditionalNormal, Network

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


def test_log_prob_matches_autograd_jacobian() -> None:
    network, c = random_network(), condition(1)
    z = torch.randn(1, N_TARGETS, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: network.flow(x[None], c=[c])[0][0], z[0])
    latent = network.flow(z, c=[c])[0]
    expected = -0.5 * (latent**2).sum() - 0.5 * N_TARGETS * np.log(2 * np.pi) + torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(network.log_prob(z, c)[0], expected, atol=1e-8, rtol=0)


def test_sampling_states_the_density_of_its_samples() -> None:
    network, c = random_network(), condition(20)
    latent = torch.randn(20, N_TARGETS, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    z, log_prob = network.sample(latent, c)
    torch.testing.assert_close(log_prob, network.log_prob(z, c), atol=1e-8, rtol=0)


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
    spread = torch.eye(N_TARGETS, dtype=torch.float64).expand(4, -1, -1)
    mode = refine_map(network, start, c, spread)
    assert (network.log_prob(mode, c) > network.log_prob(start, c)).all()


def test_refined_mode_of_a_normal_is_its_mean_however_far_and_narrow() -> None:
    torch.manual_seed(7)
    network = Network(replace(SMALL, normal=True), torch.ones(SMALL.n_components)).double().requires_grad_(False)
    torch.nn.init.normal_(network.flow.module_list[0].head.weight, 0, 0.2)  # the couplings do nothing yet
    c = condition(4)
    latent = torch.randn(512, N_TARGETS, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    z = torch.stack([network.sample(latent, one.expand(512, -1))[0] for one in c])
    mean = network.flow.module_list[0].parts(c)[0]
    off = (refine_map(network, z[:, 0], c, covariance(z)) - mean) / z.std(1)
    assert off.abs().max() < 0.02  # standard deviations


def test_a_card_names_the_coupling_and_gives_the_same_architecture_back() -> None:
    card = SMALL.to_card()
    assert card["coupling"] == "affine"
    assert Architecture.from_card(card) == SMALL
    without = {name: value for name, value in card.items() if name not in ("coupling", "normal")}
    assert not Architecture.from_card(without).normal


@pytest.mark.parametrize("coupling", ["spline", "cubic", None, 3])
def test_a_card_of_other_couplings_is_refused_in_a_sentence(coupling: object) -> None:
    with pytest.raises(ParametersError, match=f"couplings of kind {coupling!r}.*kiel train network"):
        Architecture.from_card(SMALL.to_card() | {"coupling": coupling})


CONDITION = 16


def layer() -> ConditionalNormal:
    torch.manual_seed(6)
    made = ConditionalNormal(N_TARGETS, CONDITION).double().requires_grad_(False)
    torch.nn.init.normal_(made.head.weight, 0, 0.2)
    return made


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_network_that_learned_with_another_emulator_is_refused(model, tmp_path) -> None:
    path = tmp_path / "network.safetensors"
    save_network(model.projection, model.network, path, {"emulator_sha256": "0" * 64})
    with pytest.raises(
        ParametersError, match=r"learned from the spectra of the emulator 000000000000….*another physics"
    ):
        load_model("cpu", path)


def test_alone_it_is_the_normal_that_it_states() -> None:
    made, condition, z = layer(), drawn(30, CONDITION, seed=1), drawn(30, N_TARGETS, seed=2)
    latent, log_jacobian = made(z, condition)
    mean, whitening, _ = made.parts(condition)
    precision = whitening.mT @ whitening
    standard = MultivariateNormal(torch.zeros(N_TARGETS).double(), torch.eye(N_TARGETS).double())
    found = standard.log_prob(latent) + log_jacobian
    torch.testing.assert_close(found, MultivariateNormal(mean, precision_matrix=precision).log_prob(z))


def test_inverse_recovers_narrow_posteriors_in_single_precision() -> None:
    """Widths of 1e-3 around means of order one: rounding is 1e-4 of a width, more along what is strongly correlated."""
    made, condition, latent = (
        layer().float(),
        drawn(30, CONDITION, seed=1).float(),
        drawn(30, N_TARGETS, seed=2).float(),
    )
    made.head.bias[N_TARGETS : 2 * N_TARGETS] = torch.tensor(1e3).log()
    z, log_jacobian = made(latent, condition, rev=True)
    back, there = made(z, condition)
    torch.testing.assert_close(back, latent, atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(there, -log_jacobian)


def test_a_new_one_changes_nothing() -> None:
    made, z = ConditionalNormal(N_TARGETS, CONDITION), drawn(5, N_TARGETS, seed=3).float()
    latent, log_jacobian = made(z, drawn(5, CONDITION, seed=4).float())
    assert torch.equal(latent, z)
    assert not log_jacobian.any()
