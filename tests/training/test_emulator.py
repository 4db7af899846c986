"""Training of the emulator on a toy grid, whose spectra are known functions of their labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_emulator import SETTINGS, toy_emulator, toy_grid

from cinn_core.forward_model.emulator import Emulator
from cinn_core.forward_model.kernels import matern52
from cinn_core.synthesis.grid_file import FLUX_SCALE, synthesis_labels
from cinn_core.targets import COLUMN, SYNTHESIS_NAMES
from cinn_core.training.emulator import leave_one_out, train_emulator


@pytest.fixture(scope="module")
def emulator() -> Emulator:
    return toy_emulator()


def test_emulator_reproduces_stars_it_was_not_trained_on(emulator: Emulator) -> None:
    held_out = toy_grid(200, 3)
    held_out = held_out.select(held_out.is_test)
    flux = emulator.flux(torch.from_numpy(synthesis_labels(held_out.labels)).float()).numpy()
    assert len(held_out) == 20
    assert np.sqrt(np.mean((flux - held_out.normalised()) ** 2)) < 0.003


def test_stars_of_another_line_list_do_not_shift_the_emulated_one(emulator: Emulator) -> None:
    held_out = toy_grid(200, 3)
    held_out = held_out.select(held_out.is_test)
    flux = emulator.flux(torch.from_numpy(synthesis_labels(held_out.labels)).float()).numpy()
    core = np.argmin(np.abs(emulator.wavelength - 6695))
    assert abs(np.mean(flux[:, core] - held_out.normalised()[:, core])) < 0.01  # the other list is 0.05 deeper


def test_effects_of_twenty_elements_are_told_apart_by_two_hundred_stars() -> None:
    """A line that every abundance deepens, more in cool stars: too much for a function that is merely smooth in all."""
    grid = toy_grid(220, 3)
    ratios = grid.labels[:, [COLUMN[name] for name in SYNTHESIS_NAMES[5:]]]
    cool = 1 + (5500 - grid.labels[:, COLUMN["teff"]]) / 3000
    strength = 0.01 * np.random.default_rng(0).random(ratios.shape[1])
    effect = cool * ((ratios + 0.5 * ratios**2) @ strength)
    line = np.exp(-0.5 * ((grid.wavelength - 6700) / 0.2) ** 2)
    depth = (0.2 + effect)[:, None] * line
    grid = replace(grid, flux=np.round((grid.normalised() - depth) * FLUX_SCALE).astype(np.uint16))
    held_out = grid.select(grid.is_test)
    learned = train_emulator(grid, None, replace(SETTINGS, likelihood_stars=150, steps=80), lambda text: None)
    flux = learned.flux(torch.from_numpy(synthesis_labels(held_out.labels)).float()).numpy()
    core = np.argmin(np.abs(grid.wavelength - 6700))
    missed = flux[:, core] - held_out.normalised()[:, core]
    assert np.std(missed) < 0.08 * np.std(effect[grid.is_test])  # 0.06; 0.11 without the cubics


def test_leave_one_out_residuals_are_those_of_leaving_each_star_out() -> None:
    rng = np.random.default_rng(3)
    x, y = torch.from_numpy(rng.normal(size=(12, 4))), torch.from_numpy(rng.normal(size=(12, 2)))
    matrix = matern52(x, x, torch.ones(4, dtype=torch.float64)) + 1e-3 * torch.eye(12, dtype=torch.float64)
    inverse = torch.linalg.inv(matrix)
    found = leave_one_out(inverse, inverse @ y)
    others = torch.arange(12) != 5
    predicted = matrix[5, others] @ torch.linalg.solve(matrix[others][:, others], y[others])
    assert torch.allclose(found[5], y[5] - predicted, atol=1e-9)
