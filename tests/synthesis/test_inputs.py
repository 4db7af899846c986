"""What a user brings to a synthesis: MARCS models, line lists of Turbospectrum and VALD; and PySME where it is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from cinn_core.errors import DataError, SynthesisError
from cinn_core.synthesis.agreement import Agreement, worst_lines
from cinn_core.synthesis.atmosphere import parameters_of, read_marcs
from cinn_core.synthesis.engine import grid_wavelength, labels_from, to_grid
from cinn_core.synthesis.inputs import OwnInputs
from cinn_core.synthesis.line_lists import read_lines, turbospectrum_list
from cinn_core.synthesis.turbospectrum import babsma_input, bsyn_input, find_programs, open_turbospectrum

SUN = {"teff": 5777.0, "logg": 4.44}
PYSME = pytest.mark.skipif(importlib.util.find_spec("pysme") is None, reason="no PySME: pip install pysme-astro")

TURBOSPECTRUM_LIST = """\
'   3.000            '    1        1
'Li I    LTE'
  6103.649  1.848  0.361  836.274    6.0  1.05E+08 'p' 'd'   0.0    1.0 'Li I'
'  26.000            '    1        2
'Fe I    NLTE'
  5145.094  2.198 -2.876  351.272    5.0  1.70E+08  0.000  'X' 'X'   0.0    1.0 'Fe I'
  5145.730  3.695 -3.270    2.500    7.0  1.00E+05 -5.400  'X' 'X'   0.0    1.0 'Fe I'
"""
VALD_STELLAR = """\
 5150.00000, 5740.00000, 2, 123456, 1.0 Wavelength region, lines selected, lines processed, Vmicro
                                                 Damping parameters   Lande  Central
Spec Ion       WL_air(A)  Excit(eV) Vmic log gf* Rad.  Stark  Waals  factor  depth  Reference
'Mg 1',       5183.6040,   2.7166, 1.0, -0.167, 8.023,-5.130, 731.256, 1.170, 0.972, 'a reference'
'Fe 2',       5234.6230,   3.2214, 1.0, -2.180, 8.487,-6.600, 180.249, 0.870, 0.700, 'another'
"""


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


# MARCS


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
        with pytest.raises(DataError, match="is no model atmosphere in MARCS's format"):
            read_marcs(marcs(text))
    with pytest.raises(DataError, match="cannot be read"):
        read_marcs(tmp_path / "none.mod")


def test_turbospectrum_is_told_of_marcs_and_of_the_sphere():
    labels = labels_from(SUN)
    assert "'MARCS-FILE:' '.true.'" in babsma_input(labels, 5150.0, 5740.0, marcs=True)
    assert "'MARCS-FILE:' '.false.'" in babsma_input(labels, 5150.0, 5740.0)
    assert "'SPHERICAL:' 'T'" in bsyn_input(labels, 5150.0, 5740.0, spherical=True)
    assert "'NFILES   :' '1'\nlines/own.list\n" in bsyn_input(labels, 5150.0, 5740.0, ("own.list",))


# Line lists


def test_turbospectrum_list_is_read_with_its_damping(tmp_path):
    path = tmp_path / "ts.list"
    path.write_text(TURBOSPECTRUM_LIST)
    lines = read_lines(path)
    assert lines.species.tolist() == ["Fe 1", "Fe 1", "Li 1"]
    np.testing.assert_allclose(lines.waals, [351.272, 0.0, 836.274])  # a factor of Unsöld's approximation is none
    np.testing.assert_allclose(lines.radiative, np.log10([1.7e8, 1e5, 1.05e8]))
    np.testing.assert_allclose(lines.stark, [0.0, -5.4, 0.0])
    assert turbospectrum_list(path) == TURBOSPECTRUM_LIST


def test_vald_list_keeps_its_numbers_on_the_way_to_turbospectrum(tmp_path):
    vald, made = tmp_path / "vald.txt", tmp_path / "made.list"
    vald.write_text(VALD_STELLAR)
    lines = read_lines(vald)
    assert lines.species.tolist() == ["Mg 1", "Fe 2"]
    np.testing.assert_allclose(lines.log_gf, [-0.167, -2.180])
    np.testing.assert_allclose(lines.excitation, [2.7166, 3.2214])
    made.write_text(turbospectrum_list(vald))
    again = read_lines(made)
    assert again.species.tolist() == lines.species.tolist()
    for name in ("wavelength", "excitation", "log_gf", "stark", "waals"):
        np.testing.assert_allclose(getattr(again, name), getattr(lines, name), atol=6e-4, err_msg=name)
    np.testing.assert_allclose(again.radiative, lines.radiative, atol=5e-3)  # three digits of the rate


def test_vacuum_wavelengths_and_other_files_are_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(VALD_STELLAR.replace("WL_air", "WL_vac"))
    with pytest.raises(DataError, match="vacuum wavelengths; extract it from VALD again with air"):
        read_lines(path)
    for text in ("wave,flux\n1,2\n", "", "'  26.000   ' 1 3\n'Fe'\n 5000. 1.0 -1.0\n"):
        path.write_text(text)
        with pytest.raises(DataError, match="line list of Turbospectrum or VALD"):
            read_lines(path)


def test_lists_of_ones_own_have_a_name_of_their_own(tmp_path):
    path = tmp_path / "mine.list"
    path.write_text(TURBOSPECTRUM_LIST)
    inputs = OwnInputs((path, path))
    assert inputs.line_names == "mine.list+mine.list"
    assert inputs.digest() != OwnInputs((path,)).digest()


def test_largest_differences_are_put_down_to_the_line_that_makes_them(tmp_path):
    path = tmp_path / "vald.txt"
    path.write_text(VALD_STELLAR)
    wavelength = grid_wavelength()
    difference = np.zeros(wavelength.size)
    for centre, size in ((5183.1, 0.05), (5234.62, 0.03), (6563.0, 0.02), (5600.0, 0.01)):
        difference[np.argmin(np.abs(wavelength - centre))] = size
    row = Agreement(1, 5777.0, 4.44, 0.0, 0.0, 0.05, 0.0, 1.0, difference)
    found = worst_lines([row, row], wavelength, read_lines(path), 4)
    assert [line.species for line in found] == ["Mg 1 5183.60", "Fe 2 5234.62", "H I", ""]
    assert [line.reason.split(":")[0] for line in found] == ["wing", "core", "hydrogen", "continuum"]


# The commands


def test_synthesis_needs_a_star_or_a_model(tmp_path, marcs):
    runner, out = CliRunner(), str(tmp_path / "sun.fits")
    for arguments, said in {
        ("--out", out): "Which star?",
        ("--out", out, "--atmosphere", str(tmp_path / "none.mod")): "cannot be read",
        ("--out", out, "--atmosphere", str(marcs("nothing"))): "is no model atmosphere",
    }.items():
        result = runner.invoke(app, ["synthesise", *arguments])
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())


# The codes themselves


def test_sphere_matters_little_to_a_giant_of_log_g_3(shared, tmp_path, marcs):
    """MARCS's 5000 K, log g 3 through Turbospectrum: as spherical as it is, and a tenth of that."""
    source = shared / "nlte" / "marcs" / "s5000_g3.0_z0.mod"
    if not source.is_file():
        pytest.skip("no MARCS model in the data folder")
    try:
        programs = find_programs()
    except DataError:
        pytest.skip("no Turbospectrum: make turbospectrum, or set KIEL_TURBOSPECTRUM")
    own = tmp_path / "few.list"
    own.write_text(VALD_STELLAR)
    star = labels_from(parameters_of(read_marcs(source)))
    larger = marcs(source.read_text().replace("3.6526E+11 Radius [cm]", "3.6526E+12 Radius [cm]"))
    depths = []
    for number, path in enumerate((source, larger)):
        (tmp_path / str(number)).mkdir()
        whole = open_turbospectrum(programs, shared, tmp_path / str(number), OwnInputs((own,), path))
        engine = replace(whole, windows=((5178.0, 5188.0),))  # all would take a minute
        assert "spherical, MARCS" in engine.provenance["engine"]
        assert engine.linelist == "few.list"
        wavelength, flux = engine.synthesise(star)
        depths.append(1 - flux)
    assert depths[0][np.argmin(np.abs(wavelength - 5183.604))] > 0.6
    assert depths[0][np.argmin(np.abs(wavelength - 5179.0))] < 0.05  # nothing but the wing of the one line
    assert 1e-5 < np.abs(depths[0] - depths[1]).max() < 0.02


def test_missing_pysme_is_told_with_the_remedy(tmp_path):
    from cinn_core.synthesis.pysme import open_pysme

    if importlib.util.find_spec("pysme"):
        pytest.skip("PySME is installed")
    with pytest.raises(DataError, match=r"PySME is not installed; `pip install -e '\.\[synthesis\]'`"):
        open_pysme(tmp_path)


def test_abundances_for_sme_are_shares_of_all_nuclei():
    from cinn_core.synthesis.pysme import abundances_for_sme

    share = abundances_for_sme(labels_from(SUN))
    assert share[0] + (10 ** share[1:]).sum() == pytest.approx(1.0)
    assert share[25] - np.log10(share[0]) == pytest.approx(7.5 - 12)


@PYSME
@pytest.mark.slow
def test_pysme_and_a_line_list_of_vald_make_a_spectrum(shared, tmp_path):
    from cinn_core.synthesis.pysme import open_pysme

    own = tmp_path / "few.list"
    own.write_text(VALD_STELLAR)
    engine = open_pysme(shared, OwnInputs((own,)))
    flux = to_grid(*engine.synthesise(labels_from(SUN)))
    wavelength = grid_wavelength()
    assert flux[np.argmin(np.abs(wavelength - 5183.604))] < 0.3
    assert flux[np.argmin(np.abs(wavelength - 5400.0))] == pytest.approx(1.0, abs=1e-3)
