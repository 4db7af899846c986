"""The fast sampler: FrEIA's parameters and FrEIA's samples, many stars at once, the density from the same inverse pass.

The condition's part of a subnet's first layer is computed once a star (its share), not once a sample. On a processor the
layers go through oneDNN with weights in its own order and the ReLU inside; in reduced precision the hidden layer works on
bfloat16. What enters and leaves is in single precision all the same: narrow posteriors need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear

from . import onednn
from .flow import Flow, Layers, read_flow
from .network import Network

_CPU_ROWS, _CPU_STARS = 4096, 32  # samples and stars at once on a processor
_GPU_ROWS = 2**18


class Precision(Enum):
    """FULL: single precision throughout; REDUCED: bfloat16 in the hidden layer, where the hardware has it."""

    FULL = "full"
    REDUCED = "reduced"

    @property
    def hidden_type(self) -> torch.dtype:
        """Type of the numbers in the hidden layer."""
        return torch.bfloat16 if self is Precision.REDUCED else torch.float32


class Sampler:
    """Samples of a network's flow for any number of stars, on the network's device.

    Where the hardware has no bfloat16 the reduced precision is the full one.
    """

    def __init__(self, network: Network, precision: Precision = Precision.FULL) -> None:
        self.device = next(network.parameters()).device
        reduced = precision is Precision.REDUCED and reduced_helps(self.device)
        self.precision = Precision.REDUCED if reduced else Precision.FULL
        self._flow = read_flow(network.flow)
        subnet = subnet_for(self.device, self.precision)
        self._subnets = [subnet(half.layers) for half in self._flow.halves]
        self._invert = self._inverse
        if self.device.type == "cuda":
            self._invert = torch.compile(self._inverse, dynamic=False)

    @property
    def operations(self) -> int:
        """Floating point operations of one sample in the subnets' layers, the condition's part apart."""
        layers = [half.layers for half in self._flow.halves]
        return 2 * sum(w.numel() for part in layers for w in (part.first, part.second, part.last))

    @torch.no_grad()
    def sample(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Prior coordinates z (s, n, 13) and log density (s, n) of latents (n, 13) under the conditions (s, c) of s stars.

        Where memory runs out the number of stars at once is halved, down to one.
        """
        n, stars, flow = len(latent), len(condition), self._flow
        share = flow.shares(condition)
        log_normal = -0.5 * (latent**2).sum(1) - 0.5 * latent.shape[1] * math.log(2 * math.pi)
        on_cpu = self.device.type == "cpu"
        rows = min(n, _CPU_ROWS) if on_cpu else n
        at_once = min(_CPU_STARS, max(1, _CPU_ROWS // n)) if on_cpu else max(1, _GPU_ROWS // n)
        z, log_prob = latent.new_empty(stars, n, latent.shape[1]), latent.new_empty(stars, n)
        done = 0
        while done < stars:
            block = slice(done, min(done + at_once, stars))
            try:
                for i in range(0, n, rows):
                    some = slice(i, i + rows)
                    points, log_jacobian = self._invert(flow, latent[some], share[block])
                    if flow.normal is not None:
                        points, more = flow.normal.undo(points, condition[block])
                        log_jacobian = log_jacobian + more[:, None]
                    z[block, some], log_prob[block, some] = points, log_normal[some] + log_jacobian
            except torch.OutOfMemoryError:
                if at_once == 1:
                    raise
                at_once = max(1, min(at_once, stars) // 2)
            else:
                done = block.stop
        return z, log_prob

    def _inverse(self, flow: Flow, latent: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates (s, n, 13) and log |d latent / d z| (s, n) of latents (n, 13) for shares (s, halves, width)."""
        stars = len(share)
        x = latent.T.repeat(1, stars)  # coordinates first: what a coupling reads or moves lies together
        total = x.new_zeros(x.shape[1])
        for i, (half, subnet) in enumerate(zip(flow.halves, self._subnets, strict=True)):
            output = subnet(x[half.reads].T.contiguous(), share[:, i]).T.contiguous()
            m = len(half.moves)
            s = torch.atan(output[:m]).mul_(half.gain)
            total += s.sum(0)
            x[half.moves] = (x[half.moves] - output[m:]).mul_(torch.exp(-s))
        return x[flow.order].T.view(stars, -1, len(x)), total.view(stars, -1)


class Subnet(Protocol):
    """Inputs (stars * n, k) and the condition's share (stars, width) of the first layer -> outputs (stars * n, m) float32."""

    def __call__(self, inputs: Tensor, share: Tensor) -> Tensor: ...


class PlainSubnet:
    """Subnet by torch's own layers, on any device."""

    def __init__(self, layers: Layers, precision: Precision) -> None:
        self.layers, self.hidden_type = layers, precision.hidden_type
        self.second = layers.second.to(self.hidden_type)
        self.second_bias = layers.second_bias.to(self.hidden_type)

    def __call__(self, inputs: Tensor, share: Tensor) -> Tensor:
        stars, width = share.shape
        first = linear(inputs, self.layers.first).view(stars, -1, width) + share[:, None]
        hidden = torch.relu(first).to(self.hidden_type).view(-1, width)
        hidden = torch.relu(linear(hidden, self.second, self.second_bias)).float()
        return linear(hidden, self.layers.last, self.layers.last_bias)


class OneDnnSubnet:
    """Subnet by oneDNN on the processor."""

    def __init__(self, layers: Layers, precision: Precision) -> None:
        self.layers, self.hidden_type = layers, precision.hidden_type
        self.first, self.last = onednn.packed(layers.first), onednn.packed(layers.last)
        self.second = onednn.packed(layers.second.to(self.hidden_type))

    def __call__(self, inputs: Tensor, share: Tensor) -> Tensor:
        hidden = self._first(inputs, share).to(self.hidden_type)
        hidden = onednn.relu_layer(hidden, self.second, self.layers.second_bias).float()
        return onednn.layer(hidden, self.last, self.layers.last_bias)

    def _first(self, inputs: Tensor, share: Tensor) -> Tensor:
        """The first layer, with the share as its bias: inside oneDNN for one star, added afterwards for several."""
        if len(share) == 1:
            return onednn.relu_layer(inputs, self.first, share[0])
        hidden = onednn.layer(inputs, self.first, None).view(len(share), -1, share.shape[1])
        return hidden.add_(share[:, None]).relu_().flatten(0, 1)


def subnet_for(device: torch.device, precision: Precision) -> Callable[[Layers], Subnet]:
    """The fastest way to run a subnet on a device."""
    kind = OneDnnSubnet if device.type == "cpu" and onednn.available() else PlainSubnet
    return lambda layers: kind(layers, precision)


def product_with(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """The fastest product of inputs (n, k) with a weight (m, k) here, as the subnets have it: a measure of the device."""
    if weight.device.type == "cpu" and onednn.available():
        packed, nothing = onednn.packed(weight), weight.new_zeros(len(weight))
        return lambda inputs: onednn.layer(inputs, packed, nothing)
    return lambda inputs: linear(inputs, weight)


def reduced_helps(device: torch.device) -> bool:
    """Whether bfloat16 products are native: a CUDA device that has them, or a processor with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and onednn.bfloat16_native()
