"""Inputs and covariances of the emulator's Gaussian processes."""

from __future__ import annotations

import torch
from torch import Tensor

from ..targets import SOLAR_A_LI, SYNTHESIS_NAMES

_COLUMN = {name: i for i, name in enumerate(SYNTHESIS_NAMES)}
N_INPUTS = len(SYNTHESIS_NAMES) + 1


def emulator_inputs(labels: Tensor) -> Tensor:
    """Scaled inputs (n, 26) of labels (n, 25): 5040 K / Teff, log g, [Fe/H], vmic, [alpha/Fe], A(Li), [X/Fe]."""
    teff, logg, feh, vmic = labels[:, 0], labels[:, 1], labels[:, 2], labels[:, 3]
    alpha = 0.5 * (labels[:, _COLUMN["mg_fe"]] + labels[:, _COLUMN["si_fe"]])
    a_li = labels[:, _COLUMN["li_fe"]] + feh + SOLAR_A_LI
    atmosphere = torch.stack(
        [
            (5040 / teff - 0.95) / 0.12,
            (logg - 3.2) / 1.2,
            (feh + 0.7) / 0.9,
            (vmic - 1.5) / 0.6,
            alpha / 0.3,
            (a_li - 1.6) / 1.5,
        ],
        1,
    )
    return torch.cat([atmosphere, (labels[:, 5:] - 0.1) / 0.4], 1)


def matern52(a: Tensor, b: Tensor) -> Tensor:
    """Matern-5/2 covariance (n, m) of scaled inputs a (n, d) and b (m, d)."""
    r = matern_distance(a, b)
    return (1 + r + r * r / 3) * torch.exp(-r)


def matern_slope(a: Tensor, b: Tensor, amplitude: Tensor | float = 1.0) -> Tensor:
    """-(dk/da) / (a - b) of `amplitude` times the Matern-5/2 covariance k of scaled inputs: (n, m)."""
    r = matern_distance(a, b)
    return (5 / 3) * amplitude * (1 + r) * torch.exp(-r)


def matern_distance(a: Tensor, b: Tensor) -> Tensor:
    """sqrt(5) times the distance (n, m) of scaled inputs a (n, d) and b (m, d)."""
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return torch.sqrt(5 * squared.clamp_min(1e-10))
