"""The description of the flow: made of FrEIA's modules, and of no others than those that ship."""

import FrEIA.framework as Ff
import FrEIA.modules as Fm
import pytest
import torch
from torch import nn

from cinn_core.inference.flow import Flow, read_flow
from cinn_core.inference.network import N_TARGETS, Architecture, Network

COUPLINGS, CONDITION = 6, 16


def flow_of_random_parameters() -> Flow:
    torch.manual_seed(0)
    sizes = Architecture(8, condition=CONDITION, couplings=COUPLINGS, coupling_width=32)
    network = Network(sizes, torch.ones(8)).eval()
    return read_flow(network.flow)


def three_layers(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, outputs))


def two_layers(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


@pytest.mark.parametrize(
    ("block", "options", "problem"),
    [
        (Fm.RNVPCouplingBlock, {}, "RNVPCouplingBlock is not a GLOW coupling"),
        (Fm.GLOWCouplingBlock, {"clamp_activation": "TANH"}, "clamped by atan"),
        (Fm.GLOWCouplingBlock, {"subnet_constructor": two_layers}, "three layers"),
    ],
)
def test_another_flow_is_refused(block: type, options: dict, problem: str) -> None:
    flow = Ff.SequenceINN(N_TARGETS)
    flow.append(block, cond=0, cond_shape=(24,), **({"subnet_constructor": three_layers} | options))
    with pytest.raises(TypeError, match=problem):
        read_flow(flow)


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
