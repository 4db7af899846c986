"""Change of the emulator's spectra by a star's physics: structure s, second shape, strength n of iron's departures.

The change of flux over continuum at R = 60 000, of the whole spectrum, is expanded in components whose coefficients are
Gaussian processes. Their kernel says what is known of such changes: smooth in the atmosphere, hardly more than linear in the
physics, and for each abundance linear beside that,

    k = Matern52(atmosphere) (sum_q w_q phi_q phi'_q) (1 + sum_X v_X x_X x'_X),

with phi_q the products of s, second shape and n up to the second order (Rasmussen & Williams 2006, section 4.2.4). Further
components of the emulator's basis, they are rotated, degraded and averaged over pixels together with the others.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..parameters import as_described, load_parameters, save_parameters, tensors_of
from .kernels import N_ATMOSPHERE, emulator_inputs, matern52, matern_gradient, physics_of
from .nlte_change import STRUCTURED

KIND = "physics-change"
"""Kind of the weights on their card."""
CENTRE, SCALE = (0.55, 0.0, 1.25), (0.5, 1.0, 0.72)
"""Middle and spread of s, second shape and n among the stars that are synthesised."""
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (2, 2))
N_FEATURES = 1 + len(CENTRE) + len(_PAIRS)


def features(physics: Tensor) -> Tensor:
    """Features phi (n, 9) of physics (n, 3): s, second shape, n."""
    y = (physics - physics.new_tensor(CENTRE)) / physics.new_tensor(SCALE)
    return torch.cat([torch.ones_like(y[:, :1]), y, torch.stack([y[:, i] * y[:, j] for i, j in _PAIRS], 1)], 1)


def feature_gradients(physics: Tensor) -> Tensor:
    """Gradients (n, 3, 9) of the features with respect to physics (n, 3)."""
    scale = physics.new_tensor(SCALE)
    y = (physics - physics.new_tensor(CENTRE)) / scale
    out = physics.new_zeros(len(physics), len(CENTRE), N_FEATURES)
    for k in range(len(CENTRE)):
        out[:, k, 1 + k] = 1 / scale[k]
        for q, (i, j) in enumerate(_PAIRS):
            out[:, k, 1 + len(CENTRE) + q] = ((i == k) * y[:, j] + (j == k) * y[:, i]) / scale[k]
    return out


@dataclass(frozen=True, eq=False)
class PhysicsKernel:
    """Inverse lengths `scales` (5,) of the atmosphere, weights (9,) of the features, `abundances` (21,) of the abundances."""

    scales: Tensor
    features: Tensor
    abundances: Tensor

    def covariance(self, x: Tensor, phi: Tensor, anchors: Tensor, of_anchors: Tensor) -> Tensor:
        """Covariance (n, m) of stars of inputs x (n, 26) and features phi (n, 9) with others."""
        smooth = matern52(x[:, :N_ATMOSPHERE], anchors[:, :N_ATMOSPHERE], self.scales)
        linear = 1 + (x[:, N_ATMOSPHERE:] * self.abundances) @ anchors[:, N_ATMOSPHERE:].T
        return smooth * ((phi * self.features) @ of_anchors.T) * linear

    def gradients(self, x: Tensor, physics: Tensor, anchors: Tensor, of_anchors: Tensor) -> Tensor:
        """Gradients (n, 29, m) of the covariance with respect to the inputs x (n, 26), then to physics (n, 3)."""
        smooth = matern52(x[:, :N_ATMOSPHERE], anchors[:, :N_ATMOSPHERE], self.scales)
        linear = 1 + (x[:, N_ATMOSPHERE:] * self.abundances) @ anchors[:, N_ATMOSPHERE:].T
        of_physics = (features(physics) * self.features) @ of_anchors.T
        by_atmosphere = matern_gradient(x[:, :N_ATMOSPHERE], anchors[:, :N_ATMOSPHERE], self.scales)
        by_abundance = (self.abundances[:, None] * anchors[:, N_ATMOSPHERE:].T)[None]
        by_physics = (feature_gradients(physics) * self.features) @ of_anchors.T
        return torch.cat(
            [
                by_atmosphere * (of_physics * linear)[:, None],
                by_abundance * (smooth * of_physics)[:, None],
                by_physics * (smooth * linear)[:, None],
            ],
            1,
        )


@dataclass(frozen=True, eq=False)
class PhysicsBlock:
    """Components that share a kernel: its parameters, and weights (m, k) of the training stars."""

    scales: Tensor
    features: Tensor
    abundances: Tensor
    weights: Tensor

    @property
    def kernel(self) -> PhysicsKernel:
        """The kernel of the components."""
        return PhysicsKernel(self.scales, self.features, self.abundances)


@dataclass(frozen=True, eq=False)
class PhysicsChange:
    """The change by physics: blocks, and basis (k, n_pixels).

    anchors (m, 26) and physics_anchors (m, 3): inputs and physics of the training stars. residuals (m, k):
    leave-one-out errors of the training stars' coefficients.
    """

    anchors: Tensor
    physics_anchors: Tensor
    blocks: tuple[PhysicsBlock, ...]
    basis: Tensor
    residuals: Tensor

    @property
    def physics(self) -> str:
        """Name of the physics, for cards."""
        return f"nlte-li-mg-ca-fe-{STRUCTURED}"

    @property
    def n_pixels(self) -> int:
        """Number of wavelengths of the emulator's grid."""
        return self.basis.shape[1]

    def coefficients(self, labels: Tensor) -> Tensor:
        """Coefficients (n, k), double, of the basis for the emulator's labels (n, 28)."""
        x, phi = emulator_inputs(labels.double()), features(physics_of(labels.double()))
        anchors, far = self.anchors, features(self.physics_anchors)
        return torch.cat([b.kernel.covariance(x, phi, anchors, far) @ b.weights for b in self.blocks], 1)

    def gradients(self, labels: Tensor) -> Tensor:
        """Gradients (n, 29, k) of the coefficients with respect to the emulator's inputs, then the physics."""
        x, physics = emulator_inputs(labels.double()), physics_of(labels.double())
        anchors, far = self.anchors, features(self.physics_anchors)
        return torch.cat([b.kernel.gradients(x, physics, anchors, far) @ b.weights for b in self.blocks], 2)

    def flux(self, labels: Tensor) -> Tensor:
        """Change of the flux over continuum (n, n_pixels) at R = 60 000 for the emulator's labels (n, 28)."""
        return self.coefficients(labels).to(self.basis.dtype) @ self.basis


def physics_tensors(change: PhysicsChange) -> dict[str, Tensor]:
    """Tensors of a change by name, basis and errors in half floats."""
    tensors = {"anchors": change.anchors, "physics_anchors": change.physics_anchors}
    tensors |= {"basis": change.basis.half(), "residuals": change.residuals.half()}
    for i, block in enumerate(change.blocks):
        tensors |= {f"block{i}.{field.name}": getattr(block, field.name) for field in fields(block)}
    return tensors


def physics_from_tensors(tensors: dict[str, Tensor], n_blocks: int) -> PhysicsChange:
    """Change by physics from its tensors by name."""
    blocks = tuple(PhysicsBlock(**tensors_of(f"block{i}", tensors)) for i in range(n_blocks))
    basis, residuals = tensors["basis"].float(), tensors["residuals"]
    return PhysicsChange(tensors["anchors"], tensors["physics_anchors"], blocks, basis, residuals)


def save_physics_change(change: PhysicsChange, path: Path, card: dict[str, Any]) -> None:
    """Write the tensors of a change and its card, each whole or not at all."""
    save_parameters(path, physics_tensors(change), {"kind": KIND, "blocks": len(change.blocks)} | card)


def load_physics_change(path: Path) -> tuple[PhysicsChange, dict[str, Any]]:
    """Read a change and its card. Raises ParametersError where they cannot be used."""
    tensors, card = load_parameters(path, KIND)
    with as_described(path, KIND):
        return physics_from_tensors(tensors, int(card["blocks"])), card
