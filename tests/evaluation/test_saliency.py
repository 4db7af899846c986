"""Figures of the saliency on held-out stars, where the answer is known: peaks put on and off an element's own pixels."""

import numpy as np
import pytest

from cinn_core.evaluation.saliency import StarSaliency, saliency_numbers
from cinn_core.explanation.saliency import load_background, save_background
from cinn_core.inference.network import N_TARGETS
from cinn_core.instrument import LITHIUM_ANGSTROM, N_PIXELS, WAVELENGTH
from cinn_core.targets import COLUMN, TARGET_NAMES

_N = 4


def made_up_saliency(at_line: int) -> StarSaliency:
    """Ten equal peaks a target, six of them on its own pixels; lithium's strongest at 6707.8 in `at_line` of four stars."""
    peaks = np.arange(10) * 1000 + 50
    weights = np.zeros((_N, N_TARGETS, N_PIXELS), np.float32)
    weights[..., peaks] = np.linspace(1.0, 0.9, 10)
    own = np.zeros(weights.shape, bool)
    own[..., peaks[:6]] = True
    lithium = int(np.abs(WAVELENGTH - LITHIUM_ANGSTROM).argmin())
    weights[:at_line, COLUMN["li_fe"], lithium + 2] = 2.0
    weights /= np.linalg.norm(weights, axis=2, keepdims=True)
    ideal = np.zeros_like(weights)
    ideal[..., peaks[0]] = 1.0
    return StarSaliency(weights.astype(np.float16), ideal.astype(np.float16), own, np.array([20.0, 20.0, 20.0, 1.0]))


def test_numbers_are_those_that_were_put_in():
    numbers = saliency_numbers(made_up_saliency(2))
    assert tuple(numbers["targets"]) == TARGET_NAMES
    magnesium = numbers["targets"]["mg_fe"]
    assert magnesium["peaks_on_own"] == pytest.approx(0.6)
    assert magnesium["random_on_own"] == pytest.approx(6 / N_PIXELS)
    assert magnesium["correlation"] == pytest.approx(1 / np.linalg.norm(np.linspace(1.0, 0.9, 10)), rel=0.01)
    assert numbers["lithium"] == {"n": 3, "strongest_at_line": pytest.approx(2 / 3)}


def test_background_is_the_median_star_and_of_unit_norm():
    background = made_up_saliency(1).background
    np.testing.assert_allclose(np.linalg.norm(background, axis=1), 1, rtol=1e-5)
    lithium = np.abs(WAVELENGTH - LITHIUM_ANGSTROM) < 1
    assert not background[:, lithium].any(), "one star of four has it"


def test_background_of_another_network_is_not_shown(model, tmp_path):
    background = made_up_saliency(0).background
    path = tmp_path / "saliency.npz"
    assert load_background(model, path) is None
    save_background(background, path, "another")
    assert load_background(model, path) is None
    save_background(background, path, model.cards["network"]["sha256"])
    np.testing.assert_allclose(load_background(model, path), background, atol=1e-3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["saliency.npz"]
