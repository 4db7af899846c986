"""`kiel find`: the list, one spectrum fetched, and refusals as one sentence."""

from __future__ import annotations

import pytest
from local_archive import FEROS, local_archive
from missing import needed
from typer.testing import CliRunner

from app.cli import app

needed("pyvo", "archive")
HERE = ["find", "235.758 -10.934"]


def kiel(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_list_and_fetch(tmp_path):
    with local_archive(
        files={"star.fits": b"bytes of a file"}, rows=[FEROS, FEROS | {"em_res_power": 5000.0}]
    ) as service:
        done = kiel(*HERE, "--archive", f"tap:{service.url}/tap", "--get", "1", "--out", str(tmp_path))
        assert done.exit_code == 0, done.output
        assert "FEROS" in done.stdout
        assert "2007-08-09" in done.stdout  # MJD 54321
        assert "1 left out: below R = 18500" in done.stdout
        assert (tmp_path / "star.fits").read_bytes() == b"bytes of a file"
        again = kiel(*HERE, "--archive", f"tap:{service.url}/tap", "--get", "1", "--out", str(tmp_path))
        assert again.exit_code == 2
        assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--archive", "sdss"], "sdss is no archive"),
        (["--get", "1", "--out", "/nowhere"], "/nowhere is not a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(arguments, sentence):
    done = kiel(*HERE, *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_an_empty_list_and_a_number_beyond_it():
    with local_archive(rows=[]) as service:
        done = kiel(*HERE, "--archive", f"ssa:{service.url}/ssa", "--get", "1")
    assert "No spectrum that Kiel can use" in done.stdout
    assert done.exit_code == 2
    assert "the list has 0" in done.stderr
