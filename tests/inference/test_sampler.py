"""The fast sampler gives the modules' samples and densities, star by star and in batches (`test_flow.py`: they are FrEIA's)."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cinn_core.inference import sampler as sampler_module
from cinn_core.inference.network import N_TARGETS, Architecture, Network
from cinn_core.inference.point_estimates import sobol_latents
from cinn_core.inference.sampler import PlainSubnet, Precision, Sampler, reduced_helps


def network(couplings: int = 8, condition: int = 24, clamp: float = 2.0, normal: bool = True) -> Network:
    """A flow whose couplings all do something, unlike a new one, which is the identity."""
    torch.manual_seed(5)
    made = Network(
        Architecture(16, condition=condition, couplings=couplings, coupling_width=64, clamp=clamp, normal=normal),
        torch.ones(16),
    )
    for name, value in made.flow.named_parameters():
        if value.is_floating_point() and (".4." in name or ".head." in name):
            nn.init.normal_(value, 0, 0.08)
    return made.eval().requires_grad_(False)


def by_modules(net: Network, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Samples of one star, and their density by a second, forward pass."""
    every = condition.expand(len(latent), -1)
    z = net.flow(latent, c=[every], rev=True)[0]
    return z, net.log_prob(z, every)


def latents(n: int) -> Tensor:
    return torch.randn(n, N_TARGETS, generator=torch.Generator().manual_seed(1))


def conditions(stars: int, width: int = 24) -> Tensor:
    return torch.randn(stars, width, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("clamp", "normal"), [(1.0, True), (2.0, True), (3.5, True), (2.0, False)])
def test_samples_and_densities_are_those_of_the_modules(clamp: float, normal: bool) -> None:
    net, latent, condition = network(clamp=clamp, normal=normal), latents(5000), conditions(3)
    z, log_prob = Sampler(net).sample(latent, condition)
    for star, c in enumerate(condition):
        expected, density = by_modules(net, latent, c)
        # single precision through eight couplings; the coordinates are standardised, a few reach beyond ten
        np.testing.assert_allclose(z[star], expected, atol=1e-4, rtol=2e-5)
        assert (log_prob[star] - density).abs().max() < 1e-3


def test_shipped_network_gives_the_modules_samples_of_every_example(model, examples) -> None:
    from cinn_core.inference.infer import observe
    from cinn_core.preparation.fourmost import prepare
    from cinn_core.readers import read

    latent = latents(1024)
    for path in examples.values():
        seen = observe(prepare(read(path), model.templates), model)
        with torch.no_grad():
            condition = model.network.embedding(seen)
            expected, density = by_modules(model.network, latent, condition[0])
        z, log_prob = Sampler(model.network).sample(latent, condition)
        assert (z[0] - expected).abs().max() < 1e-4
        assert (log_prob[0] - density).abs().max() < 5e-3


def test_a_star_in_a_batch_is_the_star_alone() -> None:
    net, latent, condition = network(), latents(700), conditions(5)
    fast = Sampler(net)
    together = fast.sample(latent, condition)
    for star in range(5):
        alone = fast.sample(latent, condition[star : star + 1])
        torch.testing.assert_close(together[0][star], alone[0][0], atol=1e-5, rtol=0)
        torch.testing.assert_close(together[1][star], alone[1][0], atol=1e-4, rtol=0)


def take_the_path_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that take many stars at once, on the processor."""
    monkeypatch.setattr(
        sampler_module, "subnet_for", lambda device, precision: lambda layers: PlainSubnet(layers, precision)
    )


def test_plain_layers_on_many_stars_at_once_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net, latent, condition = network(), latents(300), conditions(7)
    expected = Sampler(net).sample(latent, condition)
    take_the_path_of_a_gpu(monkeypatch)
    plain = Sampler(net).sample(latent, condition)
    torch.testing.assert_close(plain[0], expected[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(plain[1], expected[1], atol=1e-3, rtol=0)


def test_out_of_memory_halves_the_stars_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, latent, condition = network(), latents(100), conditions(11)
    expected = Sampler(net).sample(latent, condition)
    take_the_path_of_a_gpu(monkeypatch)
    tight = Sampler(net)
    whole, tried = tight._invert, []

    def small(flow, latent, share):
        tried.append(len(share))
        if len(share) > 3:
            raise torch.OutOfMemoryError("as a GPU says it")
        return whole(flow, latent, share)

    tight._invert = small
    z, log_prob = tight.sample(latent, condition)
    assert tried[:3] == [11, 5, 2]
    torch.testing.assert_close(z, expected[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(log_prob, expected[1], atol=1e-3, rtol=0)


@pytest.mark.skipif(not reduced_helps(torch.device("cpu")), reason="this processor has no bfloat16")
def test_reduced_precision_keeps_importance_weights_of_98_percent() -> None:
    net, latent, condition = network(), latents(4096), conditions(1)
    z, claimed = Sampler(net, Precision.REDUCED).sample(latent, condition)
    true = net.log_prob(z[0], condition.expand(4096, -1))
    weights = (true - claimed[0]).exp()
    assert weights.sum() ** 2 / (weights**2).sum() > 0.98 * 4096
    full = Sampler(net).sample(latent, condition)[0]
    assert ((z[0].mean(0) - full[0].mean(0)) / full[0].std(0)).abs().max() < 0.03


def test_sobol_latents_give_quantiles_an_order_better_than_as_many_random_ones() -> None:
    """A standard normal has known quantiles: 512 Sobol points against 512 random ones."""
    wanted = torch.tensor([-1.0, 0.0, 1.0])
    shares = torch.special.ndtr(wanted)
    sobol = torch.quantile(sobol_latents(512, 0), shares, dim=0) - wanted[:, None]
    random = torch.quantile(latents(512), shares, dim=0) - wanted[:, None]
    assert sobol.square().mean().sqrt() < 0.2 * random.square().mean().sqrt()
    assert math.isclose(float(sobol_latents(512, 3).std()), 1.0, abs_tol=0.02)
