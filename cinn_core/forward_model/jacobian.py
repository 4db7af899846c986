"""Jacobian of the forward model: derivatives of the flux in every pixel with respect to prior coordinates."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..instrument import N_PIXELS, RESOLVING_POWER
from ..prior import N_LABELS, from_z
from ..targets import COLUMN, EMULATOR_COLUMNS
from .broadening import transfer_function
from .forward import ForwardModel
from .kernels import emulator_inputs, physics_of

_INPUT_STEP = 1e-5  # of z, in double precision
_VBROAD_STEP = 1e-3
_BATCH = 16


def jacobian(forward: ForwardModel, z: NDArray) -> NDArray:
    """Jacobian d flux / d z (n, N_PIXELS, 29) float32 at R = 20 000 for prior coordinates z (n, 29).

    Exact derivatives of the emulator's coefficients in double precision, carried through the same rotation, line
    spread and pixels as the flux; the map from z to the emulator's inputs and the rotation's transfer function are
    differentiated by central differences in double precision.
    """
    z = np.asarray(z, float)
    out = np.empty((len(z), N_PIXELS, N_LABELS), np.float32)
    for i in range(0, len(z), _BATCH):
        out[i : i + _BATCH] = _batch(forward, z[i : i + _BATCH]).transpose(1, 2).numpy()
    return out


def label_jacobian(z: NDArray) -> NDArray:
    """Jacobian d label / d z (n, 29, 29), rows labels and columns coordinates, by central differences, for z (n, 29)."""
    up, down = (_shifted(np.asarray(z, float), step) for step in (_INPUT_STEP, -_INPUT_STEP))
    return ((up - down) / (2 * _INPUT_STEP)).reshape(len(z), N_LABELS, N_LABELS).transpose(1, 2).numpy()


@torch.no_grad()
def _batch(forward: ForwardModel, z: NDArray) -> Tensor:
    """Jacobian d flux / d z, transposed (n, 29, N_PIXELS)."""
    n, emulator, fourier = len(z), forward.emulator, forward.fourier
    labels = torch.as_tensor(from_z(z))
    gradients = _input_jacobian(z) @ emulator.coefficient_gradients(labels[:, EMULATOR_COLUMNS])
    column = COLUMN["vbroad"]
    vbroad, dvbroad_dz = labels[:, column], torch.as_tensor(label_jacobian(z)[:, column, column])
    frequency = fourier.frequency.double()
    transfer = _transfer(frequency, vbroad)
    step = _VBROAD_STEP * vbroad
    change = (_transfer(frequency, vbroad + step) - _transfer(frequency, vbroad - step)) / (2 * step)[:, None]
    change = (change * dvbroad_dz[:, None]).float()
    rows = fourier.depth(gradients.flatten(0, 1).float(), transfer.float().repeat_interleave(N_LABELS, 0))
    rows = rows.reshape(n, N_LABELS, -1)
    rows[:, column] = 1 - fourier.flux(emulator.coefficients(labels[:, EMULATOR_COLUMNS]), change)
    return -forward.to_pixels(rows.flatten(0, 1)).reshape(n, N_LABELS, N_PIXELS)


def _transfer(frequency: Tensor, vbroad: Tensor) -> Tensor:
    return transfer_function(frequency, vbroad, vbroad.new_full((len(vbroad),), RESOLVING_POWER))


def _shifted(z: NDArray, step: float) -> Tensor:
    """Labels (n * 29, 29) with each coordinate of z (n, 29) in turn shifted by `step`."""
    shifted = z[:, None] + step * np.eye(N_LABELS)
    return torch.as_tensor(from_z(shifted.reshape(-1, N_LABELS)))


def _input_jacobian(z: NDArray) -> Tensor:
    """Jacobian (n, 29, 29) of the emulator's inputs and the physics (last axis) with respect to z."""

    def inputs(step: float) -> Tensor:
        labels = _shifted(z, step)[:, EMULATOR_COLUMNS]
        return torch.cat([emulator_inputs(labels), physics_of(labels)], 1)

    up, down = inputs(_INPUT_STEP), inputs(-_INPUT_STEP)
    return ((up - down) / (2 * _INPUT_STEP)).reshape(len(z), N_LABELS, -1)
