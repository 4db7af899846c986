"""The conditional invertible network: an embedding of the compressed spectrum and a flow over prior coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import FrEIA.framework as Ff
import FrEIA.modules as Fm
import numpy as np
import torch
from torch import Tensor, nn

from ..instrument import ARMS, N_COVERAGE
from ..prior import N_TARGETS
from .conditional_normal import ConditionalNormal
from .spline import SplineCouplingBlock


class Coupling(StrEnum):
    """What a coupling does to a coordinate: GLOW's affine map alone, or with a rational-quadratic spline after it."""

    AFFINE = "affine"
    SPLINE = "spline"


_BLOCKS = {Coupling.AFFINE: Fm.GLOWCouplingBlock, Coupling.SPLINE: SplineCouplingBlock}


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network.

    An embedding layer is a residual block of two linear ones; `clamp` is FrEIA's (exponent limited to
    clamp * 0.636 * atan); `normal`: whether a conditional normal stands before the couplings.
    """

    n_components: int = 256
    embedding_width: int = 512
    embedding_layers: int = 4
    condition: int = 128
    couplings: int = 6
    coupling_width: int = 256
    clamp: float = 2.0
    permutation_seed: int = 0
    coupling: Coupling = Coupling.AFFINE
    normal: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "coupling", Coupling(self.coupling))  # a card holds its name

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Architecture:
        """Of a weights file's card; one that does not name the conditional normal has none."""
        return cls(**({"normal": False} | dict(card)))

    def to_card(self) -> dict[str, float | str]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Observation:
    """What the network is told about n stars.

    coefficients (n, k) of the projection; log_snr (n, arms) ln S/N per Angstrom; coverage (n, N_COVERAGE) fraction of
    pixels present in each 50 Angstrom block and in the lithium line; realism (n,) 0 for a clean simulation, 1 for a real spectrum.
    """

    coefficients: Tensor
    log_snr: Tensor
    coverage: Tensor
    realism: Tensor


class Embedding(nn.Module):
    """Residual network from an observation to the flow's condition.

    Coefficients enter twice, over their spread and over the noise of S/N 250 per Angstrom compressed by asinh: the
    first keeps the large ones precise, the second shows the small ones that carry abundances.
    """

    spread: Tensor
    noise: Tensor

    def __init__(self, architecture: Architecture, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("spread", spread)
        self.register_buffer("noise", torch.tensor(1.0 / (250 * math.sqrt(0.1))))
        inputs = 2 * architecture.n_components + len(ARMS) + N_COVERAGE + 1
        width = architecture.embedding_width
        self.first = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(architecture.embedding_layers)
        )
        for block in self.blocks:  # every block begins as the identity
            *_, last = block.children()
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, architecture.condition))

    def forward(self, seen: Observation) -> Tensor:
        x = torch.cat(
            [
                seen.coefficients / self.spread,
                torch.asinh(seen.coefficients / self.noise) / 2,
                (seen.log_snr - 4.3) / 1.5,
                2 * seen.coverage - 1,
                seen.realism[:, None],
            ],
            1,
        )
        with torch.autocast(x.device.type, enabled=False):  # small coefficients beside large ones need single precision
            x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        with torch.autocast(x.device.type, enabled=False):  # narrow posteriors need it at the end too
            return self.last(x)


class Network(nn.Module):
    """Embedding and flow; the latent is a 13-D standard normal, the output prior coordinates of the targets."""

    def __init__(self, architecture: Architecture, spread: Tensor) -> None:
        super().__init__()
        self.architecture = architecture
        self.embedding = Embedding(architecture, spread)
        self.flow = couplings(architecture)

    def log_density(self, z: Tensor, condition: Tensor) -> Tensor:
        """Log density (n,) of prior coordinates z (n, 13) under conditions (n, c)."""
        latent, log_jacobian = self.flow(z, c=[condition])
        return log_jacobian - 0.5 * (latent**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)

    def sample(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Prior coordinates z (n, 13) of latents (n, 13) and their log density (n,), from one inverse pass."""
        z, log_jacobian = self.flow(latent, c=[condition], rev=True)
        return z, -log_jacobian - 0.5 * (latent**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)


def couplings(architecture: Architecture) -> Ff.SequenceINN:
    """Couplings as in GLOW (Kingma & Dhariwal 2018), each after a fixed random permutation; a conditional normal before them."""
    state = np.random.get_state()  # noqa: NPY002 (PermuteRandom reseeds numpy's global generator; put it back)
    flow = Ff.SequenceINN(N_TARGETS)
    if architecture.normal:
        flow.append(ConditionalNormal, cond=0, cond_shape=(architecture.condition,))
    for i in range(architecture.couplings):
        flow.append(Fm.PermuteRandom, seed=architecture.permutation_seed + i)
        flow.append(
            _BLOCKS[architecture.coupling],
            cond=0,
            cond_shape=(architecture.condition,),
            subnet_constructor=three_layers(architecture.coupling_width),
            clamp=architecture.clamp,
        )
    np.random.set_state(state)  # noqa: NPY002
    return flow


def three_layers(width: int) -> Callable[[int, int], nn.Module]:
    """Three fully connected layers; the last begins at zero, so that the flow begins as the identity."""

    def build(inputs: int, outputs: int) -> nn.Module:
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)

    return build
