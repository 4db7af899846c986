"""Saliency: which pixels decided each target, as the gradient of the answer with respect to the flux."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from .model import Model
from .network import N_TARGETS, Observation
from .prior import from_z
from .projection import MaskedProjection
from .stages import PosteriorSamples, Saliency

_STEP = 1e-3


def saliency(seen: Observation, posterior: PosteriorSamples, model: Model, masked: MaskedProjection) -> Saliency:
    """d target / d flux (13, N_PIXELS) through the inverse pass at fixed latent (that of the MAP), each row of unit norm.

    Follows Ksoll et al. (2026, sect. on saliency) for one star; missing pixels have none.
    """
    condition = model.network.embedding(seen)
    mode = torch.tensor(posterior.map_z, dtype=torch.float32, device=model.device)[None]
    with torch.no_grad():
        latent, _ = model.network.flow(mode, c=[condition])

    def answer(coefficients: torch.Tensor) -> torch.Tensor:
        moved = Observation(coefficients, seen.log_snr, seen.coverage, seen.realism)
        return model.network.sample(latent, model.network.embedding(moved))[0][0]

    dz = torch.autograd.functional.jacobian(answer, seen.coefficients)[:, 0].cpu().numpy()
    gradient = label_jacobian(posterior.map_z) @ dz @ masked.matrix.T
    norm = np.linalg.norm(gradient, axis=1, keepdims=True)
    return Saliency(gradient / np.where(norm > 0, norm, 1))


def label_jacobian(z: NDArray) -> NDArray:
    """d label / d z (13, 13) at prior coordinates z (13,), by central differences."""
    steps = _STEP * np.eye(N_TARGETS)
    return ((from_z(z + steps) - from_z(z - steps)) / (2 * _STEP)).T
