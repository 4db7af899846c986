"""Model atmospheres: ATLAS9 is interpolated as its grids say, MARCS models are read with their geometry."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.errors import DataError, SynthesisError
from cinn_core.synthesis.atmosphere import AtlasGrid, Atmospheres, load_atmospheres, parameters_of, read_marcs


def linear_tables(feh, slope_feh):
    """A grid whose log10 columns are linear in everything, so that interpolation between them is exact."""
    feh, teff, logg = np.array(feh), np.array([4000.0, 5000.0, 6000.0]), np.array([2.0, 3.0, 4.0])
    log_tau = np.arange(-6.0, 2.1, 0.5)
    at = np.meshgrid(feh, teff, logg, log_tau, indexing="ij")
    column = slope_feh * at[0] + at[1] / 2000 - 0.3 * at[2] + 0.5 * at[3]
    return AtlasGrid(feh, teff, logg, log_tau, np.stack([column + k for k in range(5)], -1))


@pytest.fixture
def atmospheres():
    return Atmospheres(linear_tables([-2.5, -1.0, 0.5], 0.1), linear_tables([-5.0, -4.0, -2.5], 0.4))


def marcs_text(radius="  1.0000E+00 1 cm radius for plane-parallel models", layers=6):
    """A made-up model in MARCS's format, 4000 K at the top."""
    head = f"""\
made up
  5000.      Teff [K].         Last iteration; yyyymmdd=20080520
  3.5440E+10 Flux [erg/cm2/s]
  1.0000E+03 Surface gravity [cm/s2]
  2.0        Microturbulence parameter [km/s]
  1.0        Mass [Msun]
 -0.50 +0.40 Metallicity [Fe/H] and [alpha/Fe]
{radius}
    15.56074 Luminosity [Lsun]
Logarithmic chemical number abundances, H always 12.00
  12.00  10.93   1.05
 -99.00  -0.52
  {layers} Number of depth points
Model structure
 k lgTauR  lgTau5    Depth     T        Pe          Pg         Prad       Pturb
"""
    rows = [
        f" {k} {k - 5:.2f} {k - 4.5:.4f} {1e9 * (k - 3):.3E} {4000 + 500 * k:.1f} {10.0**k:.4E} {10.0 ** (k + 3):.4E} 0.0 0.0"
        for k in range(layers)
    ]
    second = [f" {k} {k - 5:.2f} 1.0E-02 1.0E-08 1.268 0.0 0.0 {10.0 ** (k - 2):.6E}" for k in range(layers)]
    heading = " k lgTauR    KappaRoss   Density   Mu      Vconv   Fconv/F      RHOX"
    return head + "\n".join([*rows, heading, *second]) + "\nAssorted logarithmic partial pressures\n"


@pytest.fixture
def marcs(tmp_path):
    def write(text):
        path = tmp_path / "star.mod"
        path.write_text(text)
        return path

    return write


def test_atmosphere_at_a_grid_node_is_the_model_there(atmospheres):
    model = atmospheres.at(5000.0, 3.0, -1.0)
    used = (atmospheres.main.log_tau > -5.6) & (atmospheres.main.log_tau < 1.95)
    np.testing.assert_allclose(np.log10(model.columns), atmospheres.main.values[1, 1, 1][used], rtol=1e-12)
    assert model.log_tau.min() == -5.5
    assert model.log_tau.max() == 1.5


def test_atmosphere_is_linear_in_log10_between_nodes(atmospheres):
    found = np.log10(atmospheres.at(4321.0, 2.7, -1.7).columns[:, 0])
    expected = 0.1 * -1.7 + 4321 / 2000 - 0.3 * 2.7 + 0.5 * atmospheres.at(4321.0, 2.7, -1.7).log_tau
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_metal_poor_atmosphere_follows_the_differences_of_the_older_grid(atmospheres):
    at_edge, beyond = (np.log10(atmospheres.at(5100.0, 3.3, m).columns) for m in (-2.5, -3.7))
    np.testing.assert_allclose(beyond - at_edge, 0.4 * -1.2, rtol=1e-9)


def test_metallicity_is_held_inside_the_tables(atmospheres):
    np.testing.assert_array_equal(atmospheres.at(5000, 3, 0.8).columns, atmospheres.at(5000, 3, 0.5).columns)
    assert atmospheres.at(5000, 3, -6.0).metallicity == -5.0


def test_missing_and_distant_models_are_refused_in_words(atmospheres):
    atmospheres.main.values[1, 2, 0] = np.nan
    with pytest.raises(SynthesisError, match=r"no model atmosphere at Teff 6000 K, log g 2\.0"):
        atmospheres.at(5500.0, 2.5, -1.0)
    assert np.isfinite(atmospheres.at(5500.0, 3.0, -1.0).columns).all()  # the missing model has no weight here
    with pytest.raises(SynthesisError, match="Teff 7000 is outside the model atmospheres, which cover 4000 to 6000"):
        atmospheres.at(7000.0, 3.0, -1.0)


def test_atmosphere_files_reproduce_a_published_model(shared):
    model = load_atmospheres(shared / "synthesis").at(5750.0, 4.5, -0.5)
    with np.load(shared / "synthesis" / "atlas9_odfnew.npz") as arrays:
        published = arrays["q"][4, 9, 9]
        used = (arrays["logtauR"] > -5.6) & (arrays["logtauR"] < 1.95)
    np.testing.assert_allclose(model.columns[:, 1], published[used, 1], rtol=1e-6)
    np.testing.assert_allclose(np.log10(model.columns[:, 0]), published[used, 0], rtol=1e-6)


def test_marcs_model_has_the_columns_of_an_atmosphere(marcs):
    model = read_marcs(marcs(marcs_text())).atmosphere
    assert (model.teff, model.logg) == (5000.0, 3.0)
    assert model.metallicity == pytest.approx(-0.5 + np.log10(0.638 * 10**0.4 + 0.362))
    np.testing.assert_allclose(model.columns[:, 0], 10.0 ** np.arange(-2.0, 4.0))  # column mass
    np.testing.assert_allclose(model.columns[:, 1], 4000 + 500 * np.arange(6))
    np.testing.assert_allclose(model.columns[:, 3] * 1.380649e-16 * model.columns[:, 1], 10.0 ** np.arange(6))
    assert model.sphere is None


def test_spherical_marcs_model_has_its_radius_and_heights(marcs):
    sphere = read_marcs(marcs(marcs_text("  3.6526E+11 Radius [cm] at Tau(Rosseland)=1.0"))).atmosphere.sphere
    assert sphere.radius == pytest.approx(3.6526e11)
    np.testing.assert_allclose(sphere.height, -1e9 * (np.arange(6) - 3.0))


def test_marcs_model_serves_no_other_star(marcs):
    model = read_marcs(marcs(marcs_text()))
    assert model.at(5000.0, 3.0, -0.2) is model.atmosphere
    for teff, logg, metallicity in ((5100.0, 3.0, -0.2), (5000.0, 3.1, -0.2), (5000.0, 3.0, 0.2)):
        with pytest.raises(SynthesisError, match=r"is one of Teff 5000 K, log g 3\.00.*give it a model of its own"):
            model.at(teff, logg, metallicity)


def test_marcs_model_says_which_star_it_is_for(marcs):
    found = parameters_of(read_marcs(marcs(marcs_text())))
    assert found["teff"] == 5000.0
    assert found["feh"] == -0.5
    assert found["mg_fe"] == found["o_fe"] == 0.4


def test_damaged_marcs_model_is_refused_in_words(marcs, tmp_path):
    whole = marcs_text()
    for text in ("not a model", whole.replace("Surface gravity", "x"), whole[: whole.index("KappaRoss") + 60], ""):
        with pytest.raises(DataError, match="is not a model atmosphere in MARCS's format"):
            read_marcs(marcs(text))
    with pytest.raises(DataError, match="cannot be read"):
        read_marcs(tmp_path / "none.mod")
