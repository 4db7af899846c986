"""oneDNN's layers by private names of torch: there in the pinned version, equal to plain layers, and faster than they are."""

import time
from functools import partial

import pytest
import torch

from cinn_core.inference import onednn
from cinn_core.inference.network import N_TARGETS, Architecture, Network
from cinn_core.inference.sampler import OneDnnSubnet, PlainSubnet, Precision, Sampler, reduced_helps

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


def given(n: int, m: int, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    return tuple(torch.randn(*shape, generator=chance) for shape in ((n, k), (m, k), (m,)))


@needs_onednn
def test_torch_still_has_the_private_names() -> None:
    for name in ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported"):
        assert hasattr(torch.ops.mkldnn, name), f"torch {torch.__version__} lacks {name}: plain layers do the work"
    assert onednn.available()


@needs_onednn
def test_layers_are_those_of_torch() -> None:
    inputs, weight, bias = given(300, 64, 48)
    plain = torch.nn.functional.linear(inputs, weight, bias)
    packed = onednn.packed(weight)
    torch.testing.assert_close(onednn.layer(inputs, packed, bias), plain, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(onednn.layer(inputs, packed, None), plain - bias, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(onednn.relu_layer(inputs, packed, bias), plain.relu(), atol=1e-4, rtol=1e-5)


@needs_onednn
def test_layers_are_still_faster_than_plain_ones() -> None:
    """The reason to reach for private names: where plain layers take no longer, `onednn.py` is no longer needed."""
    network = Network(Architecture(16, normal=False), torch.ones(16)).eval()
    layers = Sampler(network)._flow.halves[0].layers
    inputs, share = torch.randn(4096, layers.first.shape[1]), torch.randn(1, len(layers.first))
    ways = {kind: partial(kind(layers, Precision.FULL), inputs, share) for kind in (OneDnnSubnet, PlainSubnet)}
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(40):  # in turn, so that a busy machine slows both alike
        for kind, run in ways.items():
            began = time.process_time()
            run()
            seconds[kind] = min(seconds[kind], time.process_time() - began)
    assert seconds[OneDnnSubnet] < seconds[PlainSubnet]


def test_without_the_names_plain_layers_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(Architecture(16, coupling_width=32, couplings=2), torch.ones(16)).eval()
    latent, condition = torch.randn(50, N_TARGETS), torch.randn(2, 128)
    expected = Sampler(network).sample(latent, condition)
    monkeypatch.setattr(onednn, "_LAYER", "_gone")
    assert not onednn.available()
    assert not reduced_helps(torch.device("cpu"))
    sampler = Sampler(network, Precision.REDUCED)
    assert isinstance(sampler._subnets[0], PlainSubnet)
    for result, one in zip(sampler.sample(latent, condition), expected, strict=True):
        torch.testing.assert_close(result, one, atol=1e-4, rtol=0)
