"""What a person knows better than the file: options of the command line that replace what would be measured, each in the ledger."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from synthetic import fits_bytes, labels_of, observed, pixels
from typer.testing import CliRunner

from app.cli import app
from app.commands.options import read_regions
from cinn_core.errors import SpectrumError

WAVE = pixels(step=0.05)


@pytest.fixture(scope="module")
def two_stars(tmp_path_factory):
    """A file of two spectra in rows, neither telling its medium nor its resolving power: the Sun at 0 and at 30 km/s."""
    flux = np.stack([observed(labels_of(), WAVE, rv, 300.0) for rv in (0.0, 30.0)])
    columns = [fits.Column(n, f"{WAVE.size}D", array=v) for n, v in (("WAVE", np.stack([WAVE, WAVE])), ("FLUX", flux))]
    path = tmp_path_factory.mktemp("stars") / "two.fits"
    path.write_bytes(fits_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)))
    return path


def prepare(*arguments):
    return CliRunner().invoke(app, ["prepare", *(str(a) for a in arguments)])


def test_every_option_replaces_what_would_be_measured_and_says_so(two_stars, tmp_path):
    out = tmp_path / "out.fits"
    told = ("--medium", "air", "--resolving-power", "60000", "--rv", "29.5", "--snr", "120", "--continuum", "as-is")
    result = prepare(
        two_stars, out, "--row", "1", *told, "--mask", "5300-5340", "--mask", "6400-6410", "--degrade-to-snr", "50"
    )
    assert result.exit_code == 0, result.stderr
    with fits.open(out) as hdus:
        reasons = dict(zip(hdus["LEDGER"].data["STEP"], hdus["LEDGER"].data["REASON"], strict=True))
        header, spectrum = hdus[0].header, hdus["SPECTRUM"].data[0]
        for step in ("medium", "native resolving power", "velocity", "signal to noise", "continuum"):
            assert "given by the user" in reasons[step], step
        assert (header["RV"], header["NATIVE_R"], header["SNR"]) == (29.5, 60_000.0, 50.0)
        for low, high in ((5300, 5340), (6400, 6410)):
            inside = (spectrum["WAVE"] > low) & (spectrum["WAVE"] < high)
            assert (spectrum["QUAL"][inside] == 1).all()
        assert np.all(spectrum["CONTINUUM"] == 1)
        assert "white noise added" in reasons["degrade S/N"]


def test_file_of_two_spectra_is_asked_which_and_nothing_is_written(two_stars, tmp_path):
    result = prepare(two_stars, tmp_path / "out.fits")
    assert result.exit_code == 2
    assert "choose one with --row 0, 1." in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["5300", "5300:5340", "a-b"])
def test_region_that_is_none_is_refused_in_words(text):
    with pytest.raises(SpectrumError, match="write it like 5300-5340"):
        read_regions([text])
