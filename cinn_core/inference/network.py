"""The conditional invertible network: an embedding of the compressed spectrum and a flow over prior coordinates.

The flow is that of FrEIA's modules (`tests/inference/test_flow.py` holds the two equal), written out because FrEIA imports all
of scipy.stats; what samples it and what gives its gradient read the description of it in `flow.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..errors import ParametersError
from ..instrument import ARMS, N_COVERAGE
from ..prior import N_TARGETS

_COUPLING = "affine"


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
    normal: bool = True

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Architecture:
        """Architecture of a weights file's card; without the key `normal` there is no conditional normal.

        Raises ParametersError for couplings other than affine ones.
        """
        sizes = {"normal": False} | dict(card)
        coupling = sizes.pop("coupling", _COUPLING)
        if coupling != _COUPLING:
            raise ParametersError(
                f"The network has couplings of kind {coupling!r}, but this version of Kiel knows only {_COUPLING!r} ones; "
                "train it again with `kiel train network`."
            )
        return cls(**sizes)

    def to_card(self) -> dict[str, float | str]:
        """Sizes by name, and the kind of the couplings, as a card holds them."""
        return asdict(self) | {"coupling": _COUPLING}


@dataclass(frozen=True, eq=False)
class Observation:
    """Input of the network for n stars.

    coefficients (n, k) of the projection; log_snr (n, arms) ln S/N per Angstrom; coverage (n, N_COVERAGE) fraction of
    pixels present in each 50 Angstrom block and in the lithium line; realism (n,) 0 for a clean simulation, 1 for a real spectrum.
    """

    coefficients: Tensor
    log_snr: Tensor
    coverage: Tensor
    realism: Tensor

    def to(self, device: torch.device) -> Observation:
        """The same observation on a device."""
        return Observation(*(tensor.to(device) for tensor in vars(self).values()))

    def rows(self, part: slice) -> Observation:
        """Observation of some of the stars."""
        return Observation(*(tensor[part] for tensor in vars(self).values()))


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

    def forward(self, observation: Observation) -> Tensor:
        """Condition (n, c) of n stars."""
        x = torch.cat(
            [
                observation.coefficients / self.spread,
                torch.asinh(observation.coefficients / self.noise) / 2,
                (observation.log_snr - 4.3) / 1.5,
                2 * observation.coverage - 1,
                observation.realism[:, None],
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
        self.flow = make_flow(architecture)

    def log_prob(self, z: Tensor, condition: Tensor) -> Tensor:
        """Log probability density (n,) of prior coordinates z (n, 13) under conditions (n, c)."""
        latent, log_jacobian = self.flow(z, c=[condition])
        return log_jacobian - 0.5 * (latent**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)

    def sample(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Prior coordinates z (n, 13) of latents (n, 13) and their log density (n,), from one inverse pass of all modules."""
        z, log_jacobian = self.flow(latent, c=[condition], rev=True)
        return z, -log_jacobian - 0.5 * (latent**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)


class FlowModules(nn.Module):
    """Modules one after the other, or undone from the last to the first; parameters have the names that FrEIA gives them."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.module_list = nn.ModuleList(modules)

    def forward(self, x: Tensor, c: Sequence[Tensor], rev: bool = False) -> tuple[Tensor, Tensor]:
        """Mapped points (n, 13) of points (n, 13) under the conditions c[0] (n, c), and the log Jacobian (n,)."""
        total = x.new_zeros(len(x))
        for module in reversed(self.module_list) if rev else self.module_list:
            x, log_jacobian = module(x, c[0], rev)
            total = total + log_jacobian
        return x, total


class Permutation(nn.Module):
    """Fixed permutation of n coordinates, drawn with a seed as FrEIA's PermuteRandom draws it."""

    def __init__(self, n: int, seed: int) -> None:
        super().__init__()
        order = np.random.RandomState(seed).permutation(n)
        self.perm = nn.Parameter(torch.as_tensor(order), requires_grad=False)
        self.perm_inv = nn.Parameter(torch.as_tensor(np.argsort(order)), requires_grad=False)

    def forward(self, x: Tensor, condition: Tensor, rev: bool = False) -> tuple[Tensor, Tensor]:
        """Points (n, 13) in the other order, and a log Jacobian of 0 (n,)."""
        return x[:, self.perm_inv if rev else self.perm], x.new_zeros(len(x))


class Coupling(nn.Module):
    """GLOW coupling (Kingma & Dhariwal 2018) of n coordinates, the equations at the head of `flow.py`; FrEIA's GLOWCouplingBlock."""

    def __init__(self, n: int, condition: int, subnet: Callable[[int, int], nn.Sequential], clamp: float) -> None:
        super().__init__()
        self.split_len1, self.split_len2 = n // 2, n - n // 2
        self.clamp = clamp
        self.subnet1 = subnet(self.split_len1 + condition, 2 * self.split_len2)
        self.subnet2 = subnet(self.split_len2 + condition, 2 * self.split_len1)

    def forward(self, x: Tensor, condition: Tensor, rev: bool = False) -> tuple[Tensor, Tensor]:
        """Mapped points (n, 13) under conditions (n, c), and the log Jacobian (n,)."""
        first, second = x[:, : self.split_len1], x[:, self.split_len1 :]
        if rev:
            s1, t1 = self._scale_and_shift(self.subnet1, first, condition)
            second = (second - t1) * torch.exp(-s1)
            s2, t2 = self._scale_and_shift(self.subnet2, second, condition)
            first = (first - t2) * torch.exp(-s2)
            return torch.cat([first, second], 1), -s1.sum(1) - s2.sum(1)
        s2, t2 = self._scale_and_shift(self.subnet2, second, condition)
        first = torch.exp(s2) * first + t2
        s1, t1 = self._scale_and_shift(self.subnet1, first, condition)
        second = torch.exp(s1) * second + t1
        return torch.cat([first, second], 1), s1.sum(1) + s2.sum(1)

    def _scale_and_shift(self, subnet: nn.Module, read: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        s, t = subnet(torch.cat([read, condition], 1)).chunk(2, 1)
        return self.clamp * (ATAN * torch.atan(s)), t


ATAN = 0.636
"""FrEIA's 2 / pi in the clamp, with which networks were trained."""


def make_flow(architecture: Architecture) -> FlowModules:
    """Couplings as in GLOW (Kingma & Dhariwal 2018), each after a fixed random permutation; a conditional normal before them."""
    condition, subnet = architecture.condition, _three_layers(architecture.coupling_width)
    modules: list[nn.Module] = [ConditionalNormal(N_TARGETS, condition)] if architecture.normal else []
    for i in range(architecture.couplings):
        modules.append(Permutation(N_TARGETS, architecture.permutation_seed + i))
        modules.append(Coupling(N_TARGETS, condition, subnet, architecture.clamp))
    return FlowModules(modules)


def _three_layers(width: int) -> Callable[[int, int], nn.Sequential]:
    """Maker of three fully connected layers; the last begins at zero, so that the flow begins as the identity."""

    def build(inputs: int, outputs: int) -> nn.Sequential:
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)

    return build


class ConditionalNormal(nn.Module):
    """Conditional normal as a layer: it brings a posterior to unit scale, its correlations taken out.

        latent = exp(a) * (I + N)(z - mu),    N strictly lower triangular; mu, N and a linear in the condition.

    Alone it would be the posterior N(mu, S) with S^-1 = (I + N)^T exp(2 a) (I + N). The couplings after it then only
    describe how the posterior differs from this, at whatever width it has. It begins as the identity.
    """

    def __init__(self, n: int, condition: int) -> None:
        super().__init__()
        self.n = n
        self.below = torch.tril_indices(n, n, -1)
        self.head = nn.Linear(condition, 2 * n + self.below.shape[1])
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

    def forward(self, x: Tensor, condition: Tensor, rev: bool = False) -> tuple[Tensor, Tensor]:
        """Mapped points (n, 13) under conditions (n, c), and the log Jacobian (n,)."""
        if rev:
            y, log_jacobian = self.undo(x[:, None], condition)
            return y[:, 0], -log_jacobian
        mean, whitening, log_scale = self.parts(condition)
        y = (whitening * (x - mean)[:, None]).sum(-1)  # not a product that autocast would round
        return y, log_scale.sum(1)
