"""Draws of the emulator's own error: what it misses in training stars nearby when they do not teach it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..forward_model.emulator import Emulator, emulator_inputs

_N_ATMOSPHERE = 4  # Teff, log g, [Fe/H], vmic: what the size of the error follows
_N_NEIGHBOURS = 12


def draw_emulator_errors(emulator: Emulator, labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Errors (n, k) of the emulator's coefficients for labels (n, 25) in the order of `SYNTHESIS_NAMES`.

    Each is the leave-one-out residual of one of the training stars nearest in Teff, log g, [Fe/H] and vmic, times a
    standard normal number: the covariance is that of the residuals around there.
    """
    here = emulator_inputs(labels.double())[:, :_N_ATMOSPHERE]
    there = emulator.anchors[: emulator.n_own, :_N_ATMOSPHERE]
    near = torch.cdist(here, there).topk(_N_NEIGHBOURS, largest=False).indices.numpy()
    chosen: NDArray = near[np.arange(len(near)), rng.integers(_N_NEIGHBOURS, size=len(near))]
    factor = torch.from_numpy(rng.standard_normal((len(near), 1)).astype(np.float32))
    return emulator.residuals[torch.from_numpy(chosen)].float() * factor
