"""The conditional invertible network: an embedding of the compressed spectrum and a flow over prior coordinates.

The flow is made of FrEIA's modules; what samples it and what gives its gradient read the description of it in `flow.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import FrEIA.framework as Ff
import FrEIA.modules as Fm
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
        """Prior coordinates z (n, 13) of latents (n, 13) and their log density (n,), from one inverse pass of FrEIA's."""
        z, log_jacobian = self.flow(latent, c=[condition], rev=True)
        return z, -log_jacobian - 0.5 * (latent**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)


def make_flow(architecture: Architecture) -> Ff.SequenceINN:
    """Couplings as in GLOW (Kingma & Dhariwal 2018), each after a fixed random permutation; a conditional normal before them."""
    condition = {"cond": 0, "cond_shape": (architecture.condition,)}
    flow = Ff.SequenceINN(N_TARGETS)
    if architecture.normal:
        flow.append(ConditionalNormal, **condition)
    for i in range(architecture.couplings):
        with _numpy_state_kept():
            flow.append(Fm.PermuteRandom, seed=architecture.permutation_seed + i)
        flow.append(
            Fm.GLOWCouplingBlock,
            subnet_constructor=_three_layers(architecture.coupling_width),
            clamp=architecture.clamp,
            **condition,
        )
    return flow


@contextmanager
def _numpy_state_kept() -> Iterator[None]:
    """Put numpy's global generator back afterwards: FrEIA's PermuteRandom reseeds it."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _three_layers(width: int) -> Callable[[int, int], nn.Module]:
    """Maker of three fully connected layers; the last begins at zero, so that the flow begins as the identity."""

    def build(inputs: int, outputs: int) -> nn.Module:
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)

    return build


class ConditionalNormal(Fm.InvertibleModule):
    """Conditional normal as a layer of FrEIA's: it brings a posterior to unit scale, its correlations taken out.

        latent = exp(a) * (I + N)(z - mu),    N strictly lower triangular; mu, N and a linear in the condition.

    Alone it would be the posterior N(mu, S) with S^-1 = (I + N)^T exp(2 a) (I + N). The couplings after it then only
    describe how the posterior differs from this, at whatever width it has. It begins as the identity.
    """

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

    def forward(
        self, x_or_z: Sequence[Tensor], c: Sequence[Tensor], rev: bool = False, jac: bool = True
    ) -> tuple[tuple[Tensor], Tensor]:
        """FrEIA's interface: the mapped points (n, 13) and the log Jacobian (n,)."""
        (x,), (condition,) = x_or_z, c
        if rev:
            y, log_jacobian = self.undo(x[:, None], condition)
            return (y[:, 0],), -log_jacobian
        mean, whitening, log_scale = self.parts(condition)
        y = (whitening * (x - mean)[:, None]).sum(-1)  # not a product that autocast would round
        return (y,), log_scale.sum(1)

    def output_dims(self, input_dims: Sequence[tuple[int]]) -> Sequence[tuple[int]]:
        """FrEIA's interface: the dimensions are kept."""
        return input_dims
