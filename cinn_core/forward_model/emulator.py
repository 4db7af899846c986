"""The emulator: Gaussian-process regression from 25 labels, and three of the physics, to normalised flux at R = 60 000, in torch.

Spectra of the synthetic grid are expanded in principal components of 1 - flux; blocks of components share a sum of three
kernels, learned by marginal likelihood. Two are Matern-5/2 with a length scale per label (Rasmussen & Williams 2006,
eq. 4.17 and section 2.2): one correlates all stars, the other only those of the emulated line list, so that from stars
computed with another list only the change of spectra with labels is learned. The third expresses that the effect of one
element hardly depends on the other elements: a cubic in each abundance (their section 4.2.2), whose coefficients change
with the atmosphere. The prediction is the posterior mean, linear in stored coefficients: deterministic and
differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ParametersError
from ..parameters import as_described, load_parameters, save_parameters, tensors_of
from .kernels import (
    N_ATMOSPHERE,
    N_PHYSICS,
    emulator_inputs,
    matern52,
    matern_gradient,
    powers,
    series_gradient,
    weighted_powers,
)
from .nlte_change import NlteChange, change_from_tensors, change_tensors
from .physics_change import PhysicsChange, physics_from_tensors, physics_tensors

_FEW = 16
"""Number of stars up to which the kernels of all blocks together are faster; with more they exceed the processor's cache."""


@dataclass(frozen=True, eq=False)
class EmulatorBlock:
    """Principal components that share their kernels.

    shared_scales and own_scales (26,) inverse length scales; weights (n, k), the emulated list's stars first;
    own_amplitude, of the kernel of the emulated list's own stars, relative to the shared one; of the cubics,
    series_scales (5,) of the atmosphere, series_constant and series_weights (3, 21) of x, x² and x³ of each abundance.
    """

    shared_scales: Tensor
    own_scales: Tensor
    own_amplitude: Tensor
    series_scales: Tensor
    series_constant: Tensor
    series_weights: Tensor
    weights: Tensor


@dataclass(frozen=True, eq=False)
class Emulator:
    """An emulator of normalised flux at R = 60 000 on `wavelength` (m,), air Angstrom, constant 2 km/s steps in each arm.

    mean (m,) and basis (k, m) of 1 - flux, the blocks' weights in the basis' order; anchors (n, 26) scaled inputs of
    the training stars, the first `n_own` of them from the emulated line list; residuals (n_own, k) half floats:
    leave-one-out errors of the coefficients of these stars. With `change` the spectra are in NLTE, or of any structure beside
    that: its components are the last of the basis, and what is known of their errors is in the change.
    """

    wavelength: NDArray
    mean: Tensor
    basis: Tensor
    anchors: Tensor
    n_own: int
    blocks: tuple[EmulatorBlock, ...]
    residuals: Tensor
    change: NlteChange | PhysicsChange | None = None

    @cached_property
    def _stars(self) -> TrainingStars:
        return TrainingStars(self.anchors, self.n_own, powers(self.anchors))

    @cached_property
    def _stacked(self) -> EmulatorBlock:
        return stack_blocks(self.blocks)

    @property
    def n_lte(self) -> int:
        """Number of components of the basis in LTE; components of the change follow them."""
        return sum(block.weights.shape[1] for block in self.blocks)

    def flux(self, labels: Tensor) -> Tensor:
        """Normalised flux (n, m) for labels (n, 28) of an emulator; without a change by physics (n, 25) are enough."""
        return 1 - self.mean - self.coefficients(labels) @ self.basis

    def coefficients(self, labels: Tensor) -> Tensor:
        """Coefficients (n, k) of the basis for labels (n, 28).

        In double precision, because large terms of both signs nearly cancel.
        """
        x = emulator_inputs(labels.double())
        if len(x) <= _FEW:
            near = covariance(x, self._stars, self._stacked).unbind()
        else:
            near = tuple(covariance(x, self._stars, block) for block in self.blocks)
        columns = [part @ block.weights for part, block in zip(near, self.blocks, strict=True)]
        if self.change is not None:
            columns.append(self.change.coefficients(labels))
        return torch.cat(columns, 1).to(self.basis.dtype)

    def coefficient_gradients(self, labels: Tensor) -> Tensor:
        """Gradients (n, 29, k), double, of the coefficients with respect to the scaled inputs of labels (n, 28), then the physics."""
        x = emulator_inputs(labels.double())
        in_lte = torch.cat([_block_gradient(x, self.anchors, self.n_own, b) for b in self.blocks], 2)
        columns = [torch.nn.functional.pad(in_lte, (0, 0, 0, N_PHYSICS))]
        if self.change is not None:
            columns.append(self.change.gradients(labels))
        return torch.cat(columns, 2)


def _block_gradient(x: Tensor, anchors: Tensor, n_own: int, block: EmulatorBlock) -> Tensor:
    """Gradients (n, 26, k) of a block's coefficients with respect to its inputs x (n, 26)."""
    gradient = matern_gradient(x, anchors, block.shared_scales)
    gradient[:, :, :n_own] += block.own_amplitude * matern_gradient(x, anchors[:n_own], block.own_scales)
    gradient += series_gradient(x, anchors, block.series_scales, block.series_constant, block.series_weights)
    return gradient @ block.weights


def stack_blocks(blocks: tuple[EmulatorBlock, ...]) -> EmulatorBlock:
    """The first block with the kernels of all blocks along a new first axis: few large products are faster than many small ones."""
    kernels = (f.name for f in fields(EmulatorBlock) if f.name != "weights")
    return replace(blocks[0], **{name: torch.stack([getattr(block, name) for block in blocks]) for name in kernels})


@dataclass(frozen=True, eq=False)
class TrainingStars:
    """Inputs (m, 26) of the training stars, the first `n_own` from the emulated line list, and `powers` (m, 63) of abundances."""

    inputs: Tensor
    n_own: int
    powers: Tensor


def covariance(x: Tensor, stars: TrainingStars, block: EmulatorBlock) -> Tensor:
    """Covariance (..., n, m) of stars x (n, 26) of the emulated line list with the training stars.

    For one block, or with a first axis for several blocks of `stack_blocks`.
    """
    total = shared_covariance(x, stars, block)
    own = matern52(x, stars.inputs[: stars.n_own], block.own_scales)
    total[..., : stars.n_own] += own.mul_(block.own_amplitude[..., None, None])
    return total


def shared_covariance(x: Tensor, stars: TrainingStars, block: EmulatorBlock) -> Tensor:
    """Covariance (..., n, m) of stars x (n, 26) with the training stars that does not depend on their line lists."""
    cubics = weighted_powers(x, block.series_weights) @ stars.powers.T
    cubics += block.series_constant[..., None, None]
    series = matern52(x[:, :N_ATMOSPHERE], stars.inputs[:, :N_ATMOSPHERE], block.series_scales) * cubics
    return matern52(x, stars.inputs, block.shared_scales) + series


def save_emulator(emulator: Emulator, path: Path, card: dict[str, Any]) -> None:
    """Write the emulator's tensors and card; the basis in half floats, as it was when trained."""
    n = emulator.n_lte
    tensors = {
        "wavelength": torch.from_numpy(emulator.wavelength),
        "mean": emulator.mean,
        "basis": emulator.basis[:n].half(),
        "anchors": emulator.anchors,
        "residuals": emulator.residuals[:, :n],
    }
    for i, block in enumerate(emulator.blocks):
        tensors |= {f"block{i}.{f.name}": getattr(block, f.name) for f in fields(block)}
    basics: dict[str, Any] = {"kind": "emulator", "n_own": emulator.n_own, "blocks": len(emulator.blocks)}
    if isinstance(emulator.change, PhysicsChange):
        tensors |= {f"change.{name}": tensor for name, tensor in physics_tensors(emulator.change).items()}
        basics["physics_blocks"] = len(emulator.change.blocks)
    elif emulator.change is not None:
        tensors |= {f"change.{name}": tensor for name, tensor in change_tensors(emulator.change).items()}
        basics["change"] = list(emulator.change.blocks)
    save_parameters(path, tensors, {**basics, **card})


def with_change(emulator: Emulator, change: NlteChange | PhysicsChange) -> Emulator:
    """The emulator with a change by NLTE, or by physics. Raises ParametersError where it was learned on
    other wavelengths or there is one already."""
    if emulator.change is not None or change.n_pixels != len(emulator.wavelength):
        raise ParametersError(
            f"The change belongs to an LTE emulator of {change.n_pixels} wavelengths; this one is in "
            f"{'LTE' if emulator.change is None else 'NLTE'} and has {len(emulator.wavelength)}."
        )
    basis = -change.basis.to(emulator.basis.dtype)  # the emulator's components are of 1 - flux
    no_residuals = emulator.residuals.new_zeros(len(emulator.residuals), len(basis))
    basis, residuals = torch.cat([emulator.basis, basis]), torch.cat([emulator.residuals, no_residuals], 1)
    return replace(emulator, basis=basis, residuals=residuals, change=change)


def without_change(emulator: Emulator) -> Emulator:
    """The emulator in LTE on ATLAS9: without its change, if it has one."""
    n = emulator.n_lte
    return replace(emulator, basis=emulator.basis[:n], residuals=emulator.residuals[:, :n], change=None)


def load_emulator(path: Path) -> tuple[Emulator, dict[str, Any]]:
    """Read an emulator and its card. Raises ParametersError where they cannot be used."""
    tensors, card = load_parameters(path, "emulator")
    with as_described(path, "emulator"):
        blocks = tuple(EmulatorBlock(**tensors_of(f"block{i}", tensors)) for i in range(card["blocks"]))
        emulator = Emulator(
            tensors["wavelength"].numpy(),
            tensors["mean"],
            tensors["basis"].float(),
            tensors["anchors"],
            card["n_own"],
            blocks,
            tensors["residuals"],
        )
        if "change" in card:
            change = change_from_tensors(tensors_of("change", tensors), card["change"], len(emulator.wavelength))
            emulator = with_change(emulator, change)
        if "physics_blocks" in card:
            physics = physics_from_tensors(tensors_of("change", tensors), int(card["physics_blocks"]))
            emulator = with_change(emulator, physics)
    return emulator, card
