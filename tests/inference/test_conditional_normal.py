"""The layer before the couplings: a normal whose mean and covariance are those it states, invertible, at any width."""

import torch
from torch.distributions import MultivariateNormal

from cinn_core.inference.conditional_normal import ConditionalNormal
from cinn_core.inference.network import N_TARGETS

CONDITION = 16


def layer() -> ConditionalNormal:
    torch.manual_seed(6)
    made = ConditionalNormal([(N_TARGETS,)], [(CONDITION,)]).double().requires_grad_(False)
    torch.nn.init.normal_(made.head.weight, 0, 0.2)
    return made


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_alone_it_is_the_normal_that_it_states() -> None:
    made, condition, z = layer(), drawn(30, CONDITION, seed=1), drawn(30, N_TARGETS, seed=2)
    (latent,), log_jacobian = made((z,), [condition])
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
    (z,), log_jacobian = made((latent,), [condition], rev=True)
    (back,), there = made((z,), [condition])
    torch.testing.assert_close(back, latent, atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(there, -log_jacobian)


def test_a_new_one_changes_nothing() -> None:
    made, z = ConditionalNormal([(N_TARGETS,)], [(CONDITION,)]), drawn(5, N_TARGETS, seed=3).float()
    (latent,), log_jacobian = made((z,), [drawn(5, CONDITION, seed=4).float()])
    assert torch.equal(latent, z)
    assert not log_jacobian.any()
