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

from ..parameters import as_described, load_parameters, save_parameters
from ..prior import N_TARGETS
from ..targets import TARGETS
from .network import Architecture, make_flow

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
        self.flow = make_flow(
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

    def log_prob(self, labels: Tensor, condition: Tensor) -> Tensor:
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
    save_parameters(
        path, dict(network.state_dict()), {"kind": KIND, "architecture": asdict(network.architecture)} | card
    )


def load_paper_network(path: Path) -> PaperNetwork:
    """The network, in evaluation mode; raises ParametersError when it cannot be used."""
    tensors, card = load_parameters(path, KIND)
    with as_described(path, KIND):
        names = {name: tensors[f"standards.{name}"] for name in Standards.__dataclass_fields__}
        architecture = card["architecture"] | {"features": tuple(card["architecture"]["features"])}
        network = PaperNetwork(PaperArchitecture(**architecture), Standards(**names))
        network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


PAPER_SNR: tuple[int, ...] = (10, 12, 14, 16, 18, 20, 23, 26, 30, 35, 40, 45, 50, 80, 100, 130, 180, 250, 1000)
"""S/N per Angstrom at which they report."""

_TARGETS = ("teff", "logg", "feh", "vbroad", "vmic", "ca_fe", "mg_fe", "li_fe")

_NRMSE = {
    1000: (0.008, 0.028, 0.020, 0.012, 0.180, 0.071, 0.066, 0.054),
    250: (0.008, 0.031, 0.020, 0.013, 0.182, 0.076, 0.071, 0.056),
    180: (0.009, 0.033, 0.021, 0.013, 0.184, 0.079, 0.075, 0.057),
    130: (0.009, 0.035, 0.022, 0.015, 0.188, 0.084, 0.081, 0.059),
    100: (0.011, 0.039, 0.023, 0.016, 0.191, 0.090, 0.087, 0.060),
    80: (0.012, 0.043, 0.025, 0.018, 0.195, 0.094, 0.095, 0.063),
    50: (0.015, 0.054, 0.029, 0.026, 0.207, 0.111, 0.110, 0.069),
    45: (0.016, 0.058, 0.031, 0.029, 0.212, 0.115, 0.115, 0.071),
    40: (0.018, 0.059, 0.031, 0.031, 0.217, 0.120, 0.119, 0.073),
    35: (0.019, 0.064, 0.035, 0.037, 0.223, 0.126, 0.123, 0.075),
    30: (0.022, 0.070, 0.036, 0.039, 0.231, 0.132, 0.129, 0.078),
    26: (0.024, 0.073, 0.040, 0.044, 0.239, 0.138, 0.134, 0.082),
    23: (0.027, 0.079, 0.044, 0.050, 0.244, 0.144, 0.138, 0.083),
    20: (0.031, 0.086, 0.050, 0.059, 0.252, 0.148, 0.141, 0.086),
    18: (0.033, 0.091, 0.053, 0.064, 0.258, 0.151, 0.146, 0.089),
    16: (0.036, 0.096, 0.058, 0.073, 0.264, 0.155, 0.146, 0.091),
    14: (0.041, 0.102, 0.064, 0.076, 0.270, 0.162, 0.151, 0.094),
    12: (0.047, 0.112, 0.071, 0.083, 0.278, 0.165, 0.156, 0.099),
    10: (0.056, 0.120, 0.083, 0.096, 0.287, 0.170, 0.161, 0.105),
}  # fmt: skip


def paper_nrmse(target: str, snr: int) -> float | None:
    """Their NRMSE of the MAP of a target at one S/N; None where they give none."""
    if target not in _TARGETS or snr not in _NRMSE:
        return None
    return _NRMSE[snr][_TARGETS.index(target)]
