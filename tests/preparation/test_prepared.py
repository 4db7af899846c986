"""A prepared spectrum on disk: what was written is what is read, missing pixels and ledger included."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from astropy.io import fits

from cinn_core.instrument import WAVELENGTH, pixel_sigma
from cinn_core.preparation.prepared import write_prepared
from cinn_core.readers import read
from cinn_core.stages import Medium


def test_kiel_reads_what_it_wrote(made_up, tmp_path):
    vector = made_up.flux_vector
    write_prepared(vector, tmp_path / "out.fits")
    spectrum = read(tmp_path / "out.fits")
    assert spectrum.star == vector.star
    assert spectrum.medium is Medium.AIR
    assert spectrum.resolving_power == 20_000
    np.testing.assert_allclose(spectrum.wavelength, WAVELENGTH)
    np.testing.assert_array_equal(spectrum.good, vector.good)
    np.testing.assert_allclose(spectrum.flux[vector.good], vector.flux[vector.good])


def test_errors_are_those_of_the_arms_and_missing_pixels_have_none(made_up, tmp_path):
    vector = replace(made_up.flux_vector, snr=(250.0, float("nan")))
    write_prepared(vector, tmp_path / "out.fits")
    table = fits.getdata(tmp_path / "out.fits", "SPECTRUM")[0]
    green = WAVELENGTH < 6000
    np.testing.assert_allclose(table["ERR"][green], pixel_sigma(250.0))
    assert np.isnan(table["ERR"][~green]).all()
    np.testing.assert_array_equal(table["QUAL"], np.where(vector.good, 0, 1))


def test_every_step_of_the_ledger_is_kept_in_ascii(made_up, tmp_path):
    write_prepared(replace(made_up.flux_vector, star="β Vir\n"), tmp_path / "out.fits")
    ledger = fits.getdata(tmp_path / "out.fits", "LEDGER")
    assert list(ledger["STEP"]) == [step.name for step in made_up.flux_vector.steps]
    assert "Angstrom" in ledger["NUMBERS"][0]
    assert fits.getheader(tmp_path / "out.fits")["OBJECT"] == "? Vir"


def test_no_half_written_file_stays(made_up, tmp_path):
    write_prepared(made_up.flux_vector, tmp_path / "out.fits")
    assert list(tmp_path.iterdir()) == [tmp_path / "out.fits"]


def test_file_passes_astropys_verification_and_describes_itself_as_phase_3(made_up, tmp_path):
    write_prepared(made_up.flux_vector, tmp_path / "out.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(tmp_path / "out.fits", checksum=True) as hdus:
            hdus.verify("exception")
            primary, table = hdus[0].header, hdus["SPECTRUM"].header
            assert table["NAXIS2"] == 1
            for i in range(1, table["TFIELDS"] + 1):
                assert {f"TTYPE{i}", f"TFORM{i}", f"TUCD{i}", f"TUTYP{i}"} <= set(table)
    wanted = {
        "ORIGIN",
        "PRODCATG",
        "OBJECT",
        "SPECSYS",
        "WAVELMIN",
        "WAVELMAX",
        "SPEC_BIN",
        "SPEC_RES",
        "SNR",
        "CONTNORM",
    }
    assert wanted <= set(primary)
    assert {"VOCLASS", "VOPUB", "TITLE", "NELEM", "TDMIN1", "TDMAX1", "SPEC_VAL", "SPEC_BW"} <= set(table)
    assert table["NELEM"] == WAVELENGTH.size
