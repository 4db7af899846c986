"""Gradient of the flow by its coordinates and Jacobian by its condition, written out: several times faster than autograd.

A half coupling makes y = x exp(s) + t, (s, t) from what it reads. A row of derivatives by its output is carried to its
input through the layers, whose ReLUs are on or off as they were on the way there. All rows of a star share the
layers, so that many rows are one product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .flow import Flow, Half
from .network import ConditionalNormal

LogProb = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function from points z (n, 13) to their log density (n,), up to a constant, and its gradient (n, 13)."""

_ROWS = 128
"""Points at once, so that what lies between the layers stays in a processor's cache."""


@dataclass(frozen=True, eq=False)
class _Layers:
    """Layers of a half between all coordinates: first (13, width), second (width, width), last (width, 26), s before t.

    What belongs to coordinates that are not read, or not moved, is zero: exp(0) moves nothing, and nothing has to be
    sorted. `gain`: s = gain atan(output); condition (width, c), the condition's part of the first layer.
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
    """Action of a half on n points: s, factor exp(s), x exp(s), slope ds / d output (n, 13); after the ReLUs (n, width)."""

    s: Tensor
    factor: Tensor
    stretched: Tensor
    slope: Tensor
    first: Tensor
    second: Tensor


class FlowGradient:
    """Gradient and Jacobians of a flow at points z (n, 13) under conditions (n, c) or (1, c)."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._layers = [_layers(half, len(flow.order)) for half in flow.halves[::-1]]  # from coordinates to the latent

    @torch.no_grad()
    def log_prob(self, condition: Tensor) -> LogProb:
        """Log density (n,) under a condition, up to a constant, and its gradient (n, 13), as a function of z (n, 13)."""
        of_couplings, normal = partial(self._log_prob, self._shares(condition)), self._flow.normal
        return of_couplings if normal is None else _after_normal(normal, of_couplings, condition)

    @torch.no_grad()
    def _log_prob(self, shares: tuple[Tensor, ...], z: Tensor) -> tuple[Tensor, Tensor]:
        """Log density and gradient of the couplings alone, as `log_prob`."""
        latent, steps = self._forward(z, shares)
        log_prob = torch.stack([step.s for step in steps]).sum((0, 2)) - 0.5 * (latent**2).sum(1)
        row = -latent
        for layers, step in zip(reversed(self._layers), reversed(steps), strict=True):
            by_output = torch.cat([(row * step.stretched + 1) * step.slope, row], 1)
            hidden = _where_on(by_output @ layers.last.T, step.second)
            hidden = _where_on(hidden @ layers.second.T, step.first)
            row = torch.addmm(row * step.factor, hidden, layers.first.T)
        return log_prob, row[:, self._flow.order]

    @torch.no_grad()
    def jacobians(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """d latent / d z (n, 13, 13) and d latent / d condition (n, 13, c)."""
        every = condition.expand(len(z), -1)
        parts = [self._all_jacobians(*some) for some in zip(z.split(_ROWS), every.split(_ROWS), strict=True)]
        by_z, by_condition = (torch.cat(column) for column in zip(*parts, strict=True))
        return by_z, by_condition

    def _all_jacobians(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        if self._flow.normal is None:
            return self._jacobians(z, condition)
        scaled, by_z, by_condition = _normal_jacobians(self._flow.normal, z, condition)
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
        return rows.view(n, d, d)[..., self._flow.order], by_condition.view(n, d, -1)

    def _shares(self, condition: Tensor) -> tuple[Tensor, ...]:
        """Part (n, width) of conditions (n, c) in the first layer of each half, in the order of `_layers`."""
        return self._flow.shares(condition).unbind(1)[::-1]

    def _forward(self, z: Tensor, shares: tuple[Tensor, ...]) -> tuple[Tensor, list[_Step]]:
        """Latents (n, 13) and the steps on the way."""
        x = torch.empty_like(z)
        x[:, self._flow.order] = z
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
    """Layers of a half between all n coordinates."""
    own, m = half.layers, len(half.moves)
    first = own.first.new_zeros(n, len(own.first))
    first[half.reads] = own.first.T
    last, bias = own.last.new_zeros(len(own.first), 2 * n), own.last.new_zeros(2 * n)
    for at, part in ((half.moves, slice(0, m)), (half.moves + n, slice(m, 2 * m))):
        last[:, at], bias[at] = own.last[part].T, own.last_bias[part]
    return _Layers(half.gain, first, own.second.T, own.second_bias, last, bias, half.condition_weight.contiguous())


def _after_normal(normal: ConditionalNormal, log_prob: LogProb, condition: Tensor) -> LogProb:
    """The function of z (n, 13) that a function of the normal's outputs is, under conditions (n or 1, c)."""
    mean, by_z, log_scale = normal.parts(condition)

    @torch.no_grad()
    def of_z(z: Tensor) -> tuple[Tensor, Tensor]:
        value, row = log_prob((by_z @ (z - mean)[..., None])[..., 0])
        return value + log_scale.sum(1), (row[:, None] @ by_z)[:, 0]

    return of_z


def _normal_jacobians(normal: ConditionalNormal, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (n, 13) of the normal at z (n, 13) and their derivatives by z (n, 13, 13) and by the condition (n, 13, c)."""
    mean, by_z, log_scale = normal.parts(condition)
    off, scale = z - mean, torch.exp(log_scale)
    outputs = (by_z * off[:, None]).sum(-1)
    rows, columns = normal.below
    by_below = z.new_zeros(*outputs.shape, len(rows))
    by_below[:, rows, torch.arange(len(rows))] = scale[:, rows] * off[:, columns]
    by_z = by_z.expand(len(z), -1, -1)
    by_head = torch.cat([-by_z, torch.diag_embed(outputs), by_below], 2)
    return outputs, by_z, by_head @ normal.head.weight
