"""Learning of the change by physics from stars synthesised in a physics of their own, and its errors on held-out stars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..forward_model.kernels import N_ATMOSPHERE, N_INPUTS, emulator_inputs
from ..forward_model.physics_change import N_FEATURES, PhysicsBlock, PhysicsChange, PhysicsKernel, features
from ..synthesis.grid_file import are_held_out
from .physics_stars import PhysicsStars

_BLOCK_ENDS = (6, 20)  # components that share a kernel: the first six, the next fourteen, the rest
_START_LENGTH, _START_FEATURE, _START_ABUNDANCE, _START_NOISE = -1.0, -1.0, -3.0, -4.0  # logarithms


@dataclass(frozen=True)
class PhysicsChangeSettings:
    """Components, steps and learning rate of the marginal likelihood."""

    components: int = 96
    steps: int = 200
    learning_rate: float = 0.1


def held_out(stars: PhysicsStars) -> NDArray:
    """True (n,) for the test and validation stars, a fifth of all, which take no part in the training."""
    return are_held_out(stars.index)


def learn_physics_change(stars: PhysicsStars, settings: PhysicsChangeSettings) -> PhysicsChange:
    """The change by physics, learned from the stars that are not held out."""
    train = ~held_out(stars)
    x = emulator_inputs(torch.from_numpy(stars.labels[train]).double())
    physics = torch.from_numpy(stars.physics[train]).double()
    change = torch.from_numpy(stars.change[train]).double()
    rows = torch.linalg.svd(change, full_matrices=False).Vh[: settings.components]
    basis = rows.float().half()
    y = change @ basis.double().T
    ends = [*(end for end in _BLOCK_ENDS if end < len(basis)), len(basis)]
    starts = [0, *ends[:-1]]
    learned = [_learn_block(x, physics, y[:, a:b], settings) for a, b in zip(starts, ends, strict=True)]
    residuals = torch.cat([off for _, off in learned], 1)
    return PhysicsChange(x, physics, tuple(block for block, _ in learned), basis.float(), residuals)


def _learn_block(x: Tensor, physics: Tensor, y: Tensor, settings: PhysicsChangeSettings) -> tuple[PhysicsBlock, Tensor]:
    """Components y (n, k) that share a kernel: its parameters of highest marginal likelihood, amplitudes profiled out; and
    leave-one-out errors (n, k) (Rasmussen & Williams 2006, Eq. 5.12)."""
    phi, identity = features(physics), torch.eye(len(x), dtype=torch.float64)
    logs = [
        torch.nn.Parameter(torch.full(shape, start, dtype=torch.float64))
        for shape, start in (
            ((N_ATMOSPHERE,), _START_LENGTH),
            ((N_FEATURES,), _START_FEATURE),
            ((N_INPUTS - N_ATMOSPHERE,), _START_ABUNDANCE),
            ((), _START_NOISE),
        )
    ]
    scaled = y / y.std(0).clamp_min(1e-12)
    optimiser = torch.optim.Adam(logs, lr=settings.learning_rate)

    def covariance() -> Tensor:
        kernel = PhysicsKernel(*(log.exp() for log in logs[:3]))
        return kernel.covariance(x, phi, x, phi) + logs[3].exp() * identity

    for _ in range(settings.steps):
        factor = torch.linalg.cholesky(covariance())
        amplitude = (scaled * torch.cholesky_solve(scaled, factor)).mean(0)
        loss = 0.5 * amplitude.log().mean() + factor.diagonal().log().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        inverse = torch.linalg.inv(covariance())
        weights = inverse @ y
    scales, of_features, abundances = (log.detach().exp() for log in logs[:3])
    return PhysicsBlock(scales, of_features, abundances, weights), weights / inverse.diagonal()[:, None]


def physics_change_errors(change: PhysicsChange, stars: PhysicsStars) -> Mapping[str, float]:
    """Errors in flux over continuum on the held-out stars: rms and median of the change, rms, median and 99th percentile of its error."""
    test = held_out(stars)
    truth = stars.change[test].astype(float)
    labels = torch.from_numpy(np.concatenate([stars.labels[test], stars.physics[test]], 1))
    off = np.abs(change.flux(labels).double().numpy() - truth)
    return {
        "held_out": int(test.sum()),
        "change_rms": float(np.sqrt(np.mean(truth**2))),
        "change_median": float(np.median(np.abs(truth))),
        "error_rms": float(np.sqrt(np.mean(off**2))),
        "error_median": float(np.median(off)),
        "error_p99": float(np.percentile(off, 99)),
    }


def learning_curve(
    stars: PhysicsStars, settings: PhysicsChangeSettings, shares: tuple[float, ...] = (0.25, 0.5, 1.0)
) -> list[tuple[int, float]]:
    """Number of training stars, and rms of the error on the same held-out stars, with part of the training stars."""
    train, out = np.flatnonzero(~held_out(stars)), []
    for share in shares:
        n = max(int(share * train.size), 1)
        some = np.sort(np.concatenate([train[:n], np.flatnonzero(held_out(stars))]))
        part = PhysicsStars(stars.index[some], stars.labels[some], stars.physics[some], stars.change[some])
        out.append((n, physics_change_errors(learn_physics_change(part, settings), part)["error_rms"]))
    return out
