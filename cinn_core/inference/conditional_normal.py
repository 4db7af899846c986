"""A conditional normal as a layer of FrEIA's framework: it brings a posterior to unit scale, its correlations taken out.

    latent = exp(a) * (I + N)(z - mu),    N strictly lower triangular; mu, N and a linear in the condition.

Alone it would be the posterior N(mu, S) with S^-1 = (I + N)^T exp(2 a) (I + N). The couplings after it then only have to
tell in what the posterior differs from this, at whatever width it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import FrEIA.modules as Fm
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

Density = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From points (n, 13) to their log density (n,) and its gradient (n, 13)."""


class ConditionalNormal(Fm.InvertibleModule):
    """mu, N and a from one linear layer of the condition; begins as the identity."""

    def __init__(self, dims_in: Sequence[tuple[int]], dims_c: Sequence[tuple[int]]) -> None:
        super().__init__(dims_in, dims_c)
        self.n = dims_in[0][0]
        self.below = torch.tril_indices(self.n, self.n, -1)
        self.head = nn.Linear(dims_c[0][0], 2 * self.n + self.below.shape[1])
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def parts(self, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """mu (n, 13), exp(a) * (I + N) (n, 13, 13) and a (n, 13) of conditions (n, c)."""
        with torch.autocast(condition.device.type, enabled=False):  # narrow posteriors need single precision
            outputs = linear(condition, self.head.weight, self.head.bias)
        mean, log_scale, below = outputs.split((self.n, self.n, self.below.shape[1]), 1)
        unit = torch.eye(self.n, dtype=outputs.dtype, device=outputs.device).repeat(len(condition), 1, 1)
        unit[:, self.below[0], self.below[1]] = below
        return mean, torch.exp(log_scale)[..., None] * unit, log_scale

    def undo(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """z (s, n, 13) of latents (s, n, 13) under the conditions (s, c) of s stars, and log |d latent / d z| (s,)."""
        mean, whitening, log_scale = self.parts(condition)
        unit = torch.eye(self.n, dtype=latent.dtype, device=latent.device)
        root = torch.linalg.solve_triangular(whitening, unit, upper=False)
        return torch.baddbmm(mean[:, None], latent, root.transpose(1, 2)), log_scale.sum(1)

    @torch.no_grad()
    def before(self, density: Density, condition: Tensor) -> Density:
        """A density of latents and its gradient as those of z, under conditions (n or 1, c), both but for a constant."""
        mean, by_z, log_scale = self.parts(condition)

        def of_z(z: Tensor) -> tuple[Tensor, Tensor]:
            log_density, row = density((by_z @ (z - mean)[..., None])[..., 0])
            return log_density + log_scale.sum(1), (row[:, None] @ by_z)[:, 0]

        return of_z

    @torch.no_grad()
    def slopes(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """latent (n, 13), d latent / d z (n, 13, 13) and d latent / d condition (n, 13, c) at z (n, 13) under (n or 1, c)."""
        mean, by_z, log_scale = self.parts(condition)
        off, scale = z - mean, torch.exp(log_scale)
        latent = (by_z * off[:, None]).sum(-1)
        rows, columns = self.below
        by_below = z.new_zeros(*latent.shape, len(rows))
        by_below[:, rows, torch.arange(len(rows))] = scale[:, rows] * off[:, columns]
        by_z = by_z.expand(len(z), -1, -1)
        by_output = torch.cat([-by_z, torch.diag_embed(latent), by_below], 2)
        return latent, by_z, by_output @ self.head.weight

    def forward(
        self, x_or_z: Sequence[Tensor], c: Sequence[Tensor], rev: bool = False, jac: bool = True
    ) -> tuple[tuple[Tensor], Tensor]:
        (x,), (condition,) = x_or_z, c
        if rev:
            y, log_jacobian = self.undo(x[:, None], condition)
            return (y[:, 0],), -log_jacobian
        mean, whitening, log_scale = self.parts(condition)
        y = (whitening * (x - mean)[:, None]).sum(-1)  # not a product that autocast would round
        return (y,), log_scale.sum(1)

    def output_dims(self, input_dims: Sequence[tuple[int]]) -> Sequence[tuple[int]]:
        return input_dims
