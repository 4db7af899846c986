"""The flow's gradient written out is that of autograd, for the flow that ships and for one star as for many."""

import subprocess
import sys

import pytest
import torch

from cinn_core.inference.flow import read_flow
from cinn_core.inference.flow_gradient import FlowGradient
from cinn_core.inference.network import N_TARGETS, Architecture, Network


def network(normal: bool = True) -> Network:
    """A flow in double precision whose couplings all do something, unlike a new one, which is the identity."""
    torch.manual_seed(3)
    sizes = Architecture(8, condition=20, couplings=5, coupling_width=32, normal=normal)
    made = Network(sizes, torch.ones(8))
    for value in made.flow.parameters():
        if value.is_floating_point():
            torch.nn.init.normal_(value, 0, 0.15)
    return made.double().eval().requires_grad_(False)


def points(n: int, conditions: int) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(4)
    z = torch.randn(n, N_TARGETS, generator=chance, dtype=torch.float64)
    return z, torch.randn(conditions, 20, generator=chance, dtype=torch.float64)


def log_prob_by_autograd(flow: torch.nn.Module, z: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Log density (n,) up to a constant, and gradient (n, 13)."""
    z = z.clone().requires_grad_(True)
    latent, log_jacobian = flow(z, c=[condition.expand(len(z), -1)])
    log_prob = log_jacobian - 0.5 * (latent**2).sum(1)
    return log_prob.detach(), torch.autograd.grad(log_prob.sum(), z)[0]


def jacobians_by_autograd(flow: torch.nn.Module, z: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """d latent / d z (n, 13, 13) and d latent / d condition (n, 13, c)."""
    given = z.clone().requires_grad_(True), condition.expand(len(z), -1).clone().requires_grad_(True)
    latent, _ = flow(given[0], c=[given[1]])
    rows = [torch.autograd.grad(latent[:, i].sum(), given, retain_graph=True) for i in range(N_TARGETS)]
    return tuple(torch.stack(column, 1) for column in zip(*rows, strict=True))


@pytest.mark.parametrize("normal", [True, False])
@pytest.mark.parametrize(("n", "conditions"), [(1, 1), (150, 1), (150, 150)])
def test_derivatives_written_out_are_those_of_autograd(n: int, conditions: int, normal: bool) -> None:
    """Double precision, sums of some thousand terms: equal to 1e-9."""
    flow = network(normal=normal).flow
    z, condition = points(n, conditions)
    gradient = FlowGradient(read_flow(flow))
    for result, expected in (
        (gradient.log_prob(condition)(z), log_prob_by_autograd(flow, z, condition)),
        (gradient.jacobians(z, condition), jacobians_by_autograd(flow, z, condition)),
    ):
        torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


def test_density_is_the_network_s_own_but_for_a_constant() -> None:
    made = network()
    z, condition = points(20, 20)
    off = made.log_prob(z, condition) - FlowGradient(read_flow(made.flow)).log_prob(condition)(z)[0]
    torch.testing.assert_close(off, off[:1].expand(20))


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
