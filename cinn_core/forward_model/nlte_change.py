"""Change of the emulator's spectra by NLTE: a small Gaussian process per element, with components of its own in the basis.

The change of flux over continuum at R = 60 000 is expanded, element by element, in components that are 0 outside the
windows of the element; their coefficients are smooth functions of the few labels that affect the element's lines. As
further components of the emulator's basis they are rotated, degraded and averaged over pixels together with the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..parameters import as_described, load_parameters, save_parameters, tensors_of
from .kernels import N_INPUTS, N_PHYSICS, emulator_inputs, matern52, matern_gradient

KIND = "nlte-change"
"""Kind of the weights on their card."""


STRUCTURED = "structure"
"""Last part of the name of a physics whose atmospheres are of any structure between ATLAS9 and STAGGER's mean."""


def elements_in_nlte(physics: str) -> tuple[str, ...]:
    """Symbols of the elements in NLTE from the name of a physics on a card, "nlte-li-mg-ca"; none for "lte"."""
    return tuple(symbol.capitalize() for symbol in physics.split("-")[1:] if symbol != STRUCTURED)


def has_structure(physics: str) -> bool:
    """Whether a physics, by its name on a card, knows structures of the atmosphere and strengths of iron's departures."""
    return physics.endswith(STRUCTURED)


def describe_physics(physics: str) -> str:
    """The physics of a card in words."""
    elements = elements_in_nlte(physics)
    words = f"{', '.join(elements)} in NLTE (own model atoms), all else in LTE" if elements else "LTE"
    return f"{words}; structures between ATLAS9 and STAGGER's mean" if has_structure(physics) else words


@dataclass(frozen=True, eq=False)
class ChangeBlock:
    """Change by NLTE of one element: a Gaussian process with Matern-5/2 kernel.

    `inputs` (d,) columns of the emulator's inputs, `scales` (d,) inverse lengths of the kernel, anchors (n, d) inputs of the
    training stars, weights (n, k), basis (k, p) of the change at `pixels` (p,) of the emulator's grid.
    """

    inputs: Tensor
    scales: Tensor
    anchors: Tensor
    weights: Tensor
    basis: Tensor
    pixels: Tensor

    def coefficients(self, x: Tensor) -> Tensor:
        """Coefficients (n, k) of the basis for the emulator's inputs (n, 26), double."""
        return matern52(x[:, self.inputs], self.anchors, self.scales) @ self.weights

    def gradients(self, x: Tensor) -> Tensor:
        """Gradients (n, 26, k) of the coefficients with respect to the emulator's inputs (n, 26)."""
        out = x.new_zeros(len(x), N_INPUTS, self.weights.shape[1])
        out[:, self.inputs] = matern_gradient(x[:, self.inputs], self.anchors, self.scales) @ self.weights
        return out


@dataclass(frozen=True, eq=False)
class NlteChange:
    """Change by NLTE of all elements, `blocks` by symbol, on the emulator's grid of `n_pixels` wavelengths."""

    blocks: Mapping[str, ChangeBlock]
    n_pixels: int

    @property
    def physics(self) -> str:
        """Name of the physics, for cards: "nlte-li-mg-ca"."""
        return "-".join(["nlte", *(x.lower() for x in ("Li", "Mg", "Ca") if x in self.blocks)])

    @property
    def basis(self) -> Tensor:
        """Components of all elements (k, n_pixels)."""
        rows = []
        for block in self.blocks.values():
            row = block.basis.new_zeros(len(block.basis), self.n_pixels)
            row[:, block.pixels] = block.basis
            rows.append(row)
        return torch.cat(rows)

    def coefficients(self, labels: Tensor) -> Tensor:
        """Coefficients (n, k), double, of the basis for labels (n, 25 or 28); the physics among them plays no part."""
        x = emulator_inputs(labels.double())
        return torch.cat([block.coefficients(x) for block in self.blocks.values()], 1)

    def gradients(self, labels: Tensor) -> Tensor:
        """Gradients (n, 29, k) of the coefficients with respect to the emulator's inputs, then the physics: none."""
        x = emulator_inputs(labels.double())
        by_inputs = torch.cat([block.gradients(x) for block in self.blocks.values()], 2)
        return torch.nn.functional.pad(by_inputs, (0, 0, 0, N_PHYSICS))

    def flux(self, labels: Tensor) -> Tensor:
        """NLTE - LTE flux over continuum (n, n_pixels) at R = 60 000 for labels (n, 25 or 28)."""
        basis = self.basis
        return self.coefficients(labels).to(basis.dtype) @ basis


def change_tensors(change: NlteChange) -> dict[str, Tensor]:
    """Tensors of a change by name, the basis in half floats."""
    tensors = {}
    for symbol, block in change.blocks.items():
        stored = replace(block, basis=block.basis.half())
        tensors |= {f"{symbol}.{field.name}": getattr(stored, field.name) for field in fields(block)}
    return tensors


def change_from_tensors(tensors: dict[str, Tensor], elements: Sequence[str], n_pixels: int) -> NlteChange:
    """Change by NLTE of some elements from its tensors by name."""
    blocks = {symbol: ChangeBlock(**tensors_of(symbol, tensors)) for symbol in elements}
    return NlteChange({symbol: replace(x, basis=x.basis.float()) for symbol, x in blocks.items()}, n_pixels)


def save_change(change: NlteChange, path: Path, card: dict[str, Any]) -> None:
    """Write the tensors of a change and its card, each whole or not at all."""
    basics = {"kind": KIND, "physics": change.physics, "elements": list(change.blocks), "n_pixels": change.n_pixels}
    save_parameters(path, change_tensors(change), basics | card)


def load_change(path: Path) -> tuple[NlteChange, dict[str, Any]]:
    """Read a change and its card. Raises ParametersError where they cannot be used."""
    tensors, card = load_parameters(path, KIND)
    with as_described(path, KIND):
        return change_from_tensors(tensors, card["elements"], int(card["n_pixels"])), card
