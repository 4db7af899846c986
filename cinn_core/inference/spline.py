"""A coupling block of monotonic rational-quadratic splines in FrEIA's framework (Durkan et al. 2019, Neural Spline Flows).

Each moved coordinate goes through GLOW's clamped affine map, which brings it to unit scale whatever the width of the
posterior, and then through a spline on [-5, 5]: eight bins whose widths, heights and inner slopes the subnet gives;
outside, and at the ends with slope 1, it is the identity. With all outputs zero the block is the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import FrEIA.modules as Fm
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, softmax

BINS = 8
BOUND = 5.0
_PER_COORDINATE = 2 + 3 * BINS - 1
"""Subnet outputs: log scale and shift, then widths, heights and inner slopes."""
_LEAST_BIN = 0.01
"""Smallest width or height of a bin as a share of the interval: keeps the inverse accurate in single precision."""
_LARGEST_LOG_SLOPE = 4.0


class SplineCouplingBlock(Fm.GLOWCouplingBlock):
    """GLOW's coupling with a rational-quadratic spline after each affine map; arguments as `GLOWCouplingBlock`."""

    def __init__(
        self,
        dims_in: Sequence[tuple[int]],
        dims_c: Sequence[tuple[int]] = (),
        subnet_constructor: Callable[[int, int], nn.Module] | None = None,
        clamp: float = 2.0,
    ) -> None:
        if subnet_constructor is None:
            raise ValueError("A spline coupling needs a subnet_constructor.")
        super().__init__(dims_in, dims_c, _narrow, clamp)
        self.subnet1 = subnet_constructor(self.split_len1 + self.condition_length, self.split_len2 * _PER_COORDINATE)
        self.subnet2 = subnet_constructor(self.split_len2 + self.condition_length, self.split_len1 * _PER_COORDINATE)

    def _coupling1(self, x1: Tensor, u2: Tensor, rev: bool = False) -> tuple[Tensor, Tensor]:
        return self._move(x1, self.subnet2(u2), rev)

    def _coupling2(self, x2: Tensor, u1: Tensor, rev: bool = False) -> tuple[Tensor, Tensor]:
        return self._move(x2, self.subnet1(u1), rev)

    def _move(self, x: Tensor, outputs: Tensor, rev: bool) -> tuple[Tensor, Tensor]:
        """Moves x (n, m) by the subnet's outputs; result and log |d result / d x| (n,)."""
        given = outputs.to(x.dtype).view(*x.shape, _PER_COORDINATE)
        log_scale, shift = self.clamp * self.f_clamp(given[..., 0]), given[..., 1]
        if rev:
            y, log_slope = rational_quadratic(x, given[..., 2:], inverse=True)
            return (y - shift) * torch.exp(-log_scale), (log_slope - log_scale).sum(1)
        y, log_slope = rational_quadratic(x * torch.exp(log_scale) + shift, given[..., 2:])
        return y, (log_slope + log_scale).sum(1)


def _narrow(inputs: int, outputs: int) -> nn.Module:
    """Stands in for the base class's subnets, which are replaced at once."""
    return nn.Identity()


def rational_quadratic(x: Tensor, raw: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
    """Spline of x (...,) or its inverse, and the log of the derivative of what was done.

    raw (..., 3 BINS - 1): unconstrained widths and heights of the bins and slopes at the inner knots.
    """
    knots_x, knots_y, slopes = knots(raw)
    inside = x.abs() < BOUND
    at = torch.where(inside, x, torch.zeros_like(x))
    bins = torch.searchsorted((knots_y if inverse else knots_x)[..., 1:-1].contiguous(), at[..., None].contiguous())

    def of(values: Tensor) -> tuple[Tensor, Tensor]:
        return values.gather(-1, bins)[..., 0], values.gather(-1, bins + 1)[..., 0]

    (x0, x1), (y0, y1), (d0, d1) = of(knots_x), of(knots_y), of(slopes)
    mean_slope = (y1 - y0) / (x1 - x0)
    bend = d0 + d1 - 2 * mean_slope
    if inverse:
        part = at - y0  # the root of a quadratic, in the form without cancellation
        a = (y1 - y0) * (mean_slope - d0) + part * bend
        b = (y1 - y0) * d0 - part * bend
        c = -mean_slope * part
        t = (2 * c / (-b - (b**2 - 4 * a * c).clamp_min(0).sqrt())).clamp(0, 1)
        result = x0 + t * (x1 - x0)
    else:
        t = (at - x0) / (x1 - x0)
        result = y0 + (y1 - y0) * (mean_slope * t**2 + d0 * t * (1 - t)) / (mean_slope + bend * t * (1 - t))
    above = mean_slope**2 * (d1 * t**2 + 2 * mean_slope * t * (1 - t) + d0 * (1 - t) ** 2)
    log_slope = torch.log(above) - 2 * torch.log(mean_slope + bend * t * (1 - t))
    log_slope = -log_slope if inverse else log_slope
    return torch.where(inside, result, x), torch.where(inside, log_slope, torch.zeros_like(x))


def knots(raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Knots in x and y and the slopes there, each (..., BINS + 1), from unconstrained numbers (..., 3 BINS - 1)."""
    widths, heights, inner = raw.split((BINS, BINS, BINS - 1), -1)

    def edges(share: Tensor) -> Tensor:
        share = _LEAST_BIN + (1 - _LEAST_BIN * BINS) * softmax(share, -1)
        return pad(2 * BOUND * share.cumsum(-1)[..., :-1] - BOUND, (1, 0), value=-BOUND)

    slopes = torch.exp(_LARGEST_LOG_SLOPE * torch.tanh(inner / _LARGEST_LOG_SLOPE))
    knots_x, knots_y = (pad(edges(share), (0, 1), value=BOUND) for share in (widths, heights))
    return knots_x, knots_y, pad(slopes, (1, 1), value=1.0)
