"""The command `kiel nlte solve`: departures and corrections are printed, values that are not numbers refused."""

from __future__ import annotations

from missing import needed
from typer.testing import CliRunner


def test_the_command_prints_departures_and_corrections(tmp_path, shared):
    needed("lightweaver", "nlte")
    from app.cli import app

    done = CliRunner().invoke(app, ["nlte", "solve", "Li", str(tmp_path), "--data", str(shared)])
    assert done.exit_code == 0, done.output
    assert "b of the ground level" in done.output
    assert "6707.92 Å" in done.output


def test_the_command_refuses_values_that_are_no_numbers(tmp_path, shared):
    from app.cli import app

    done = CliRunner().invoke(app, ["nlte", "solve", "Li", str(tmp_path), "--teff", "hot", "--data", str(shared)])
    assert done.exit_code == 2
    assert "--teff takes numbers" in done.output
