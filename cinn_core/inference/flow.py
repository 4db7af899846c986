"""Description of the flow, read once from its modules: which coordinates each half coupling reads and moves, and its layers.

A GLOW coupling (Kingma & Dhariwal 2018) as FrEIA has it maps the two parts x1, x2 of a vector, under a condition c, to
    y1 = x1 exp(s2) + t2,  (s2, t2) from subnet2(x2, c);    y2 = x2 exp(s1) + t1,  (s1, t1) from subnet1(y1, c);
every s is clamp * 0.636 * atan(output). The inverse undoes y2 first, then y1; the log Jacobian of the whole is the sum of
all s, so the density of a sample comes with it. A conditional normal may stand before the couplings (`network.py`).
Permutations cost nothing: coordinates stay where they are, and each half knows where its own lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .network import ATAN, N_TARGETS, ConditionalNormal, Coupling, FlowModules, Permutation


@dataclass(frozen=True, eq=False)
class Layers:
    """Parameters of one subnet: first (width, k) without the condition's columns, second (width, width), last (m, width)."""

    first: Tensor
    second: Tensor
    second_bias: Tensor
    last: Tensor
    last_bias: Tensor


@dataclass(frozen=True, eq=False)
class Half:
    """Half a coupling: it reads some coordinates (k,) and moves the others (m,), by outputs (s, t) of its layers.

    gain: s = gain atan(output); condition_weight (width, c) and condition_bias (width,): the condition's part of the
    first layer.
    """

    reads: Tensor
    moves: Tensor
    gain: float
    layers: Layers
    condition_weight: Tensor
    condition_bias: Tensor


@dataclass(frozen=True, eq=False)
class Flow:
    """Halves in order of inversion, where each coordinate (13,) lies once all are undone, and the normal undone last.

    condition_weight (halves * width, c) and condition_bias: the condition's part of all first layers in one.
    """

    halves: tuple[Half, ...]
    order: Tensor
    normal: ConditionalNormal | None
    condition_weight: Tensor
    condition_bias: Tensor

    def shares(self, condition: Tensor) -> Tensor:
        """Part (n, halves, width) that conditions (n, c) have in the first layer of each half."""
        return linear(condition, self.condition_weight, self.condition_bias).view(len(condition), len(self.halves), -1)


def read_flow(flow: FlowModules) -> Flow:
    """The description of a flow as `make_flow` makes it; parameters are shared, not copied.

    Raises TypeError for a flow with other modules in it.
    """
    modules = list(flow.module_list)
    first = modules[0]
    normal = first if isinstance(first, ConditionalNormal) else None
    place = torch.arange(N_TARGETS, device=next(flow.parameters()).device)
    halves: list[Half] = []
    for module in reversed(modules if normal is None else modules[1:]):
        if isinstance(module, Permutation):
            place = place[module.perm_inv]
        else:
            halves += _halves(module, place)
    weight, bias = ([getattr(half, f"condition_{name}") for half in halves] for name in ("weight", "bias"))
    return Flow(tuple(halves), place, normal, torch.cat(weight), torch.cat(bias))


def _halves(module: Any, place: Tensor) -> Iterator[Half]:
    """The halves of a coupling in order of inversion; the coordinates of its input lie at `place` (13,)."""
    if type(module) is not Coupling:
        raise TypeError(f"{type(module).__name__} is not a GLOW coupling.")
    first, second = place[: module.split_len1], place[module.split_len1 :]
    ways: tuple[tuple[Any, Tensor, Tensor], ...] = (
        (module.subnet1, first, second),
        (module.subnet2, second, first),
    )
    for net, reads, moves in ways:
        if [type(part) for part in net] != [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]:
            raise TypeError("The subnet of a coupling does not have three layers with ReLU between them.")
        one, two, three = ((layer.weight.detach(), layer.bias.detach()) for layer in net[::2])
        k = len(reads)
        layers = Layers(one[0][:, :k], *two, *three)
        yield Half(reads, moves, float(module.clamp) * ATAN, layers, one[0][:, k:], one[1])
