"""Inputs of the emulator's Gaussian processes, and their kernels with gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from ..targets import PHYSICS_DEFAULTS, SOLAR_A_LI, SYNTHESIS_NAMES

_COLUMN = {name: i for i, name in enumerate(SYNTHESIS_NAMES)}
N_INPUTS = len(SYNTHESIS_NAMES) + 1
N_PHYSICS = len(PHYSICS_DEFAULTS)
N_ATMOSPHERE = 5
"""Number of inputs of the model atmosphere, which come first; the others are abundances."""


def physics_of(labels: Tensor) -> Tensor:
    """The physics (n, 3) of labels (n, 28) of an emulator, as it is; nothing (n, 0) of those of a synthesis (n, 25)."""
    return labels[:, len(SYNTHESIS_NAMES) :]


def emulator_inputs(labels: Tensor) -> Tensor:
    """Scaled inputs (n, 26) of labels (n, 25 or 28): 5040 K / Teff, log g, [Fe/H], vmic, [alpha/Fe], A(Li), [X/Fe]."""
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
    return torch.cat([atmosphere, (labels[:, 5 : len(SYNTHESIS_NAMES)] - 0.1) / 0.4], 1)


def matern52(x: Tensor, anchors: Tensor, scales: Tensor) -> Tensor:
    """Matern-5/2 covariance (..., n, m) of x (n, d) with anchors (m, d) for inverse lengths `scales` (..., d).

    Rasmussen & Williams (2006), eq. 4.17.
    """
    r = matern_distance(x, anchors, scales)
    return torch.addcmul(1 + r, r, r, value=1 / 3) * torch.exp(-r)


def matern_gradient(x: Tensor, anchors: Tensor, scales: Tensor) -> Tensor:
    """Gradients (n, d, m), with respect to x (n, d), of the Matern-5/2 covariance with anchors (m, d) for `scales` (d,)."""
    r = matern_distance(x, anchors, scales)
    factor = (5 / 3) * (1 + r) * torch.exp(-r)
    return factor[:, None] * ((anchors.T - x[:, :, None]) * (scales**2)[:, None])


def matern_distance(x: Tensor, anchors: Tensor, scales: Tensor) -> Tensor:
    """Distance (..., n, m) of x (n, d) from anchors (m, d), times sqrt(5), for inverse lengths `scales` (..., d)."""
    squares = scales**2
    weighted = x * squares[..., None, :]
    squared = (weighted @ anchors.T).mul_(-10)
    squared += 5 * (weighted * x).sum(-1, keepdim=True)
    squared += 5 * (squares @ (anchors**2).T)[..., None, :]
    return squared.clamp_min(5e-10).sqrt_()


def powers(x: Tensor) -> Tensor:
    """Abundances of inputs x (n, 26) with their squares and cubes (n, 63)."""
    abundances = x[:, N_ATMOSPHERE:]
    return torch.cat([abundances, abundances * abundances, abundances * abundances * abundances], 1)


def weighted_powers(x: Tensor, weights: Tensor) -> Tensor:
    """Powers (..., n, 63) of x (n, 26) times weights (..., 3, 21).

    Their product with `powers` of other stars is the covariance of cubics in each abundance (Rasmussen & Williams 2006,
    section 4.2.2).
    """
    return powers(x) * weights.flatten(-2)[..., None, :]


def series_gradient(x: Tensor, anchors: Tensor, scales: Tensor, constant: Tensor, weights: Tensor) -> Tensor:
    """Gradients (n, 26, m), with respect to x (n, 26), of Matern-5/2 in the atmosphere times (`constant` + cubics in abundances).

    anchors (m, 26) inputs; scales (5,) inverse lengths of the atmosphere; weights (3, 21) of the powers.
    """
    near, far = x[:, :N_ATMOSPHERE], anchors[:, :N_ATMOSPHERE]
    cubics = constant + weighted_powers(x, weights) @ powers(anchors).T
    smooth = matern52(near, far, scales)
    abundances, of_anchors = x[:, N_ATMOSPHERE:, None], anchors[:, N_ATMOSPHERE:].T
    gradient = torch.zeros_like(abundances * of_anchors)
    for power in range(len(weights), 0, -1):  # Horner's rule in x times its anchor
        gradient = gradient * abundances * of_anchors + power * weights[power - 1][:, None] * of_anchors
    return torch.cat([matern_gradient(near, far, scales) * cubics[:, None], gradient * smooth[:, None]], 1)
