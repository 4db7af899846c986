"""Turbospectrum: its input files, and the code itself where it is built."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import h5py
import numpy as np
import pytest
from made_up_lines import VALD_STELLAR
from missing import missing

from cinn_core.errors import DataError, SynthesisError
from cinn_core.synthesis.abundances import SOLAR_ABUNDANCES
from cinn_core.synthesis.atmosphere import parameters_of, read_marcs
from cinn_core.synthesis.engine import OwnInputs, labels_from, to_grid
from cinn_core.synthesis.structure import optical_depth
from cinn_core.synthesis.turbospectrum import babsma_input, bsyn_input, model_text, open_turbospectrum
from cinn_core.synthesis.turbospectrum_nlte import optical_depths

SUN = {"teff": 5777.0, "logg": 4.44}


@pytest.fixture(scope="module")
def engine(programs, shared, tmp_path_factory):
    """Turbospectrum with the shared line lists."""
    return open_turbospectrum(programs, shared, tmp_path_factory.mktemp("lines"))


def test_input_of_turbospectrum_says_what_the_labels_say():
    labels = labels_from({**SUN, "feh": -0.5, "vmic": 1.234, "mg_fe": 0.3})
    opacity, spectrum = babsma_input(labels, 5150.0, 5740.0), bsyn_input(labels, 5150.0, 5740.0)
    assert "'LAMBDA_MIN:' '5149.000'" in opacity
    assert "'LAMBDA_MIN:' '5150.000'" in spectrum
    assert opacity.endswith("'XIFIX:' 'T'\n1.234\n")
    assert "\n12 7.350\n" in spectrum
    assert f"'INDIVIDUAL ABUNDANCES:' '{len(SOLAR_ABUNDANCES)}'" in spectrum


def test_missing_line_lists_are_named(tmp_path):
    with pytest.raises(DataError, match=r"atlas9_odfnew.npz are missing; name the folder"):
        open_turbospectrum(tmp_path, tmp_path, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("metal_poor", [False, True])
def test_turbospectrum_reproduces_the_shared_grid(engine, shared, metal_poor):
    with h5py.File(shared / "grid" / "grid-3.h5") as f:
        labels, index = f["labels"][:].astype(float), f["index"][:]
        wanted = (index % 10 == 7) & ((labels[:, 2] < -3.0) if metal_poor else (np.abs(labels[:, 2]) < 0.2))
        row = int(np.flatnonzero(wanted)[0])
        expected = f["flux"][row] / 50_000
    flux = to_grid(*engine.synthesise(labels[row]))
    assert np.sqrt(np.mean((flux - expected) ** 2)) < 5e-4


@pytest.mark.slow
def test_turbospectrum_that_gives_nothing_is_reported_with_the_star(engine):
    with pytest.raises(SynthesisError, match=r"babsma_lu took more than .* for Teff 5777 K, log g 4\.44"):
        type(engine)(**{**vars(engine), "timeout_s": 0.01}).synthesise(labels_from(SUN))


def test_turbospectrum_is_told_of_marcs_and_of_the_sphere():
    labels = labels_from(SUN)
    assert "'MARCS-FILE:' '.true.'" in babsma_input(labels, 5150.0, 5740.0, marcs=True)
    assert "'MARCS-FILE:' '.false.'" in babsma_input(labels, 5150.0, 5740.0)
    assert "'SPHERICAL:' 'T'" in bsyn_input(labels, 5150.0, 5740.0, spherical=True)
    assert "'NFILES   :' '1'\nlines/own.list\n" in bsyn_input(labels, 5150.0, 5740.0, ("own.list",))


def test_sphere_matters_little_to_a_giant_of_log_g_3(programs, shared, tmp_path):
    """MARCS's 5000 K, log g 3 through Turbospectrum: as spherical as it is, and a tenth of that."""
    source = shared / "nlte" / "marcs" / "s5000_g3.0_z0.mod"
    if not source.is_file():
        missing("no MARCS model in the data folder")
    own = tmp_path / "few.list"
    own.write_text(VALD_STELLAR)
    star = labels_from(parameters_of(read_marcs(source)))
    larger = tmp_path / "star.mod"
    larger.write_text(source.read_text().replace("3.6526E+11 Radius [cm]", "3.6526E+12 Radius [cm]"))
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


@pytest.mark.parametrize("star", [(5777.0, 4.44, 0.0), (6000.0, 4.0, -2.0), (4500.0, 2.0, -2.0)])
def test_optical_depths_of_the_structure_are_turbospectrums(engine, tmp_path, star):
    labels = labels_from(dict(zip(("teff", "logg", "feh"), star, strict=True)))
    model = engine.atmospheres.at(*star)
    (tmp_path / "DATA").symlink_to(engine.programs / "DATA")
    (tmp_path / "m.mod").write_text(model_text(model), encoding="latin-1")
    text = babsma_input(labels, 4998.0, 5002.0).encode()
    subprocess.run([engine.programs / "babsma_lu"], input=text, cwd=tmp_path, capture_output=True, check=True)
    theirs = optical_depths((tmp_path / "o.opac").read_text(encoding="latin-1"))
    inside = (theirs > -3.5) & (theirs < 1)
    np.testing.assert_allclose(np.log10(optical_depth(model))[inside], theirs[inside], atol=0.03)
