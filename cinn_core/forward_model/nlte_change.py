"""What NLTE changes in the emulator's spectra: a small Gaussian process beside it, linear in stored weights like it.

The change of flux over continuum at R = 60 000 is written, element by element, in components that are 0 outside the
element's windows; their coefficients are smooth functions of the few labels that matter to the element's lines. As
further components of the emulator's basis it goes through rotation, line spread and pixels with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..weights import as_described, load_weights, save_weights, tensors_of
from .kernels import N_INPUTS, emulator_inputs, matern52, matern_gradient

KIND = "nlte-change"


def in_nlte(physics: str) -> tuple[str, ...]:
    """Symbols of the elements in NLTE of a card's physics, "nlte-li-mg-ca"; none for "lte"."""
    return tuple(symbol.capitalize() for symbol in physics.split("-")[1:])


def described(physics: str) -> str:
    """A card's physics in words, for people."""
    elements = in_nlte(physics)
    return f"{', '.join(elements)} in NLTE (own model atoms), all else in LTE" if elements else "LTE"


@dataclass(frozen=True, eq=False)
class ChangeBlock:
    """One element: `inputs` (d,) columns of the emulator's inputs, `scales` (d,) inverse lengths of its Matern-5/2 kernel.

    anchors (n, d) inputs of the training stars, weights (n, k), basis (k, p) of the change at `pixels` (p,) of the
    emulator's grid.
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
        """Their derivatives (n, 26, k) with respect to the inputs."""
        out = x.new_zeros(len(x), N_INPUTS, self.weights.shape[1])
        out[:, self.inputs] = matern_gradient(x[:, self.inputs], self.anchors, self.scales) @ self.weights
        return out


@dataclass(frozen=True, eq=False)
class NlteChange:
    """The change of all elements, `blocks` by symbol, on the emulator's grid of `n_pixels` wavelengths."""

    blocks: Mapping[str, ChangeBlock]
    n_pixels: int

    @property
    def physics(self) -> str:
        """Name of the physics, for cards: "nlte-li-mg-ca"."""
        return "-".join(["nlte", *(x.lower() for x in ("Li", "Mg", "Ca") if x in self.blocks)])

    @property
    def basis(self) -> Tensor:
        """All components (k, n_pixels)."""
        rows = []
        for block in self.blocks.values():
            row = block.basis.new_zeros(len(block.basis), self.n_pixels)
            row[:, block.pixels] = block.basis
            rows.append(row)
        return torch.cat(rows)

    def coefficients(self, x: Tensor) -> Tensor:
        """Coefficients (n, k), double, of the basis for the emulator's inputs (n, 26), double."""
        return torch.cat([block.coefficients(x) for block in self.blocks.values()], 1)

    def gradients(self, x: Tensor) -> Tensor:
        """Their derivatives (n, 26, k) with respect to the inputs."""
        return torch.cat([block.gradients(x) for block in self.blocks.values()], 2)

    def flux(self, labels: Tensor) -> Tensor:
        """NLTE - LTE flux over continuum (n, n_pixels) at R = 60 000 for labels (n, 25) in the order of SYNTHESIS_NAMES."""
        basis = self.basis
        return self.coefficients(emulator_inputs(labels.double())).to(basis.dtype) @ basis


def change_tensors(change: NlteChange) -> dict[str, Tensor]:
    """The change's tensors by name, the basis as half floats."""
    tensors = {}
    for symbol, block in change.blocks.items():
        stored = replace(block, basis=block.basis.half())
        tensors |= {f"{symbol}.{field.name}": getattr(stored, field.name) for field in fields(block)}
    return tensors


def change_of(tensors: dict[str, Tensor], elements: Sequence[str], n_pixels: int) -> NlteChange:
    """The change that was stored as these tensors."""
    blocks = {symbol: ChangeBlock(**tensors_of(symbol, tensors)) for symbol in elements}
    return NlteChange({symbol: replace(x, basis=x.basis.float()) for symbol, x in blocks.items()}, n_pixels)


def save_change(change: NlteChange, path: Path, card: dict[str, Any]) -> None:
    """Writes the weights of a change and its card, each whole or not at all."""
    basics = {"kind": KIND, "physics": change.physics, "elements": list(change.blocks), "n_pixels": change.n_pixels}
    save_weights(path, change_tensors(change), basics | card)


def load_change(path: Path) -> tuple[NlteChange, dict[str, Any]]:
    """A change and its card; raises WeightsError when they cannot be used."""
    tensors, card = load_weights(path, KIND)
    with as_described(path, KIND):
        return change_of(tensors, card["elements"], int(card["n_pixels"])), card
