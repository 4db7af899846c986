"""The flow: its modules are FrEIA's, and its description is made of no others than those that ship."""

import pytest
import torch
from torch import nn

from cinn_core.batch.speed import by_freia, freia_flow, random_glow
from cinn_core.inference.flow import Flow, read_flow
from cinn_core.inference.network import N_TARGETS, Architecture, Coupling, FlowModules, Network, Permutation

COUPLINGS, CONDITION = 6, 16


def flow_of_random_parameters() -> Flow:
    torch.manual_seed(0)
    sizes = Architecture(8, condition=CONDITION, couplings=COUPLINGS, coupling_width=32)
    network = Network(sizes, torch.ones(8)).eval()
    return read_flow(network.flow)


def two_layers(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        (nn.Identity(), "Identity is not a GLOW coupling"),
        (Coupling(N_TARGETS, CONDITION, two_layers, 2.0), "three layers"),
    ],
)
def test_another_flow_is_refused(module: nn.Module, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        read_flow(FlowModules([Permutation(N_TARGETS, 0), module]))


def test_modules_are_those_of_freia() -> None:
    network = random_glow(couplings=COUPLINGS, width=32, condition=CONDITION, seed=3)
    generator = torch.Generator().manual_seed(2)
    latent = torch.randn(50, N_TARGETS, generator=generator)
    c = torch.randn(CONDITION, generator=generator)
    z, density = by_freia(freia_flow(network), latent, c)
    ours, our_density = network.sample(latent, c.expand(50, -1))
    torch.testing.assert_close(ours, z, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(our_density, density, atol=1e-4, rtol=1e-6)
    torch.testing.assert_close(network.log_prob(z, c.expand(50, -1)), density, atol=1e-4, rtol=1e-6)


def test_halves_are_the_couplings_undone_from_the_last_each_moving_what_the_other_reads() -> None:
    flow = flow_of_random_parameters()
    assert len(flow.halves) == 2 * COUPLINGS
    for half in flow.halves:
        assert sorted([*half.reads.tolist(), *half.moves.tolist()]) == list(range(N_TARGETS))
    for later, earlier in zip(flow.halves[::2], flow.halves[1::2], strict=True):
        assert torch.equal(later.reads, earlier.moves)
    assert sorted(flow.order.tolist()) == list(range(N_TARGETS))


def test_share_is_what_the_condition_adds_to_each_first_layer() -> None:
    flow, c = flow_of_random_parameters(), torch.randn(3, CONDITION, generator=torch.Generator().manual_seed(1))
    shares = flow.shares(c)
    for i, half in enumerate(flow.halves):
        torch.testing.assert_close(shares[:, i], c @ half.condition_weight.T + half.condition_bias)
