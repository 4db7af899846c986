"""What NLTE changes in spectra: taken relative to the Sun, learned from stars, added to the emulator's spectra."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from cinn_core.errors import DataError, WeightsError
from cinn_core.forward_model.broadening import broaden
from cinn_core.forward_model.emulator import load_emulator, save_emulator, with_change, without_change
from cinn_core.forward_model.forward import SYNTHESIS_COLUMNS, forward_model
from cinn_core.forward_model.jacobian import jacobian
from cinn_core.forward_model.kernels import emulator_inputs
from cinn_core.forward_model.nlte_change import NlteChange, elements_in_nlte, load_change, save_change
from cinn_core.inference.model import emulator_path, load_forward
from cinn_core.instrument import RESOLVING_POWER
from cinn_core.nlte.flux_change import (
    WINDOWS,
    CalibratedLine,
    calibrated_lines,
    flux_change,
    in_windows,
    restrict_to_windows,
    solar_shifts,
)
from cinn_core.prior import draw, from_z, to_z
from cinn_core.synthesis.departure_files import DepartureTable, write_table
from cinn_core.synthesis.departures import Level
from cinn_core.synthesis.engine import grid_wavelength, labels_from
from cinn_core.synthesis.grid import star_labels
from cinn_core.synthesis.grid_file import synthesis_labels
from cinn_core.synthesis.turbospectrum_nlte import NlteElement
from cinn_core.training import nlte_change as nlte_change_stars
from cinn_core.training.nlte_change import (
    ChangedStars,
    ChangeSettings,
    Sources,
    change_errors,
    held_out,
    learn_change,
    make_stars,
    read_stars,
)

MG, LI = 5528.405, 6707.8
SETTINGS = ChangeSettings(components=3, steps=60)


def made_up_stars(n: int) -> ChangedStars:
    """Stars of the prior in which Mg I 5528 deepens with Teff, log g and [Mg/Fe], and lithium with A(Li)."""
    index = 100_000 + np.arange(n)
    labels = np.stack([star_labels(int(i)) for i in index]).astype(float)
    x = emulator_inputs(torch.from_numpy(labels)).numpy()
    wavelength = grid_wavelength()
    magnesium = 0.03 * np.tanh(0.5 * x[:, 0] - 0.3 * x[:, 1] + 0.4 * x[:, 2]) * (1 + 0.3 * x[:, 10])
    lithium = 0.04 / (1 + np.exp(-2 * x[:, 5])) * (1 + 0.2 * x[:, 2])
    shapes = [np.exp(-0.5 * ((wavelength - centre) / 0.12) ** 2) for centre in (MG, LI)]
    change = np.stack([magnesium, -lithium], 1) @ np.stack(shapes)
    return ChangedStars(index, labels, change.astype(np.float32))


@pytest.fixture(scope="module")
def stars() -> ChangedStars:
    return made_up_stars(250)


@pytest.fixture(scope="module")
def change(stars) -> NlteChange:
    return learn_change(stars, ("Mg", "Li"), SETTINGS)


@pytest.fixture(scope="module")
def lte():
    return without_change(load_emulator(emulator_path())[0])


# Learned


def test_change_of_stars_it_was_not_trained_on_is_known_to_a_tenth(change, stars):
    assert held_out(stars).sum() == 50
    errors = {(e.element, e.wavelength): e for e in change_errors(change, stars) if np.isfinite(e.wavelength)}
    assert errors["Mg", MG].change > 1.0  # mA
    assert errors["Mg", MG].error < 0.1 * errors["Mg", MG].change
    assert errors["Li", 6707.764].error < 0.1 * errors["Li", 6707.764].change


def test_change_is_nothing_outside_the_windows_and_far_from_all_stars(change, stars):
    made = change.flux(torch.from_numpy(stars.labels[:4])).numpy()
    assert (made[:, ~in_windows(("Mg", "Li"))] == 0).all()
    assert np.abs(made[:, in_windows(("Mg",))]).max() > 0.005
    far = torch.from_numpy(stars.labels[:1].copy())
    far[0, 0] = 500.0  # K
    inside = in_windows(("Mg",))  # lithium's does not follow Teff in these stars
    assert np.abs(change.flux(far).numpy()[:, inside]).max() < 0.1 * np.abs(made[:, inside]).max()


def test_gradients_are_those_of_the_coefficients(change, stars):
    x = emulator_inputs(torch.from_numpy(stars.labels[:3])).requires_grad_(True)
    exact = change.gradients(x.detach())
    for k, column in enumerate(change.coefficients(x).sum(0)):
        (slope,) = torch.autograd.grad(column, x, retain_graph=True)
        np.testing.assert_allclose(exact[:, :, k].numpy(), slope.numpy(), rtol=1e-9, atol=1e-12)


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


# In the forward model


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
    with pytest.raises(WeightsError, match="this one is in NLTE"):
        with_change(with_change(lte, change), change)
    with pytest.raises(WeightsError, match="belongs to an LTE emulator of 7 wavelengths"):
        with_change(lte, replace(change, n_pixels=7))


# Relative to the Sun

NLTE_DEX, LINE, LABORATORY_LINE = 0.12, 5528.405, 5183.604


@dataclass(frozen=True)
class FakeEngine:
    """Two Mg lines whose depth saturates with log gf; NLTE strengthens both by 0.12 dex."""

    shifts: dict[tuple[str, float], float] = field(default_factory=dict)
    nlte: tuple[NlteElement, ...] = ()
    in_lte: tuple[str, ...] = ()

    def synthesise(self, labels):
        wavelength = np.concatenate([np.arange(low - 1, high + 1, 0.0125) for low, high in WINDOWS["Mg"]])
        depth = np.zeros_like(wavelength)
        for centre in (LINE, LABORATORY_LINE):
            strength = 10 ** ((NLTE_DEX if self.nlte else 0.0) + self.shifts.get(("Mg I", centre), 0.0))
            depth += 1 - np.exp(-strength * np.exp(-0.5 * ((wavelength - centre) / 0.1) ** 2))
        return wavelength, 1 - depth


IN_NLTE = (NlteElement("Mg", None),)  # type: ignore[arg-type]


def test_calibrated_lines_keep_their_width_in_the_sun_and_laboratory_lines_change():
    lines = (CalibratedLine("Mg I", LINE, -0.631, -0.547), CalibratedLine("Mg I", 5711.088, -1.777, -1.742))
    shifts = solar_shifts(lines, FakeEngine(), lambda found: FakeEngine(dict(found), IN_NLTE))
    assert shifts["Mg I", LINE] == pytest.approx(-NLTE_DEX, abs=0.002)
    assert shifts["Mg I", 5711.088] == 0  # not seen in this Sun
    change = flux_change(labels_from({"teff": 5772, "logg": 4.44}), FakeEngine(), FakeEngine(shifts, IN_NLTE))
    wavelength = grid_wavelength()
    area = {
        x: np.trapezoid(change[abs(wavelength - x) < 2], wavelength[abs(wavelength - x) < 2]) for x in (LINE, 5183.604)
    }
    assert abs(area[LINE]) < 1e-3  # Angstrom
    assert area[LABORATORY_LINE] < -0.02
    assert (change[~in_windows(("Mg",))] == 0).all()


def test_lines_without_levels_stay_as_they_are_listed():
    lines = (CalibratedLine("Mg I", LINE, -0.631, -0.547),)
    engine = FakeEngine(nlte=IN_NLTE, in_lte=("Mg I 5528.405",))
    assert solar_shifts(lines, FakeEngine(), lambda found: engine) == {}


def test_lists_say_which_lines_were_calibrated_on_the_sun(shared):
    lines = {(line.species, line.wavelength): line for line in calibrated_lines(shared / "synthesis")}
    assert (lines["Mg I", 5528.405].log_gf, lines["Mg I", 5528.405].laboratory) == (-0.631, -0.547)
    assert ("Ca I", 6439.075) in lines
    assert not any(species == "Mg I" and 5160 < wavelength < 5190 for species, wavelength in lines)  # the triplet


def test_segments_of_the_windows_do_not_overlap():
    @dataclass(frozen=True)
    class Engine:
        windows: tuple = ()
        segments: tuple = ()

    made = restrict_to_windows(Engine(), ("Li", "Mg", "Ca"))  # type: ignore[arg-type]
    edges = np.array(made.segments).ravel()
    assert (np.diff(edges) > 0).all()
    assert made.windows == ((edges[0], edges[-1]),)


def test_stars_that_the_folder_holds_are_kept_and_tables_are_not_mixed(tmp_path, monkeypatch):
    levels = (Level("MG I 2P6 3S 3S 1SE", 0.0, 1.0),)
    node = np.array([[5777.0, 4.44, 0.0, 7.55]])
    write_table(DepartureTable("Mg", levels, node, np.array([-1.0, 0.0]), np.ones((1, 1, 2)), {}), tmp_path / "Mg.npz")
    sources = Sources((tmp_path / "Mg.npz",), tmp_path, tmp_path, tmp_path / "run")
    (tmp_path / "run").mkdir()
    kept = {"tables_sha256": sources.digest(), "shifts": [["Mg I", LINE, -0.1]]}
    (tmp_path / "run" / "inputs.json").write_text(json.dumps(kept))
    given = []

    def engines(sources, shifts, lines):
        given.append(shifts)
        return FakeEngine(), FakeEngine(shifts, IN_NLTE)

    monkeypatch.setattr(nlte_change_stars, "engines", engines)
    first = make_stars(sources, seed=1, n=2)
    (tmp_path / "run" / "stars" / "000100001.npz").unlink()
    said: list[str] = []
    again = make_stars(sources, seed=1, n=2, report=said.append)
    assert said == ["1 of 2 stars are there already"]
    assert given == [{("Mg I", LINE): -0.1}] * 2
    np.testing.assert_array_equal(again.index, [100_000, 100_001])
    np.testing.assert_array_equal(again.change, first.change)
    np.testing.assert_allclose(again.labels[1], star_labels(100_001))
    (tmp_path / "Mg.npz").write_bytes(b"another")
    with pytest.raises(DataError, match="other tables of departures"):
        make_stars(sources, seed=1, n=2)


def test_folder_without_stars_is_told(tmp_path):
    with pytest.raises(DataError, match="holds no star"):
        read_stars(tmp_path, [100_000])
