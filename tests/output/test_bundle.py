"""The zip to take away: readable by others, and the star comes back from it as it was."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from fake_analysis import fake_analysis, fake_more

from cinn_core.errors import SpectrumError
from cinn_core.inference.constraints import Constraint
from cinn_core.output.bundle import SavedStar, bundle_bytes, is_bundle, read_bundle, star_document, write_bundle
from cinn_core.output.record import put_together, take_apart
from cinn_core.overrides import Overrides
from cinn_core.readers import read
from cinn_core.stages import Medium
from cinn_core.targets import TARGET_NAMES


@pytest.fixture(scope="module")
def star(made_up):
    return SavedStar(
        made_up,
        Overrides(velocity=1.5, medium=Medium.AIR, masked=((5300.0, 5310.0),)),
        (Constraint("logg", 4.44, 0.02, "seismology"),),
        source=b"\x00bytes of a file",
        row=3,
    )


@pytest.fixture(scope="module")
def zipped(star):
    return bundle_bytes(star, {"figures/corner.png": b"\x89PNG"})


def member(zipped: bytes, name: str) -> io.BytesIO:
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        return io.BytesIO(archive.read(name))


def test_star_comes_back_from_its_bundle_as_it_was(star, zipped):
    found = read_bundle(zipped, "star.zip")
    assert take_apart(found, {}) == take_apart(star, {})
    before, after = {}, {}
    take_apart(star, before)
    take_apart(found, after)
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)
        assert array.dtype == after[name].dtype
    assert found.overrides == star.overrides
    assert found.source == star.source


def test_every_table_holds_the_same_samples(star, zipped):
    fits = Table.read(member(zipped, "posterior.fits"), format="fits")
    parquet = pd.read_parquet(member(zipped, "posterior.parquet"))
    for i, name in enumerate(TARGET_NAMES):
        np.testing.assert_array_equal(fits[name], star.analysis.posterior.labels[:, i])
        np.testing.assert_array_equal(parquet[name], star.analysis.posterior.labels[:, i])
    assert fits["weight"].max() == 1
    assert fits.meta["SEED"] == star.analysis.posterior.seed


def test_results_of_the_bundle_tell_what_was_given(star, zipped):
    document = json.load(member(zipped, "results.json"))
    assert document["constrained"]["constraints"][0]["target"] == "logg"
    assert document["constrained"]["effective_samples"] < 4096
    table = Table.read(member(zipped, "results.ecsv").read().decode(), format="ascii.ecsv")
    assert list(table["target"]) == list(TARGET_NAMES)
    assert table["constrained_hi68"][1] - table["constrained_lo68"][1] < table["hi68"][1] - table["lo68"][1]


def test_prepared_spectrum_of_the_bundle_is_one_that_kiel_reads(star, zipped):
    spectrum = read(member(zipped, "spectrum_prepared.fits").read(), "spectrum_prepared.fits")
    assert spectrum.star == "Made-up star"
    model = Table.read(member(zipped, "spectrum_resimulated.fits"), format="fits")
    np.testing.assert_array_equal(model["FLUX"], star.analysis.resimulation.map_flux)
    assert model["WAVE"].unit == "Angstrom"


def test_bundle_is_written_whole_and_known_again(star, tmp_path):
    path = tmp_path / "star.zip"
    write_bundle(star, path)
    assert [p.name for p in tmp_path.iterdir()] == ["star.zip"]
    assert is_bundle(path.read_bytes())
    assert not is_bundle(b"SIMPLE  = T")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("spectrum.fits", b"x")
    assert not is_bundle(other.getvalue())


def changed(zipped: bytes, change) -> bytes:
    """The bundle with its session's tree changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(zipped)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == "session/star.json" else content)
    return out.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: b"{}",
        lambda tree: b"no json",
        lambda tree: b"[]",
        lambda tree: tree.replace(b'"schema": 1', b'"schema": 99'),
        lambda tree: tree.replace(b"star.analysis.posterior.labels", b"elsewhere"),
        lambda tree: tree.replace(b'"teff": {', b'"gravity": {'),
        lambda tree: tree.replace(b'"rejected_fraction"', b'"rejected"'),
    ],
)
def test_damaged_bundle_is_refused_in_a_sentence(zipped, change):
    with pytest.raises(SpectrumError, match="analyse the spectrum again"):
        read_bundle(changed(zipped, change), "broken.zip")


def test_truncated_bundle_is_refused(zipped):
    with pytest.raises(SpectrumError):
        read_bundle(zipped[: len(zipped) // 2], "half.zip")


def test_bundle_that_would_fill_the_memory_is_refused(zipped, monkeypatch):
    monkeypatch.setattr("cinn_core.output.bundle._MAX_BYTES", 10_000_000)
    out = io.BytesIO(zipped)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("session/arrays/star.npy", bytes(10_000_000))
    with pytest.raises(SpectrumError, match="unpacks to more"):
        read_bundle(out.getvalue(), "bomb.zip")


def test_record_keeps_numbers_that_json_does_not_know():
    arrays: dict = {}
    tree = take_apart((np.nan, np.inf, np.float64(1.5)), arrays)
    again = put_together(tuple[float, ...], tree, arrays)
    assert np.isnan(again[0])
    assert again[1:] == (np.inf, 1.5)


def test_record_refuses_what_it_cannot_keep():
    with pytest.raises(TypeError, match="no place"):
        take_apart(object(), {})


def test_elements_beside_the_targets_are_in_the_document_and_come_back_with_the_star():
    star = SavedStar(replace(fake_analysis(), more=fake_more()))
    found = star_document(star)["more"]
    assert len(found) == 13
    assert found["ba_fe"]["status"] == "measured"
    assert found["ba_fe"]["lines"] == [6141.7, 6496.9]
    assert found["eu_fe"]["status"] == "limit"
    assert found["eu_fe"]["limit95"] > found["eu_fe"]["median"]
    assert found["o_fe"]["physics"] == "LTE"
    assert star_document(SavedStar(fake_analysis()))["more"] is None
    back = read_bundle(bundle_bytes(star), "star.zip").analysis.more
    assert back is not None
    np.testing.assert_array_equal(back.labels, star.analysis.more.labels)
    assert back.elements == star.analysis.more.elements
