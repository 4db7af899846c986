"""The emulator: learned from a toy grid whose spectra are known functions of their labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cinn_core.evaluation.emulator import CurvePoint, halving
from cinn_core.forward_model.element_lines import grown_lines
from cinn_core.forward_model.emulator import Emulator, load_emulator, save_emulator
from cinn_core.forward_model.kernels import emulator_inputs
from cinn_core.prior import draw
from cinn_core.synthesis.grid_file import FLUX_SCALE, Grid, synthesis_labels
from cinn_core.targets import COLUMN, SYNTHESIS_NAMES, a_li
from cinn_core.training.emulator import EmulatorSettings, train_emulator

LITHIUM = (6705.5, 6710.2)
SETTINGS = EmulatorSettings(
    blocks=((0, 4),), windows=((*LITHIUM, 5),), likelihood_stars=80, likelihood_components=4, steps=40
)


def toy_grid(n: int, seed: int, offset: float = 0.0) -> Grid:
    """One line that follows Teff and [Fe/H] (and another line list's `offset`), and one of lithium alone."""
    labels = draw(n, np.random.default_rng(seed))
    labels[:, COLUMN["vbroad"]] = np.nan
    wavelength = 6690 * np.exp(np.arange(600) * 2.0 / 299_792.458)
    iron = 0.3 + 0.05 * labels[:, COLUMN["feh"]] - (labels[:, COLUMN["teff"]] - 5500) / 2e4 + offset
    lithium = 0.3 / (1 + np.exp(2 - a_li(labels[:, COLUMN["li_fe"]], labels[:, COLUMN["feh"]])))
    shape_iron = np.exp(-0.5 * ((wavelength - 6695) / 0.2) ** 2)
    shape_lithium = np.exp(-0.5 * ((wavelength - 6707.8) / 0.2) ** 2)
    flux = 1 - iron[:, None] * shape_iron - lithium[:, None] * shape_lithium
    stored = np.round(flux * FLUX_SCALE).astype(np.uint16)
    return Grid(labels, stored, seed * 100_000 + np.arange(n), wavelength, "toy")


@pytest.fixture(scope="module")
def emulator() -> Emulator:
    return train_emulator(toy_grid(200, 3), toy_grid(60, 1, offset=0.05), SETTINGS, lambda text: None)


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


def test_lithium_window_knows_nothing_but_its_own_components(emulator: Emulator) -> None:
    inside = (emulator.wavelength > LITHIUM[0]) & (emulator.wavelength < LITHIUM[1])
    basis = emulator.basis.numpy()
    assert np.abs(basis[:4, inside]).max() == 0
    assert np.abs(basis[4:][:, ~inside]).max() == 0
    assert np.abs(basis[4:][:, inside]).max() > 0


def test_a_star_has_the_same_spectrum_alone_and_among_many(emulator: Emulator) -> None:
    """Few stars go through all blocks' kernels at once; equal to the rounding of double precision."""
    labels = torch.from_numpy(synthesis_labels(toy_grid(40, 8).labels))
    precise = replace(emulator, basis=emulator.basis.double())
    together = precise.coefficients(labels)
    for n in (1, 5):
        torch.testing.assert_close(precise.coefficients(labels[:n]), together[:n], rtol=1e-8, atol=1e-9)


def test_gradient_with_respect_to_labels_equals_finite_differences(emulator: Emulator) -> None:
    labels = torch.from_numpy(synthesis_labels(toy_grid(3, 5).labels))
    core = int(np.argmin(np.abs(emulator.wavelength - 6695)))
    moving = labels.clone().requires_grad_(True)
    emulator.flux(moving)[:, core].sum().backward()
    step = 20.0  # K; single precision of the basis product allows no smaller one
    up, down = labels.clone(), labels.clone()
    up[:, 0] += step
    down[:, 0] -= step
    numeric = (emulator.flux(up) - emulator.flux(down))[:, core] / (2 * step)
    assert moving.grad is not None
    np.testing.assert_allclose(moving.grad[:, 0].numpy(), numeric.detach().numpy(), rtol=0.02, atol=1e-7)


def test_emulator_comes_back_from_disk_as_it_was(emulator: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    save_emulator(emulator, path, {"physics": "toy"})
    again, card = load_emulator(path)
    labels = torch.from_numpy(synthesis_labels(toy_grid(4, 6).labels)).float()
    assert card["physics"] == "toy"
    torch.testing.assert_close(again.flux(labels), emulator.flux(labels))


def test_a_line_of_every_element_grows_with_its_abundance(model):
    grown = grown_lines(model.forward)
    assert {one.line.label for one in grown} == {
        name for name in SYNTHESIS_NAMES if name == "feh" or name.endswith("_fe")
    }
    for one in grown:
        assert (np.diff(one.depth) > 0).all(), one.line.species


def test_error_that_falls_with_the_root_of_the_stars_is_called_so():
    points = [CurvePoint(n, 0.1 / np.sqrt(n), 0.5 / np.sqrt(n), 0.2 / np.sqrt(n)) for n in (472, 944, 1888)]
    assert halving(points) == pytest.approx(np.sqrt(0.5))


def test_gradients_of_the_coefficients_equal_automatic_ones(emulator: Emulator) -> None:
    """Of all three kernels, by every label; the toy's cubics are given weights that show."""
    labels = torch.from_numpy(synthesis_labels(toy_grid(3, 7).labels))
    blocks = tuple(replace(block, series_weights=torch.ones_like(block.series_weights)) for block in emulator.blocks)
    one = replace(emulator, blocks=blocks, basis=emulator.basis.double())  # coefficients stay in double precision
    by_labels = torch.autograd.functional.jacobian(lambda x: one.coefficients(x).sum(0), labels)
    inputs = torch.autograd.functional.jacobian(lambda x: emulator_inputs(x).sum(0), labels)
    expected = torch.einsum("ink,ind->ndk", one.coefficient_gradients(labels).permute(1, 0, 2), inputs.permute(0, 1, 2))
    torch.testing.assert_close(by_labels.permute(1, 2, 0), expected, rtol=1e-8, atol=1e-10)


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
