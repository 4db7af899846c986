"""Draws of the emulator's own error: what it misses in training stars nearby when they do not teach it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..targets import COLUMN
from .emulator import Emulator
from .forward import SYNTHESIS_COLUMNS, ForwardModel
from .kernels import emulator_inputs

_N_ATMOSPHERE = 4  # Teff, log g, [Fe/H], vmic: what the size of the error follows
_N_NEIGHBOURS = 12


def draw_emulator_errors(emulator: Emulator, labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Errors (n, k) of the emulator's coefficients for labels (n, 25) in the order of `SYNTHESIS_NAMES`.

    Each is the leave-one-out residual of one of the nearest training stars times a standard normal number: the
    covariance is that of the residuals around there.
    """
    near = _neighbours(emulator, labels)
    chosen = near[torch.arange(len(near)), torch.from_numpy(rng.integers(_N_NEIGHBOURS, size=len(near)))]
    factor = torch.from_numpy(rng.standard_normal((len(near), 1)).astype(np.float32))
    return emulator.residuals[chosen].float() * factor


@torch.no_grad()
def error_spectra(forward: ForwardModel, labels: NDArray) -> NDArray:
    """Spectra (n, 12, N_PIXELS) whose products sum to the covariance of the emulator's error for labels (n, 26)."""
    given = torch.as_tensor(labels, dtype=torch.float32)
    names, vbroad = given[:, SYNTHESIS_COLUMNS], given[:, COLUMN["vbroad"]]
    centre = forward.emulator.coefficients(names)[:, None]
    errors = forward.emulator.residuals[_neighbours(forward.emulator, names)].float()
    both = torch.cat([centre, centre + errors], 1)
    flux = forward.torch_flux_of(both.flatten(0, 1), vbroad.repeat_interleave(both.shape[1])).numpy()
    flux = flux.reshape(*both.shape[:2], -1)
    return (flux[:, 1:] - flux[:, :1]) / np.sqrt(_N_NEIGHBOURS)


def _neighbours(emulator: Emulator, labels: Tensor) -> Tensor:
    """Indices (n, 12) of the training stars nearest in Teff, log g, [Fe/H] and vmic."""
    here = emulator_inputs(labels.double())[:, :_N_ATMOSPHERE]
    there = emulator.anchors[: emulator.n_own, :_N_ATMOSPHERE]
    return torch.cdist(here, there).topk(_N_NEIGHBOURS, largest=False).indices
