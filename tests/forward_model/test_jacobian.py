"""Derivatives of the forward model in prior coordinates."""

from __future__ import annotations

import numpy as np
import torch
from synthetic import forward

from cinn_core.forward_model.forward import MAX_RESOLVING_POWER
from cinn_core.forward_model.jacobian import jacobian
from cinn_core.instrument import N_PIXELS
from cinn_core.prior import N_LABELS, draw, from_z
from cinn_core.targets import PHYSICS_COLUMNS


def test_jacobian_equals_central_differences_of_the_flux() -> None:
    rng = np.random.default_rng(2)
    z = 0.7 * np.concatenate([rng.normal(size=(3, PHYSICS_COLUMNS[0])), rng.normal(size=(3, len(PHYSICS_COLUMNS)))], 1)
    ours = jacobian(forward(), z)
    step = 0.02  # single precision of the flux allows no smaller one
    eye = step * np.eye(N_LABELS)
    up, down = (forward().flux(from_z((z[:, None] + sign * eye).reshape(-1, N_LABELS))) for sign in (1, -1))
    numeric = ((up - down) / (2 * step)).reshape(3, N_LABELS, N_PIXELS).transpose(0, 2, 1)
    assert ours.shape == (3, N_PIXELS, N_LABELS)
    scale = np.sqrt((numeric**2).mean(1)).max()
    error = np.sqrt(((ours - numeric) ** 2).mean(1))
    assert error.max() < 0.002 * scale
    strong = np.sqrt((numeric**2).mean(1)) > 0.01 * scale
    assert (error[strong] / np.sqrt((numeric**2).mean(1))[strong]).max() < 0.02  # third order of the step


def test_the_short_way_through_fourier_space_equals_broadening_on_the_full_grid() -> None:
    model, labels = forward(), torch.as_tensor(draw(8, np.random.default_rng(1)), dtype=torch.float32)
    for power in (20_000.0, MAX_RESOLVING_POWER):
        each, velocity = torch.full((8,), power), torch.linspace(-2, 2, 8)
        with torch.no_grad():
            long = model.to_pixels(model.torch_native_flux(labels, each, velocity))
            short = model.torch_flux(labels, each, velocity)
        assert float((long - short).abs().max()) < 5e-6  # rounding of single precision
