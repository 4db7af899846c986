"""The network of Ksoll et al. (2026) as far as it is published: every pixel in, standardised labels out.

Published: fluxes and S/N standardised, a feature network 2048-1024-512 -> 256 with ReLU, GLOW couplings with a clamped
exponent and fixed random permutations, subnets of three layers, labels (log10 of Teff and vbroad) standardised.
Not published, and ours, by a short search (`kiel tune --config paper`): how many couplings, how wide, and the clamp.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..prior import N_TARGETS
from ..targets import TARGETS
from ..weights import as_described, load_weights, save_weights
from .network import Architecture, couplings

KIND = "paper network"


@dataclass(frozen=True)
class PaperArchitecture:
    """`features` as published; what the paper leaves open: number of couplings, width of their subnets, clamp (as FrEIA's)."""

    features: tuple[int, ...] = (2048, 1024, 512, 256)
    couplings: int = 12
    coupling_width: int = 384
    clamp: float = 1.0


@dataclass(frozen=True, eq=False)
class Standards:
    """Means and standard deviations of the training set: input (N_PIXELS + 1,), fluxes and S/N; labels (13,)."""

    input_mean: Tensor
    input_sigma: Tensor
    label_mean: Tensor
    label_sigma: Tensor


class PaperNetwork(nn.Module):
    """Feature network and flow between standardised labels (n, 13) and a standard normal."""

    def __init__(self, architecture: PaperArchitecture, standards: Standards) -> None:
        super().__init__()
        self.architecture = architecture
        self.standards = nn.ParameterDict({k: nn.Parameter(v, requires_grad=False) for k, v in vars(standards).items()})
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((len(standards.input_mean), *architecture.features)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.features = nn.Sequential(*layers[:-1])
        self.flow = couplings(
            Architecture(
                condition=architecture.features[-1],
                couplings=architecture.couplings,
                coupling_width=architecture.coupling_width,
                clamp=architecture.clamp,
                normal=False,
            )
        )

    def condition(self, flux: Tensor, snr: Tensor) -> Tensor:
        """Condition (n, c) of fluxes (n, N_PIXELS) and mean S/N per Angstrom (n,)."""
        given = torch.cat([flux, snr[:, None]], 1)
        return self.features((given - self.standards["input_mean"]) / self.standards["input_sigma"])

    def log_density(self, labels: Tensor, condition: Tensor) -> Tensor:
        """Log density (n,) of standardised labels (n, 13)."""
        latent, log_jacobian = self.flow(labels, c=[condition])
        return log_jacobian - 0.5 * (latent**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)

    def sample(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised labels (n, 13) of latents (n, 13) and their log density (n,)."""
        labels, log_jacobian = self.flow(latent, c=[condition], rev=True)
        return labels, -log_jacobian - 0.5 * (latent**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)

    def standardised(self, labels: NDArray) -> Tensor:
        """Standardised labels (n, 13), where the network is, from labels (n, 13) in the targets' units."""
        mean, sigma = self.standards["label_mean"], self.standards["label_sigma"]
        return (torch.as_tensor(logged(labels), dtype=torch.float32, device=mean.device) - mean) / sigma

    def labels(self, standardised: Tensor) -> NDArray:
        """Labels (n, 13) in the targets' units."""
        out = (standardised * self.standards["label_sigma"] + self.standards["label_mean"]).double().numpy()
        for i, target in enumerate(TARGETS):
            if target.log:
                out[:, i] = 10 ** np.clip(out[:, i], -10, 10)
        return out


def logged(labels: NDArray) -> NDArray:
    """Labels (n, 13) with log10 of those that the paper takes so."""
    out = np.array(labels, float)
    for i, target in enumerate(TARGETS):
        if target.log:
            out[:, i] = np.log10(out[:, i])
    return out


def save_paper_network(network: PaperNetwork, path: Path, card: dict[str, Any]) -> None:
    save_weights(path, dict(network.state_dict()), {"kind": KIND, "architecture": asdict(network.architecture)} | card)


def load_paper_network(path: Path) -> PaperNetwork:
    """The network, in evaluation mode; raises WeightsError when it cannot be used."""
    tensors, card = load_weights(path, KIND)
    with as_described(path, KIND):
        names = {name: tensors[f"standards.{name}"] for name in Standards.__dataclass_fields__}
        architecture = card["architecture"] | {"features": tuple(card["architecture"]["features"])}
        network = PaperNetwork(PaperArchitecture(**architecture), Standards(**names))
        network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)
