"""The fast sampler: FrEIA's weights and FrEIA's samples, many stars at once, the log density from the same inverse pass."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import linear

from .glow import ATAN, Glow, read_glow
from .network import Network
from .subnets import Precision, reduced_helps, subnet_for

_CPU_ROWS, _CPU_STARS = 4096, 32  # samples and stars at once on a processor
_GPU_ROWS = 2**18


class Sampler:
    """Samples of a network's flow for any number of stars; `told` says in words what it runs on and with.

    Where the hardware has no bfloat16 the reduced precision is the full one; where the flow is not one that `read_glow`
    knows, FrEIA's own reverse pass does the work.
    """

    def __init__(self, network: Network, precision: Precision = Precision.FULL) -> None:
        self.network = network
        self.device = next(network.parameters()).device
        reduced = precision is Precision.REDUCED and reduced_helps(self.device)
        self.precision = Precision.REDUCED if reduced else Precision.FULL
        self._glow = read_glow(network.flow)
        self._invert = self._inverse
        if self._glow is None:
            self.told = f"FrEIA's reverse pass on {self.device}: the fast sampler does not know this flow"
            return
        subnet = subnet_for(self.device, self.precision)
        self._subnets = [subnet(half.layers) for half in self._glow.halves]
        self._condition_weight = torch.cat([half.condition_weight for half in self._glow.halves])
        self._condition_bias = torch.cat([half.condition_bias for half in self._glow.halves])
        if self.device.type == "cuda":
            self._invert = torch.compile(self._inverse, dynamic=False)
        self.told = f"fast sampler on {self.device}, {self.precision.value} precision"

    @property
    def operations(self) -> int:
        """Floating point operations of one sample in the subnets' layers, the condition's part apart; 0 for FrEIA's pass."""
        halves = () if self._glow is None else self._glow.halves
        weights = [w for half in halves for w in (half.layers.first, half.layers.second, half.layers.last)]
        return 2 * sum(w.numel() for w in weights)

    @torch.no_grad()
    def sample(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Prior coordinates z (s, n, 13) and log density (s, n) of latents (n, 13) under the conditions (s, c) of s stars.

        Where memory runs out the number of stars at once is halved, down to one.
        """
        if self._glow is None:
            return self._by_freia(latent, condition)
        n, stars = len(latent), len(condition)
        share = linear(condition, self._condition_weight, self._condition_bias).view(stars, len(self._subnets), -1)
        log_normal = -0.5 * (latent**2).sum(1) - 0.5 * latent.shape[1] * math.log(2 * math.pi)
        on_cpu = self.device.type == "cpu"
        rows = min(n, _CPU_ROWS) if on_cpu else n
        at_once = min(_CPU_STARS, max(1, _CPU_ROWS // n)) if on_cpu else max(1, _GPU_ROWS // n)
        z, log_density = latent.new_empty(stars, n, latent.shape[1]), latent.new_empty(stars, n)
        done = 0
        while done < stars:
            block = slice(done, min(done + at_once, stars))
            try:
                for i in range(0, n, rows):
                    some = slice(i, i + rows)
                    found, log_jacobian = self._invert(self._glow, latent[some], share[block])
                    if self._glow.normal is not None:
                        found, more = self._glow.normal.undo(found, condition[block])
                        log_jacobian = log_jacobian + more[:, None]
                    z[block, some], log_density[block, some] = found, log_normal[some] + log_jacobian
            except torch.OutOfMemoryError:
                if at_once == 1:
                    raise
                at_once = max(1, min(at_once, stars) // 2)
            else:
                done = block.stop
        return z, log_density

    def _inverse(self, glow: Glow, latent: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates (s, n, 13) and log |d latent / d z| (s, n) of latents (n, 13) for shares (s, halves, width)."""
        stars = len(share)
        x = latent.T.repeat(1, stars)  # coordinates first: what a coupling reads or moves lies together
        total = x.new_zeros(x.shape[1])
        for i, (half, subnet) in enumerate(zip(glow.halves, self._subnets, strict=True)):
            output = subnet(x[half.reads].T.contiguous(), share[:, i]).T.contiguous()
            m = len(half.moves)
            s = torch.atan(output[:m]).mul_(half.clamp * ATAN)
            total += s.sum(0)
            x[half.moves] = (x[half.moves] - output[m:]).mul_(torch.exp(-s))
        return x[glow.order].T.view(stars, -1, len(x)), total.view(stars, -1)

    def _by_freia(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        stars = []
        for c in condition:
            parts = [self.network.sample(x, c.expand(len(x), -1)) for x in latent.split(_CPU_ROWS)]
            stars.append((torch.cat([z for z, _ in parts]), torch.cat([q for _, q in parts])))
        return torch.stack([z for z, _ in stars]), torch.stack([q for _, q in stars])
