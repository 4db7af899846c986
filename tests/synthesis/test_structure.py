"""Structure s: 0 is the model itself, pressure balances gravity for every s, and metal-poor surfaces are cold at 1."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.synthesis.atmosphere import Atmosphere, load_atmospheres
from cinn_core.synthesis.engine import OwnInputs
from cinn_core.synthesis.gas import gas
from cinn_core.synthesis.structure import (
    StructuredAtmospheres,
    in_equilibrium,
    integrated,
    is_firm,
    load_structure,
    open_atmospheres,
    optical_depth,
    save_structure,
)


class GreyAtmospheres:
    """Grey models in hydrostatic equilibrium, which need no data."""

    @cache  # noqa: B019 - one instance, as long as the tests
    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        log_tau = np.linspace(-5.5, 1.5, 60)
        tau, gravity = 10.0**log_tau, 10.0**logg
        temperature = teff * (0.75 * (tau + 0.7)) ** 0.25
        rhox = tau / 0.05
        for _ in range(60):
            state = gas(temperature, gravity * rhox, metallicity)
            rhox = np.exp(0.5 * (np.log(rhox) + np.log(integrated(tau / state.opacity, tau))))
        columns = np.stack([rhox, temperature, gravity * rhox, state.electrons, state.opacity], 1)
        return Atmosphere(teff, logg, metallicity, log_tau, columns)


GREY = GreyAtmospheres()
STARS = [(5777.0, 4.44, 0.0), (6000.0, 4.0, -1.7), (4500.0, 2.0, -1.7), (4200.0, 1.5, 0.0)]


@pytest.fixture(scope="module")
def structure():
    return load_structure()


def test_at_zero_the_model_is_the_source_itself(structure):
    model = StructuredAtmospheres(GREY, structure, 0.0).at(5777.0, 4.44, 0.0)
    np.testing.assert_array_equal(model.columns, GREY.at(5777.0, 4.44, 0.0).columns)


@pytest.mark.parametrize("star", STARS)
@pytest.mark.parametrize("s", [-0.3, 1.0, 1.4])
def test_gas_and_turbulent_pressure_carry_the_column_above(structure, star, s):
    before, after = GREY.at(*star), StructuredAtmospheres(GREY, structure, s).at(*star)
    log_tau = np.log10(optical_depth(before))
    share = s * np.interp(log_tau, structure.log_tau, structure.at(*star)[1])
    carried = after.columns[:, 2] / (1 - share)
    np.testing.assert_allclose(carried / (10.0 ** star[1] * after.columns[:, 0]), 1.0, rtol=1e-6)
    # and the column is that of the same optical depths: both integrals by trapezoids, hence the per cent
    inside = (log_tau > -4) & (log_tau < 1)
    np.testing.assert_allclose(np.log10(optical_depth(after))[inside], log_tau[inside], atol=0.02)


def test_temperature_changes_in_proportion_to_s(structure):
    columns = [StructuredAtmospheres(GREY, structure, s).at(5500.0, 3.5, -1.7).columns[:, 1] for s in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(columns[2] - columns[0], 2 * (columns[1] - columns[0]), atol=1e-6)


def test_surfaces_of_metal_poor_stars_are_colder_in_three_dimensions_and_those_of_the_sun_hardly_change(structure):
    at = {"-3": np.argmin(np.abs(structure.log_tau + 3)), "-1": np.argmin(np.abs(structure.log_tau + 1))}
    poor, solar = structure.at(5500.0, 3.5, -1.7)[0], structure.at(5777.0, 4.44, 0.0)[0]
    assert poor[at["-3"]] < -350
    assert np.abs(solar[[at["-3"], at["-1"]]]).max() < 80


def test_turbulent_pressure_grows_from_dwarfs_to_giants(structure):
    at_surface = np.argmin(np.abs(structure.log_tau))
    shares = [
        structure.at(*star)[1][at_surface] for star in ((5000.0, 4.5, 0.0), (5777.0, 4.44, 0.0), (4500.0, 2.0, 0.0))
    ]
    assert 0.03 < shares[0] < shares[1] < shares[2] < 0.3


def test_outside_the_models_the_change_is_held(structure):
    edge = structure.anchors.max(0) * structure.scale + structure.centre
    np.testing.assert_allclose(structure.at(*(edge + np.array([500, 1, 1])))[0], structure.at(*edge)[0], atol=1e-9)


def test_where_models_are_dense_is_said():
    assert is_firm(5000.0, 3.0)
    assert is_firm(6500.0, 4.5)
    assert not is_firm(4800.0, 2.6)
    assert not is_firm(4500.0, 4.6)


def test_second_shape_is_added_with_its_amplitude(structure):
    plain, shaped = (StructuredAtmospheres(GREY, structure, 0.0, a).at(5777.0, 4.44, 0.0) for a in (0.0, 2.0))
    change = np.interp(np.log10(optical_depth(plain)), structure.log_tau, structure.second)
    np.testing.assert_allclose(shaped.columns[:, 1] - plain.columns[:, 1], 2 * change, atol=1e-6)


@pytest.mark.parametrize(("s", "second"), [(-0.4, 0.0), (1.5, 0.0), (float("nan"), 0.0), (1.0, 3.5)])
def test_a_structure_outside_its_range_is_refused(structure, s, second):
    with pytest.raises(DataError, match="lies between"):
        StructuredAtmospheres(GREY, structure, s, second)


def test_a_structure_for_a_marcs_model_is_refused(tmp_path):
    with pytest.raises(DataError, match="leave it out where a MARCS model"):
        open_atmospheres(tmp_path, OwnInputs((), Path("sun.mod"), 1.0))


def test_heating_the_surface_without_turbulence_lowers_the_column_there():
    model = GREY.at(5777.0, 4.44, 0.0)
    hotter = in_equilibrium(model, model.columns[:, 1] + 200.0, np.zeros(60))
    assert (hotter.columns[:, 0] < model.columns[:, 0]).all()  # more electrons, more opacity, less mass at equal tau


def test_function_survives_its_file(structure, tmp_path):
    save_structure(structure, tmp_path / "s.npz")
    again = load_structure(tmp_path / "s.npz")
    for star in STARS:
        np.testing.assert_allclose(again.at(*star)[0], structure.at(*star)[0], atol=0.1)
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="does not hold"):
        load_structure(tmp_path / "other.npz")


def test_shipped_function_keeps_atlas9_models_whole(shared, structure):
    grid = load_atmospheres(shared / "synthesis")
    for star in STARS:
        before = grid.at(*star)
        after = StructuredAtmospheres(grid, structure, 1e-9).at(*star)
        np.testing.assert_allclose(after.columns / before.columns, 1.0, rtol=1e-6)
        np.testing.assert_array_equal(after.log_tau, before.log_tau)
