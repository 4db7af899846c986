"""The flow taken apart into what its inverse needs: for each half coupling who reads, who moves, and the weights.

A GLOW coupling (Kingma & Dhariwal 2018) as FrEIA has it maps the two parts x1, x2 of a vector, under a condition c, to
    y1 = x1 exp(s2) + t2,  (s2, t2) from subnet2(x2, c);    y2 = x2 exp(s1) + t1,  (s1, t1) from subnet1(y1, c);
every s is clamp * 0.636 * atan(output). The inverse undoes y2 first, then y1; the log Jacobian of the whole is the sum of
all s, so the density of a sample comes with it. A conditional normal may stand before the couplings (`conditional_normal.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import FrEIA.framework as Ff
import FrEIA.modules as Fm
import torch
from torch import Tensor, nn

from .conditional_normal import ConditionalNormal
from .subnets import Layers

ATAN = 0.636
"""FrEIA's 2 / pi in the clamp."""


@dataclass(frozen=True, eq=False)
class Half:
    """Half a coupling: it reads some coordinates (k,) and moves the others (m,), by outputs (s, t) of its layers.

    condition_weight (width, c) and condition_bias (width,): the condition's part of the first layer.
    """

    reads: Tensor
    moves: Tensor
    clamp: float
    layers: Layers
    condition_weight: Tensor
    condition_bias: Tensor


@dataclass(frozen=True, eq=False)
class Glow:
    """The halves in order of inversion, where each coordinate lies once all are undone, and what is undone last."""

    halves: tuple[Half, ...]
    order: Tensor
    normal: ConditionalNormal | None


def read_glow(flow: nn.Module) -> Glow | None:
    """Fixed permutations and GLOW couplings of three-layer subnets, after a conditional normal or none; None for any other flow.

    Permutations then cost nothing: coordinates stay where they are, and each half is told where its own lie.
    """
    if not isinstance(flow, Ff.SequenceINN):
        return None
    place = torch.arange(flow.shapes[-1][0], device=next(flow.parameters()).device)
    halves: list[Half] = []
    modules = list(flow.module_list)
    normal = modules.pop(0) if modules and isinstance(modules[0], ConditionalNormal) else None
    for module in reversed(modules):
        if isinstance(module, Fm.PermuteRandom):
            place = place[module.perm_inv]
            continue
        if type(module) is not Fm.GLOWCouplingBlock or not _clamps_by_atan(module):
            return None
        first, second = place[: module.split_len1], place[module.split_len1 :]
        for net, reads, moves in ((module.subnet1, first, second), (module.subnet2, second, first)):
            half = _read_half(net, reads, moves, float(module.clamp))
            if half is None:
                return None
            halves.append(half)
    return Glow(tuple(halves), place, normal) if halves else None


def _clamps_by_atan(module: Fm.GLOWCouplingBlock) -> bool:
    at = torch.tensor([-3.0, 0.4, 5.0])
    return torch.allclose(module.f_clamp(at), ATAN * torch.atan(at))


def _read_half(net: nn.Module, reads: Tensor, moves: Tensor, clamp: float) -> Half | None:
    parts = list(net.children())
    linear = [part for part in parts if type(part) is nn.Linear]
    if [type(part) for part in parts] != [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]:
        return None
    if any(layer.bias is None for layer in linear):
        return None
    first, second, last = ((layer.weight.detach(), layer.bias.detach()) for layer in linear)
    k = len(reads)
    layers = Layers(first[0][:, :k], *second, *last)
    return Half(reads, moves, clamp, layers, first[0][:, k:], first[1])
