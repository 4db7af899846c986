"""The emulator: Gaussian-process regression from 25 labels to normalised flux at R = 60 000, in torch.

Spectra of the synthetic grid are written in principal components of 1 - flux; blocks of components share a sum of
two Matern-5/2 kernels with a length scale per label (Rasmussen & Williams 2006, eq. 4.17 and section 2.2), learned
by marginal likelihood: one joins all stars, the other only those of the line list that is emulated, so that stars
computed with another list may teach how spectra change with their labels and no more. The prediction is the
posterior mean, linear in stored weights: deterministic and differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..targets import SOLAR_A_LI, SYNTHESIS_NAMES
from ..weights import as_described, load_weights, save_weights, tensors_of

_COLUMN = {name: i for i, name in enumerate(SYNTHESIS_NAMES)}
N_INPUTS = len(SYNTHESIS_NAMES) + 1


@dataclass(frozen=True, eq=False)
class EmulatorBlock:
    """Components that share their kernels.

    shared_scales and own_scales (26,) inverse length scales; weights (n, k), the emulated list's stars first;
    own_amplitude, of the kernel of the emulated list's own stars, relative to the shared one.
    """

    shared_scales: Tensor
    own_scales: Tensor
    own_amplitude: Tensor
    weights: Tensor


@dataclass(frozen=True, eq=False)
class Emulator:
    """Flux at R = 60 000 on `wavelength` (m,), air Angstrom, constant 2 km/s steps within each arm.

    mean (m,) and basis (k, m) of 1 - flux, the blocks' weights in the basis' order; anchors (n, 26) scaled inputs of
    the training stars, the first `n_own` of them from the emulated line list; residuals (n_own, k) half floats: by how
    much the emulator misses the coefficients of each of these when it is not taught by it (leave one out).
    """

    wavelength: NDArray
    mean: Tensor
    basis: Tensor
    anchors: Tensor
    n_own: int
    blocks: tuple[EmulatorBlock, ...]
    residuals: Tensor

    def flux(self, labels: Tensor) -> Tensor:
        """Normalised flux (n, m) for labels (n, 25) in the order of `SYNTHESIS_NAMES`."""
        return 1 - self.mean - self.coefficients(labels) @ self.basis

    def coefficients(self, labels: Tensor) -> Tensor:
        """Coefficients (n, k) of the basis for labels (n, 25).

        Large weights of both signs nearly cancel, so this much is done in double precision.
        """
        x = emulator_inputs(labels.double())
        columns = [covariance(x, self.anchors, self.n_own, b) @ b.weights for b in self.blocks]
        return torch.cat(columns, 1).to(self.basis.dtype)

    def coefficient_gradients(self, labels: Tensor) -> Tensor:
        """Derivatives (n, 26, k), double, of the coefficients with respect to the scaled inputs of labels (n, 25)."""
        x = emulator_inputs(labels.double())
        return torch.cat([_block_gradient(x, self.anchors, self.n_own, b) for b in self.blocks], 2)


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
    r = _matern_distance(a, b)
    return (1 + r + r * r / 3) * torch.exp(-r)


def _matern_distance(a: Tensor, b: Tensor) -> Tensor:
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return torch.sqrt(5 * squared.clamp_min(1e-10))


def _block_gradient(x: Tensor, anchors: Tensor, n_own: int, block: EmulatorBlock) -> Tensor:
    """Derivatives (n, 26, k) of a block's coefficients by x (n, 26): dk/dx = -5/3 (1 + r) exp(-r) s² (x - a)."""
    total = x.new_zeros(len(x), x.shape[1], block.weights.shape[1])
    own = anchors[:n_own], block.weights[:n_own], block.own_scales, block.own_amplitude
    for near, weights, scales, amplitude in ((anchors, block.weights, block.shared_scales, 1.0), own):
        r = _matern_distance(x * scales, near * scales)
        slope = (5 / 3) * amplitude * (1 + r) * torch.exp(-r)
        moved = (slope[:, None] * near.T[None]) @ weights
        total = total + (scales**2)[None, :, None] * (moved - x[:, :, None] * (slope @ weights)[:, None])
    return total


def covariance(x: Tensor, anchors: Tensor, n_own: int, block: EmulatorBlock) -> Tensor:
    """Covariance (n, m) of the emulated list's stars x (n, 26) with the training stars (m, 26), own list first."""
    shared = matern52(x * block.shared_scales, anchors * block.shared_scales)
    own = block.own_amplitude * matern52(x * block.own_scales, anchors[:n_own] * block.own_scales)
    return torch.cat([shared[:, :n_own] + own, shared[:, n_own:]], 1)


def save_emulator(emulator: Emulator, path: Path, card: dict[str, Any]) -> None:
    """Writes the emulator's weights and card; the basis goes as half floats, as it was when trained."""
    tensors = {
        "wavelength": torch.from_numpy(emulator.wavelength),
        "mean": emulator.mean,
        "basis": emulator.basis.half(),
        "anchors": emulator.anchors,
        "residuals": emulator.residuals,
    }
    for i, block in enumerate(emulator.blocks):
        tensors |= {f"block{i}.{f.name}": getattr(block, f.name) for f in fields(block)}
    save_weights(path, tensors, {"kind": "emulator", "n_own": emulator.n_own, "blocks": len(emulator.blocks), **card})


def load_emulator(path: Path) -> tuple[Emulator, dict[str, Any]]:
    """Emulator and card; raises WeightsError when they cannot be used."""
    tensors, card = load_weights(path, "emulator")
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
    return emulator, card
