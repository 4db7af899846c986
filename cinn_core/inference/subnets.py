"""The three-layer networks inside the flow's couplings, run as fast as a processor or GPU allows.

The condition's part of the first layer is computed once a star ("share"), not once a sample. On a processor the layers
go through oneDNN with weights in its own order and the ReLU inside; in reduced precision the hidden layer works on bfloat16.
What enters and leaves is in single precision all the same: narrow posteriors need it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear


class Precision(Enum):
    """FULL: single precision throughout; REDUCED: bfloat16 in the hidden layer, where the hardware has it."""

    FULL = "full"
    REDUCED = "reduced"


@dataclass(frozen=True, eq=False)
class Layers:
    """Weights of one subnet: first (width, k) without the condition's columns, second (width, width), last (m, width)."""

    first: Tensor
    second: Tensor
    second_bias: Tensor
    last: Tensor
    last_bias: Tensor


class Subnet(Protocol):
    """Inputs (stars * n, k) and the condition's share (stars, width) of the first layer -> outputs (stars * n, m) float32."""

    def __call__(self, inputs: Tensor, share: Tensor) -> Tensor: ...


class PlainSubnet:
    """By torch's own layers: any device."""

    def __init__(self, layers: Layers, precision: Precision) -> None:
        self.layers = layers
        self.hidden_type = torch.bfloat16 if precision is Precision.REDUCED else torch.float32
        self.second = layers.second.to(self.hidden_type)
        self.second_bias = layers.second_bias.to(self.hidden_type)

    def __call__(self, inputs: Tensor, share: Tensor) -> Tensor:
        stars, width = share.shape
        first = linear(inputs, self.layers.first).view(stars, -1, width) + share[:, None]
        hidden = torch.relu(first).to(self.hidden_type).view(-1, width)
        hidden = torch.relu(linear(hidden, self.second, self.second_bias)).float()
        return linear(hidden, self.layers.last, self.layers.last_bias)


class OneDnnSubnet:
    """By oneDNN on the processor."""

    def __init__(self, layers: Layers, precision: Precision) -> None:
        self.layers = layers
        self.hidden_type = torch.bfloat16 if precision is Precision.REDUCED else torch.float32
        self.first, self.last = _packed(layers.first), _packed(layers.last)
        self.second = _packed(layers.second.to(self.hidden_type))

    def __call__(self, inputs: Tensor, share: Tensor) -> Tensor:
        hidden = _shared_relu_layer(inputs, self.first, share).to(self.hidden_type)
        hidden = _relu_layer(hidden, self.second, self.layers.second_bias).float()
        return _layer(hidden, self.last, self.layers.last_bias)


def _shared_relu_layer(inputs: Tensor, packed: Tensor, share: Tensor) -> Tensor:
    """The first layer, with the share as its bias: inside oneDNN for one star, added afterwards for several."""
    if len(share) == 1:
        return _relu_layer(inputs, packed, share[0])
    hidden = _layer(inputs, packed, None).view(len(share), -1, share.shape[1])
    return hidden.add_(share[:, None]).relu_().flatten(0, 1)


def _relu_layer(inputs: Tensor, packed: Tensor, bias: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(inputs, packed, bias, "relu", [], "")


def _layer(inputs: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(inputs, packed, bias, "none", [], "")


def _packed(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())


def product_with(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """The fastest product of inputs (n, k) with a weight (m, k) here, as the subnets have it: a measure of the device."""
    if weight.device.type == "cpu" and has_onednn():
        packed, nothing = _packed(weight), weight.new_zeros(len(weight))
        return lambda inputs: _layer(inputs, packed, nothing)
    return lambda inputs: linear(inputs, weight)


def has_onednn() -> bool:
    """Whether this build of torch has oneDNN's linear layers with the activation inside (x86 and some ARM builds)."""
    names = ("_linear_pointwise", "_reorder_linear_weight")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


def reduced_helps(device: torch.device) -> bool:
    """Whether bfloat16 products are native: a CUDA device that has them, or a processor with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and has_onednn() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def subnet_for(device: torch.device, precision: Precision) -> Callable[[Layers], Subnet]:
    """The fastest way to run a subnet on a device."""
    kind = OneDnnSubnet if device.type == "cpu" and has_onednn() else PlainSubnet
    return lambda layers: kind(layers, precision)
