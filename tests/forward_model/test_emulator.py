"""The emulator of a toy grid: kernels, gradients, and its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_emulator import LITHIUM, toy_emulator, toy_grid

from cinn_core.forward_model.emulator import Emulator, load_emulator, save_emulator
from cinn_core.forward_model.kernels import emulator_inputs
from cinn_core.synthesis.grid_file import synthesis_labels


@pytest.fixture(scope="module")
def emulator() -> Emulator:
    return toy_emulator()


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


def test_gradients_of_the_coefficients_equal_automatic_ones(emulator: Emulator) -> None:
    """Of all three kernels, by every label; the toy's cubics are given weights that show. Of the physics it knows nothing."""
    labels = torch.from_numpy(synthesis_labels(toy_grid(3, 7).labels))
    blocks = tuple(replace(block, series_weights=torch.ones_like(block.series_weights)) for block in emulator.blocks)
    one = replace(emulator, blocks=blocks, basis=emulator.basis.double())  # coefficients stay in double precision
    by_labels = torch.autograd.functional.jacobian(lambda x: one.coefficients(x).sum(0), labels)
    inputs = torch.autograd.functional.jacobian(lambda x: emulator_inputs(x).sum(0), labels)
    expected = torch.einsum(
        "ink,ind->ndk", one.coefficient_gradients(labels)[:, :-3].permute(1, 0, 2), inputs.permute(0, 1, 2)
    )
    torch.testing.assert_close(by_labels.permute(1, 2, 0), expected, rtol=1e-8, atol=1e-10)
    assert (one.coefficient_gradients(labels)[:, -3:] == 0).all()
