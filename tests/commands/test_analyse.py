"""The command `kiel analyse`: several exposures added to one star, once each."""

from __future__ import annotations

import json

import numpy as np
import pytest
from synthetic import fits_bytes, image_hdu, labels_of, observed, pixels
from typer.testing import CliRunner

from app.cli import app

WAVE = pixels(step=0.05)


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    """Two exposures of the Sun at 0 and 30 km/s."""
    folder = tmp_path_factory.mktemp("exposures")
    cards = {
        "CRVAL1": float(WAVE[0]),
        "CDELT1": 0.05,
        "CRPIX1": 1.0,
        "CTYPE1": "AWAV",
        "CUNIT1": "Angstrom",
        "SPEC_RES": 6e4,
    }
    for name, rv in (("a.fits", 0.0), ("b.fits", 30.0)):
        flux = observed(labels_of(), WAVE, rv, 100.0, seed=int(rv))
        (folder / name).write_bytes(fits_bytes(image_hdu(flux, OBJECT="the Sun", **cards)))
    return folder


def analyse(*arguments):
    return CliRunner().invoke(app, ["analyse", *(str(a) for a in arguments), "--samples", "256", "--device", "cpu"])


def test_two_exposures_give_one_answer_with_the_sum_of_their_squares(model, exposures, tmp_path):
    out = tmp_path / "sum.json"
    result = analyse(exposures / "a.fits", exposures / "b.fits", "--combine", "--json", out)
    assert result.exit_code == 0, result.stderr
    document = json.loads(out.read_text())
    steps = {s["name"]: s["numbers"] for s in document["provenance"]["steps"]}
    assert steps["combine"]["exposures"] == 2
    assert document["provenance"]["snr_by_arm"] == pytest.approx(
        [np.hypot(*(steps[f"signal to noise, {arm}"][f"exposure_{i}"] for i in (1, 2))) for arm in ("green", "red")],
        rel=0.05,
    )


def test_same_exposure_twice_and_one_alone_are_refused_in_words(model, exposures):
    result = analyse(exposures / "a.fits", exposures / "a.fits", "--combine")
    assert result.exit_code == 2
    assert "counted twice" in " ".join(result.stderr.split())
    result = analyse(exposures / "a.fits", "--combine")
    assert result.exit_code == 2
    assert "name two files or more" in " ".join(result.stderr.split())
