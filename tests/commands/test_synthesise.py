"""The commands of synthesis: labels are read, wrong input is refused in words."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands.synthesise import parse_labels
from cinn_core.errors import DataError


def test_labels_of_the_command_line_are_read_or_refused():
    assert parse_labels("teff=5777, logg=4.44,feh=-1e-1") == {"teff": 5777.0, "logg": 4.44, "feh": -0.1}
    for text in ("teff", "teff=hot", "teff=5777,", ""):
        with pytest.raises(DataError, match="not a pair name=number"):
            parse_labels(text)
    with pytest.raises(DataError, match="teff twice"):
        parse_labels("teff=5777,teff=5778")


def test_commands_refuse_in_words_and_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("KIEL_DATA", str(tmp_path))
    runner, out = CliRunner(), tmp_path / "sun.fits"
    for arguments, said in {
        ("--labels", "teff=5777,logg=4.44", "--out", str(out)): "build it with `make turbospectrum`",
        ("--labels", "teff=5777", "--out", str(out)): "logg is missing",
        ("--labels", "teff=5777,logg=4.44", "--out", str(tmp_path / "sun.txt")): "ends in .fits or .csv",
    }.items():
        result = runner.invoke(app, ["synthesise", *arguments, "--turbospectrum", str(tmp_path)])
        assert result.exit_code == 2
        assert said in result.stderr
    refused = runner.invoke(app, ["grid", str(tmp_path / "g.h5"), "--seed", "4", "--turbospectrum", str(tmp_path)])
    assert refused.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_synthesis_needs_a_star_or_a_model(tmp_path):
    runner, out, damaged = CliRunner(), str(tmp_path / "sun.fits"), tmp_path / "star.mod"
    damaged.write_text("nothing")
    for arguments, said in {
        ("--out", out): "Which star?",
        ("--out", out, "--atmosphere", str(tmp_path / "none.mod")): "cannot be read",
        ("--out", out, "--atmosphere", str(damaged)): "is not a model atmosphere",
    }.items():
        result = runner.invoke(app, ["synthesise", *arguments])
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("option", "said"), [("Mg", "takes an element and its file"), ("Mg=none.npz", "There is no file")]
)
def test_wrong_departures_are_refused_before_anything_is_synthesised(option, said, tmp_path):
    arguments = ["--labels", "teff=5777,logg=4.44", "--nlte", option, "--out", str(tmp_path / "o.csv")]
    result = CliRunner().invoke(app, ["synthesise", *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--structure", "1.5"), "lies between -0.3 and 1.4"),
        (("--second-shape", "-4"), "lies between -3 and 3"),
        (("--lithium", "3d", "--engine", "pysme"), "is Turbospectrum's"),
        (("--lithium", "3d", "--nlte", "Li=LI"), "Lithium is in 3D NLTE already"),
    ],
)
def test_wrong_structure_and_lithium_are_refused_before_anything_is_synthesised(options, said, tmp_path, shared):
    from cinn_core.files import asset_path

    for name in ("babsma_lu", "bsyn_lu"):
        (tmp_path / name).touch()
    (tmp_path / "DATA").mkdir()
    options = [x.replace("LI", str(asset_path("nlte", "Li.npz"))) for x in options]
    arguments = ["--labels", "teff=5777,logg=4.44", "--out", str(tmp_path / "o.csv"), "--turbospectrum", str(tmp_path)]
    result = CliRunner().invoke(app, ["synthesise", *arguments, "--data", str(shared), *options])
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "o.csv").exists()
