"""The change by a star's physics: features, gradients, and files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cinn_core.errors import ParametersError
from cinn_core.forward_model.emulator import load_emulator, save_emulator, with_change, without_change
from cinn_core.forward_model.forward import emulator_path
from cinn_core.forward_model.kernels import N_INPUTS, emulator_inputs, physics_of
from cinn_core.forward_model.nlte_change import describe_physics, elements_in_nlte
from cinn_core.forward_model.physics_change import (
    CENTRE,
    N_FEATURES,
    SCALE,
    PhysicsBlock,
    PhysicsChange,
    feature_gradients,
    features,
    load_physics_change,
    save_physics_change,
)
from cinn_core.forward_model.realism import draw_emulator_errors
from cinn_core.prior import draw
from cinn_core.targets import EMULATOR_COLUMNS


@pytest.fixture
def change() -> PhysicsChange:
    """A change with two blocks of made-up weights, of five stars."""
    rng = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    blocks = tuple(
        PhysicsBlock(0.3 + normal(5).abs(), normal(N_FEATURES) ** 2, 0.1 * normal(21) ** 2, normal(5, k))
        for k in (2, 3)
    )
    physics = torch.tensor(CENTRE, dtype=torch.float64) + normal(5, 3) * torch.tensor(SCALE, dtype=torch.float64)
    return PhysicsChange(normal(5, N_INPUTS), physics, blocks, normal(5, 7).float(), normal(5, 5).float())


@pytest.fixture
def labels() -> torch.Tensor:
    """Three stars of the prior, as an emulator takes them."""
    return torch.from_numpy(draw(3, np.random.default_rng(4))[:, EMULATOR_COLUMNS])


def test_gradients_carried_to_the_labels_are_those_of_automatic_differentiation(change, labels):
    def inputs(labels):
        return torch.cat([emulator_inputs(labels), physics_of(labels)], 1).sum(0)

    def coefficients(labels):
        return change.coefficients(labels).sum(0)  # each star's depend on its own labels alone

    to_inputs, expected = (torch.autograd.functional.jacobian(f, labels) for f in (inputs, coefficients))
    found = torch.einsum("inl,nik->knl", to_inputs, change.gradients(labels))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-9, atol=1e-9)


def test_an_emulator_with_the_change_is_read_as_it_was_written_and_adds_it_alone(labels, tmp_path):
    lte = without_change(load_emulator(emulator_path())[0])
    rng = torch.Generator().manual_seed(5)
    basis = 1e-3 * torch.randn(4, len(lte.wavelength), generator=rng)
    others = torch.from_numpy(draw(12, np.random.default_rng(7))[:, EMULATOR_COLUMNS])
    block = PhysicsBlock(*(torch.ones(n, dtype=torch.float64) for n in (5, N_FEATURES, 21)), torch.eye(12, 4).double())
    change = PhysicsChange(
        emulator_inputs(others), physics_of(others), (block,), basis.half().float(), torch.full((12, 4), 0.5)
    )
    emulator = with_change(lte, change)
    added = emulator.flux(labels) - lte.flux(labels)
    np.testing.assert_allclose(added, change.flux(labels), atol=2e-5)  # single precision, coefficients up to some tens
    assert change.flux(labels).abs().max() > 1e-3
    errors = draw_emulator_errors(emulator, labels, np.random.default_rng(6))
    assert (errors[:, lte.n_lte :] != 0).all()
    path = tmp_path / "emulator.safetensors"
    save_emulator(emulator, path, {"physics": change.physics})
    again, card = load_emulator(path)
    np.testing.assert_array_equal(again.flux(labels), emulator.flux(labels))
    assert elements_in_nlte(card["physics"]) == ("Li", "Mg", "Ca", "Fe")
    assert "STAGGER" in describe_physics(card["physics"])
    slopes = emulator.coefficient_gradients(labels)
    assert (slopes[:, -3:, lte.n_lte :] != 0).any()
    assert (slopes[:, -3:, : lte.n_lte] == 0).all()


def test_features_hold_all_that_is_linear_and_what_is_quadratic_of_the_physics():
    physics = torch.tensor([CENTRE, (1.05, 1.0, 1.97)], dtype=torch.float64)
    np.testing.assert_allclose(features(physics)[0], [1, *[0] * 8], atol=1e-12)
    np.testing.assert_allclose(features(physics)[1], np.ones(N_FEATURES), atol=1e-12)
    step = 1e-6
    for k in range(3):
        moved = physics.clone()
        moved[:, k] += step
        slope = (features(moved) - features(physics)) / step
        np.testing.assert_allclose(feature_gradients(physics)[:, k], slope, atol=1e-5)


def test_a_change_is_read_as_it_was_written_and_damage_is_refused(change, labels, tmp_path):
    path = tmp_path / "change.safetensors"
    save_physics_change(change, path, {"stars": 5})
    read, card = load_physics_change(path)
    assert card["stars"] == 5
    np.testing.assert_array_equal(read.coefficients(labels), change.coefficients(labels))
    np.testing.assert_allclose(read.flux(labels), change.flux(labels), rtol=2e-3, atol=2e-2)  # half floats
    path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    with pytest.raises(ParametersError):
        load_physics_change(path)
