"""Derivatives of the flow by its coordinates and its condition; of GLOW couplings written out, several times sooner than autograd.

A half coupling makes y = x exp(s) + t, (s, t) from what it reads. A row of derivatives by its output is carried to its
input through the layers, whose ReLUs are on or off as they were on the way there. All rows of a star share the
layers, so that many rows are one product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .conditional_normal import Density
from .glow import ATAN, Glow, Half, read_glow

_ROWS = 128
"""Points at once, so that what lies between the layers stays in a processor's cache."""


class FlowSlopes(Protocol):
    """Derivatives at points z (n, 13) under conditions (n, c) or (1, c)."""

    def density(self, condition: Tensor) -> Density:
        """Log density (n,) under a condition but for its constant, and its gradient (n, 13), as a function of z (n, 13)."""
        ...

    def jacobians(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """d latent / d z (n, 13, 13) and d latent / d condition (n, 13, c)."""
        ...


def slopes_of(flow: nn.Module) -> FlowSlopes:
    """Those of a GLOW flow by hand, those of any other by autograd."""
    glow = read_glow(flow)
    return ByAutograd(flow) if glow is None else ByHand(glow)


class ByAutograd:
    """Of any flow of FrEIA's."""

    def __init__(self, flow: nn.Module) -> None:
        self._flow = flow

    def density(self, condition: Tensor) -> Density:
        return partial(self._density, condition)

    def _density(self, condition: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        points = z.detach().requires_grad_(True)
        latent, log_jacobian = self._flow(points, c=[condition.detach().expand(len(z), -1)])
        found = log_jacobian - 0.5 * (latent**2).sum(1)
        return found.detach(), torch.autograd.grad(found.sum(), points)[0]

    def jacobians(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        points = z.detach().requires_grad_(True)
        conditions = condition.detach().expand(len(z), -1).clone().requires_grad_(True)
        latent, _ = self._flow(points, c=[conditions])
        n = latent.shape[1]
        rows = [torch.autograd.grad(latent[:, i].sum(), (points, conditions), retain_graph=i < n - 1) for i in range(n)]
        by_z, by_condition = (torch.stack(found, 1) for found in zip(*rows, strict=True))
        return by_z, by_condition


@dataclass(frozen=True, eq=False)
class _Layers:
    """A half's layers between all coordinates: first (13, width), second (width, width), last (width, 26), s before t.

    What belongs to coordinates that are not read, or not moved, is zero: exp(0) moves nothing, and nothing has to be
    sorted. `gain`: s = gain atan(output); condition (width, c), what the first layer makes of the condition.
    """

    gain: float
    first: Tensor
    second: Tensor
    second_bias: Tensor
    last: Tensor
    last_bias: Tensor
    condition: Tensor


@dataclass(frozen=True, eq=False)
class _Step:
    """What a half did to n points: s, factor exp(s), x exp(s), slope ds / d output (n, 13); after the ReLUs (n, width)."""

    s: Tensor
    factor: Tensor
    stretched: Tensor
    slope: Tensor
    first: Tensor
    second: Tensor


class ByHand:
    """Of a GLOW flow."""

    def __init__(self, glow: Glow) -> None:
        halves = glow.halves[::-1]  # the way from coordinates to the latent
        self._order, self._normal = glow.order, glow.normal
        self._layers = [_layers(half, len(glow.order)) for half in halves]
        self._condition_weight = torch.cat([half.condition_weight for half in halves])
        self._condition_bias = torch.cat([half.condition_bias for half in halves])

    @torch.no_grad()
    def density(self, condition: Tensor) -> Density:
        of_couplings = partial(self._density, self._shares(condition))
        return of_couplings if self._normal is None else self._normal.before(of_couplings, condition)

    @torch.no_grad()
    def _density(self, shares: tuple[Tensor, ...], z: Tensor) -> tuple[Tensor, Tensor]:
        """Of the couplings alone, as `density`."""
        latent, steps = self._forward(z, shares)
        found = torch.stack([step.s for step in steps]).sum((0, 2)) - 0.5 * (latent**2).sum(1)
        row = -latent
        for layers, step in zip(reversed(self._layers), reversed(steps), strict=True):
            by_output = torch.cat([(row * step.stretched + 1) * step.slope, row], 1)
            hidden = _where_on(by_output @ layers.last.T, step.second)
            hidden = _where_on(hidden @ layers.second.T, step.first)
            row = torch.addmm(row * step.factor, hidden, layers.first.T)
        return found, row[:, self._order]

    @torch.no_grad()
    def jacobians(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        every = condition.expand(len(z), -1)
        parts = [self._all_jacobians(*some) for some in zip(z.split(_ROWS), every.split(_ROWS), strict=True)]
        by_z, by_condition = (torch.cat(found) for found in zip(*parts, strict=True))
        return by_z, by_condition

    def _all_jacobians(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        if self._normal is None:
            return self._jacobians(z, condition)
        scaled, by_z, by_condition = self._normal.slopes(z, condition)
        rows, more = self._jacobians(scaled, condition)
        return rows @ by_z, more + rows @ by_condition

    def _jacobians(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        latent, steps = self._forward(z, self._shares(condition))
        n, d = latent.shape
        rows = torch.eye(d, dtype=z.dtype, device=z.device).repeat(n, 1)
        by_condition = z.new_zeros(n * d, condition.shape[1])
        for layers, step in zip(reversed(self._layers), reversed(steps), strict=True):
            each = rows.view(n, d, d)
            by_output = torch.cat([each * (step.stretched * step.slope)[:, None], each], 2)
            hidden = _where_on((by_output.view(n * d, -1) @ layers.last.T).view(n, d, -1), step.second[:, None])
            hidden = hidden.view(n * d, -1) @ layers.second.T
            hidden = _where_on(hidden.view(n, d, -1), step.first[:, None]).view(n * d, -1)
            by_condition.addmm_(hidden, layers.condition)
            rows = torch.addmm((each * step.factor[:, None]).view(n * d, d), hidden, layers.first.T)
        return rows.view(n, d, d)[..., self._order], by_condition.view(n, d, -1)

    def _shares(self, condition: Tensor) -> tuple[Tensor, ...]:
        """What the first layer of each half (n, width) has from conditions (n, c): more work than all of one point's layers."""
        return linear(condition, self._condition_weight, self._condition_bias).chunk(len(self._layers), 1)

    def _forward(self, z: Tensor, shares: tuple[Tensor, ...]) -> tuple[Tensor, list[_Step]]:
        """Latents (n, 13) and the steps on the way."""
        x = torch.empty_like(z)
        x[:, self._order] = z
        steps, d = [], z.shape[1]
        for layers, share in zip(self._layers, shares, strict=True):
            first = torch.addmm(share, x, layers.first).relu_()
            second = torch.addmm(layers.second_bias, first, layers.second).relu_()
            output = torch.addmm(layers.last_bias, second, layers.last)
            raw = output[:, :d]
            s = layers.gain * torch.atan(raw)
            factor = torch.exp(s)
            stretched = x * factor
            x = stretched + output[:, d:]
            steps.append(_Step(s, factor, stretched, layers.gain / (1 + raw * raw), first, second))
        return x, steps


def _where_on(rows: Tensor, relu: Tensor) -> Tensor:
    """Rows where a ReLU let its input through, else zero."""
    return torch.ops.aten.threshold_backward(rows, relu, 0)


def _layers(half: Half, n: int) -> _Layers:
    """A half's layers between all n coordinates."""
    own, m = half.layers, len(half.moves)
    first = own.first.new_zeros(n, len(own.first))
    first[half.reads] = own.first.T
    last, bias = own.last.new_zeros(len(own.first), 2 * n), own.last.new_zeros(2 * n)
    for at, part in ((half.moves, slice(0, m)), (half.moves + n, slice(m, 2 * m))):
        last[:, at], bias[at] = own.last[part].T, own.last_bias[part]
    return _Layers(
        half.clamp * ATAN, first, own.second.T, own.second_bias, last, bias, half.condition_weight.contiguous()
    )
