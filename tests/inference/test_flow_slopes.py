"""The flow's derivatives written out are those of autograd, for the flow that ships and for one star as for many."""

import subprocess
import sys

import pytest
import torch

from cinn_core.inference.flow_slopes import ByAutograd, ByHand, slopes_of
from cinn_core.inference.network import N_TARGETS, Architecture, Coupling, Network


def network(coupling: Coupling = Coupling.AFFINE, normal: bool = True) -> Network:
    """A flow in double precision whose couplings all do something, unlike a new one, which is the identity."""
    torch.manual_seed(3)
    sizes = Architecture(8, condition=20, couplings=5, coupling_width=32, coupling=coupling, normal=normal)
    made = Network(sizes, torch.ones(8))
    for value in made.flow.parameters():
        if value.is_floating_point():
            torch.nn.init.normal_(value, 0, 0.15)
    return made.double().eval().requires_grad_(False)


def points(n: int, conditions: int) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(4)
    z = torch.randn(n, N_TARGETS, generator=chance, dtype=torch.float64)
    return z, torch.randn(conditions, 20, generator=chance, dtype=torch.float64)


@pytest.mark.parametrize("normal", [True, False])
@pytest.mark.parametrize(("n", "conditions"), [(1, 1), (150, 1), (150, 150)])
def test_derivatives_by_hand_are_those_of_autograd(n: int, conditions: int, normal: bool) -> None:
    """Double precision, sums of some thousand terms: equal to 1e-9."""
    flow = network(normal=normal).flow
    z, condition = points(n, conditions)
    by_hand = slopes_of(flow)
    assert isinstance(by_hand, ByHand)
    for found, expected in (
        (by_hand.density(condition)(z), ByAutograd(flow).density(condition)(z)),
        (by_hand.jacobians(z, condition), ByAutograd(flow).jacobians(z, condition)),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_density_is_the_network_s_own_but_for_a_constant() -> None:
    made = network()
    z, condition = points(20, 20)
    off = made.log_density(z, condition) - slopes_of(made.flow).density(condition)(z)[0]
    torch.testing.assert_close(off, off[:1].expand(20))


def test_a_flow_of_splines_is_left_to_autograd() -> None:
    assert isinstance(slopes_of(network(Coupling.SPLINE).flow), ByAutograd)


def test_an_analysis_imports_no_compiler() -> None:
    """torch.optim brings torch._dynamo along, seconds that the first star of a process would wait."""
    code = """
import sys
from cinn_core.analyse import analyse, load_model
from cinn_core.files import example_paths
analyse(example_paths()["solar-twin"], load_model("cpu"), n_samples=64)
print("torch._dynamo" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout.split() == ["False"]
