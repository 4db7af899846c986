"""Change by NLTE in the forward model: smooth in labels, nothing outside its windows, seen through the instrument."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_change import made_up_change, made_up_stars

from cinn_core.errors import ParametersError
from cinn_core.forward_model.broadening import broaden
from cinn_core.forward_model.emulator import load_emulator, save_emulator, with_change, without_change
from cinn_core.forward_model.forward import emulator_path, forward_model, load_forward
from cinn_core.forward_model.jacobian import jacobian
from cinn_core.forward_model.kernels import emulator_inputs
from cinn_core.forward_model.nlte_change import NlteChange, elements_in_nlte, load_change, save_change
from cinn_core.instrument import RESOLVING_POWER
from cinn_core.nlte.flux_change import in_windows
from cinn_core.prior import draw, from_z, to_z
from cinn_core.synthesis.grid_file import synthesis_labels
from cinn_core.targets import SYNTHESIS_COLUMNS
from cinn_core.training.nlte_change import ChangedStars


@pytest.fixture(scope="module")
def stars() -> ChangedStars:
    return made_up_stars(250)


@pytest.fixture(scope="module")
def change() -> NlteChange:
    return made_up_change()


@pytest.fixture(scope="module")
def lte():
    return without_change(load_emulator(emulator_path())[0])


def test_change_is_nothing_outside_the_windows_and_far_from_all_stars(change, stars):
    made = change.flux(torch.from_numpy(stars.labels[:4])).numpy()
    assert (made[:, ~in_windows(("Mg", "Li"))] == 0).all()
    assert np.abs(made[:, in_windows(("Mg",))]).max() > 0.005
    far = torch.from_numpy(stars.labels[:1].copy())
    far[0, 0] = 500.0  # K
    inside = in_windows(("Mg",))  # lithium's does not follow Teff in these stars
    assert np.abs(change.flux(far).numpy()[:, inside]).max() < 0.1 * np.abs(made[:, inside]).max()


def test_gradients_are_those_of_the_coefficients(change, stars):
    labels = torch.from_numpy(stars.labels[:3])
    x = emulator_inputs(labels).requires_grad_(True)
    exact = change.gradients(labels)
    of_blocks = torch.cat([block.coefficients(x) for block in change.blocks.values()], 1)
    for k, column in enumerate(of_blocks.sum(0)):
        (slope,) = torch.autograd.grad(column, x, retain_graph=True)
        np.testing.assert_allclose(exact[:, :-3, k].numpy(), slope.numpy(), rtol=1e-9, atol=1e-12)
    assert (exact[:, -3:] == 0).all()


def test_stars_together_and_one_by_one_change_alike(change, stars):
    labels = torch.from_numpy(stars.labels[:5])
    alone = torch.cat([change.flux(labels[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(change.flux(labels), alone, rtol=0, atol=1e-7)


def test_what_is_written_is_read_again(change, stars, tmp_path):
    save_change(change, tmp_path / "change.safetensors", {"made": "up"})
    again, card = load_change(tmp_path / "change.safetensors")
    assert (card["physics"], card["made"]) == ("nlte-li-mg", "up")
    labels = torch.from_numpy(stars.labels[:2])
    torch.testing.assert_close(again.flux(labels), change.flux(labels), rtol=0, atol=0)


def test_shipped_emulator_is_in_nlte_for_lithium_magnesium_and_calcium():
    emulator, card = load_emulator(emulator_path())
    assert emulator.change is not None
    assert card["physics"] == emulator.change.physics == "nlte-li-mg-ca"
    assert elements_in_nlte(card["physics"]) == ("Li", "Mg", "Ca")


def test_without_its_change_the_emulator_is_in_lte_bit_for_bit(lte, change):
    labels = torch.from_numpy(synthesis_labels(draw(2, np.random.default_rng(6)))).float()
    assert torch.equal(without_change(with_change(lte, change)).flux(labels), lte.flux(labels))


def test_model_in_lte_beside_the_model_in_nlte(lte, change):
    labels = draw(2, np.random.default_rng(7))
    forward, plain = forward_model(with_change(lte, change)), forward_model(lte)
    np.testing.assert_allclose(forward.flux_in_lte(labels), plain.flux(labels), rtol=0, atol=2e-6)  # single precision
    assert np.abs(forward.flux(labels) - plain.flux(labels)).max() > 1e-3


def test_change_adds_to_the_emulators_flux(lte, change):
    labels = torch.from_numpy(synthesis_labels(draw(3, np.random.default_rng(2)))).float()
    added = with_change(lte, change).flux(labels) - lte.flux(labels)
    torch.testing.assert_close(added, change.flux(labels), rtol=0, atol=2e-6)  # single precision


def test_instrument_sees_the_change_rotated_and_degraded(lte, change):
    labels = torch.from_numpy(draw(3, np.random.default_rng(3))).float()
    before, after = forward_model(lte), forward_model(with_change(lte, change))
    seen = after.torch_flux(labels) - before.torch_flux(labels)
    native = 1 + change.flux(labels[:, SYNTHESIS_COLUMNS])
    power = torch.full((3,), RESOLVING_POWER)
    wanted = after.to_pixels(broaden(native, after.arms, labels[:, 4], power)) - 1
    torch.testing.assert_close(seen, wanted, rtol=0, atol=1e-5)
    assert float(seen.abs().max()) > 1e-3


def test_jacobian_knows_the_change(lte, change):
    forward = forward_model(with_change(lte, change))
    z = np.clip(to_z(draw(1, np.random.default_rng(4))), -1.5, 1.5)
    column, step = 0, 0.02  # Teff
    up, down = z.copy(), z.copy()
    up[:, column] += step
    down[:, column] -= step
    numeric = (forward.flux(from_z(up)) - forward.flux(from_z(down)))[0] / (2 * step)
    exact = jacobian(forward, z)[0, :, column]
    np.testing.assert_allclose(exact, numeric, atol=0.01 * np.abs(exact).max())
    plain = jacobian(forward_model(lte), z)[0, :, column]
    assert np.abs(exact - plain).max() > 3 * np.abs(exact - numeric).max()


def test_emulator_with_a_change_is_one_file(lte, change, tmp_path):
    path = tmp_path / "emulator.safetensors"
    save_emulator(with_change(lte, change), path, {"physics": change.physics})
    again, card = load_emulator(path)
    assert (card["physics"], card["change"]) == ("nlte-li-mg", ["Mg", "Li"])
    labels = draw(2, np.random.default_rng(5))
    np.testing.assert_allclose(
        load_forward(path).flux(labels), forward_model(with_change(lte, change)).flux(labels), rtol=0, atol=1e-6
    )
    assert again.residuals.shape[1] == len(again.basis)
    assert (again.residuals[:, -len(change.basis) :] == 0).all()


def test_a_change_is_taken_once_and_on_its_own_wavelengths(lte, change):
    with pytest.raises(ParametersError, match="this one is in NLTE"):
        with_change(with_change(lte, change), change)
    with pytest.raises(ParametersError, match="belongs to an LTE emulator of 7 wavelengths"):
        with_change(lte, replace(change, n_pixels=7))
