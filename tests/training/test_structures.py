"""What is learned of STAGGER and of lithium: leave-one-out errors, the second shape, and an error against what it learned from."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.files import asset_path
from cinn_core.synthesis.atmosphere import load_atmospheres
from cinn_core.synthesis.structure import load_structure
from cinn_core.training.lithium import learn_correction
from cinn_core.training.structures import (
    JUDGED,
    LOG_TAU,
    MeanModels,
    differences,
    learn_structure,
    left_out,
    mafags_differences,
    read_stagger,
    second_shape,
)


@pytest.fixture(scope="module")
def learned(shared):
    grid = load_atmospheres(shared / "synthesis")
    models = differences(read_stagger(shared / "nlte"), grid)
    mafags = mafags_differences(shared / "nlte", grid)
    return models, *learn_structure(models, mafags)


def test_models_left_out_are_met_within_40_kelvin_where_they_are_dense(learned):
    models, _, residuals = learned
    dense, elsewhere, *by_metallicity = left_out(models, residuals)
    assert dense.models + elsewhere.models == 118
    assert dense.rms < 25
    assert dense.within_40 > 0.9
    assert max(row.rms for row in by_metallicity) < 40
    assert elsewhere.rms > dense.rms  # said to be extrapolation


def test_pressures_of_stagger_are_total_and_the_density_tells_the_gas(shared):
    averages = read_stagger(shared / "nlte")
    assert len(averages) == 118
    shares = np.array([np.interp(10.0, a.rhox, a.turbulence) for a in averages])
    assert shares.min() > 0
    assert shares.max() < 0.4
    giant = next(a for a in averages if a.logg == 2.0 and a.metallicity == 0)
    dwarf = next(a for a in averages if a.logg == 5.0 and a.metallicity == 0)
    assert np.median(giant.turbulence) > 3 * np.median(dwarf.turbulence)


def test_function_that_ships_is_the_one_that_is_learned(learned):
    models, structure, _ = learned
    shipped = load_structure(asset_path("structure.npz"))
    for star in models.labels[::10]:
        np.testing.assert_allclose(shipped.at(*star)[0], structure.at(*star)[0], atol=0.5)
        np.testing.assert_allclose(shipped.at(*star)[1], structure.at(*star)[1], atol=1e-3)


def test_smooth_change_is_learned_and_interpolated():
    rng = np.random.default_rng(0)
    labels = np.column_stack([rng.uniform(5000, 6500, 80), rng.uniform(3, 5, 80), rng.uniform(-3, 0.5, 80)])

    def change(x):
        return (x[:, 2:] * 100 + (x[:, :1] - 5600) / 20) * np.exp(-0.5 * ((LOG_TAU + 2) / 1.5) ** 2)

    turbulence = 0.1 * np.ones((80, LOG_TAU.size))
    structure, residuals = learn_structure(MeanModels(labels, change(labels), turbulence), change(labels)[:9])
    assert np.sqrt((residuals[:, JUDGED] ** 2).mean()) < 3
    star = np.array([[5700.0, 4.1, -1.2]])
    np.testing.assert_allclose(structure.at(*star[0])[0], change(star)[0], atol=6)


def test_second_shape_is_the_common_component_in_its_usual_size():
    rng = np.random.default_rng(1)
    shape = np.exp(-0.5 * (LOG_TAU + 1) ** 2)
    found = second_shape(np.outer(rng.standard_normal(300) * 20, shape), np.outer(np.full(50, -60.0), shape))
    expected = shape * np.sqrt((20**2 + 60**2) / 2)
    np.testing.assert_allclose(found[JUDGED], expected[JUDGED], rtol=0.05, atol=0.5)


def test_correction_of_lithium_is_learned_from_what_is_given():
    def published(x):
        return 0.1 * np.sin(x[:, 3]) + 0.05 * (x[:, 0] - 5500) / 1500

    correction, errors = learn_correction(published, 300, 0)
    x = np.array([[5500.0, 3.5, -1.0, 1.5]])
    np.testing.assert_allclose(correction.at(x), published(x), atol=0.02)
    assert errors.rms < 0.02
    assert errors.stars == 20_000
