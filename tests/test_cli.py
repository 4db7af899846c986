"""The command line: one sentence and exit status 2 for what it refuses, a table and JSON for what it finds."""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_analysis import fake_analysis, fake_more
from fake_benchmark import answer, entry
from missing import missing
from rich.console import Console
from typer.testing import CliRunner

from app.cli import app
from app.commands.tables_benchmark import BenchmarkPrinter, print_figures
from app.commands.tables_evaluation import print_emulator_figures, print_network_figures
from app.commands.tables_star import print_analysis, print_constrained, print_preparation
from app.server import serve as server
from cinn_core import __version__
from cinn_core.benchmark.figures import figures_of
from cinn_core.benchmark.measure import BenchmarkRow
from cinn_core.errors import KielError
from cinn_core.inference.constraints import constrain, known_of
from cinn_core.inference.trust import trust_in
from cinn_core.targets import TARGET_NAMES, TARGETS


@pytest.fixture
def kiel():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def console():
    return Console(record=True, width=100, file=io.StringIO())


def is_refused(result) -> bool:
    """Exit status 2 and one sentence, on stderr alone."""
    sentence = result.stderr.strip()
    return result.exit_code == 2 and result.stdout == "" and "\n" not in sentence and sentence.endswith(".")


def test_version_is_printed(kiel):
    assert kiel("--version").stdout == f"kiel {__version__}\n"


@pytest.mark.parametrize("command", ["serve", "analyse", "prepare", "benchmark", "train", "evaluate"])
def test_every_command_explains_itself(kiel, command):
    assert command in kiel("--help").stdout
    assert kiel(command, "--help").exit_code == 0


def test_program_runs_as_installed():
    program = Path(sys.executable).with_name("kiel")
    if not program.is_file():
        missing("kiel is not installed in this environment")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("kiel ")


def test_a_file_that_is_not_there_is_refused(kiel, tmp_path):
    result = kiel("analyse", tmp_path / "nothing.fits", "--json", tmp_path / "out.json")
    assert is_refused(result)
    assert "nothing.fits" in result.stderr
    assert not (tmp_path / "out.json").exists()


def test_a_folder_is_refused_as_a_spectrum(kiel, tmp_path):
    assert is_refused(kiel("analyse", tmp_path))


def test_json_for_a_folder_that_is_not_there_is_refused_before_the_work(kiel, tmp_path):
    (tmp_path / "star.fits").touch()
    result = kiel("analyse", tmp_path / "star.fits", "--json", tmp_path / "nothing" / "out.json")
    assert is_refused(result)
    assert "cannot be written" in result.stderr


def test_figures_for_a_file_instead_of_a_folder_are_refused_before_the_work(kiel, tmp_path):
    (tmp_path / "figures").touch()
    result = kiel("evaluate", "network", "--figures", tmp_path / "figures")
    assert is_refused(result)
    assert "folder" in result.stderr


@pytest.mark.parametrize("option", [("--snr", "nan"), ("--rv", "inf"), ("--snr", "0"), ("--samples", "0")])
def test_numbers_that_make_no_sense_are_refused(kiel, tmp_path, option):
    (tmp_path / "star.fits").touch()
    assert kiel("analyse", tmp_path / "star.fits", *option).exit_code == 2


def test_a_spectrum_that_is_none_is_refused_and_leaves_no_json(kiel, tmp_path, model):
    (tmp_path / "cat.fits").write_bytes(b"a picture of a cat" * 100)
    result = kiel("analyse", tmp_path / "cat.fits", "--json", tmp_path / "out.json", "--device", "cpu")
    assert is_refused(result)
    assert "cat.fits" in result.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "cat.fits"]


def test_an_example_star_gives_table_and_json(kiel, tmp_path, model, examples):
    out = tmp_path / "out.json"
    result = kiel("analyse", examples["solar-twin"], "--json", out, "--device", "cpu", "--samples", 512, "--seed", 3)
    assert result.exit_code == 0, result.stderr
    assert all(target.label in result.stdout for target in TARGETS)
    document = json.loads(out.read_text())
    assert tuple(document["targets"]) == TARGET_NAMES
    assert document["file"] == "solar-twin.fits"
    for numbers in document["targets"].values():
        assert numbers["lo95"] <= numbers["lo68"] <= numbers["hi68"] <= numbers["hi95"]
    assert list(tmp_path.iterdir()) == [out]


def test_the_same_seed_gives_the_same_answer(kiel, tmp_path, model, examples):
    found = []
    for name in ("a.json", "b.json"):
        kiel("analyse", examples["solar-twin"], "--json", tmp_path / name, "--device", "cpu", "--samples", 256)
        found.append(json.loads((tmp_path / name).read_text())["targets"])
    assert found[0] == found[1]


def test_table_shows_every_target_with_its_decimals(console, made_up):
    print_analysis(made_up, console)
    text = console.export_text()
    for target in TARGETS:
        found = made_up.summary.targets[target.name]
        line = next(line for line in text.splitlines() if f" {target.label} " in line)
        assert f"{found.map:.{target.decimals}f}" in line
        assert f"{found.lo68:.{target.decimals}f} … {found.hi68:.{target.decimals}f}" in line
    assert "partial_coverage" in text
    assert "0.31 ± 0.05 km/s" in text


def test_tensions_more_elements_and_what_to_believe_are_printed(console, made_up):
    star = replace(made_up, more=fake_more())
    print_analysis(star, console)
    print_constrained(constrain(star.posterior, known_of(["teff=5900,20"], numax="3090±10")), console)
    text = " ".join(console.export_text().split())
    assert "[Ba/Fe]" in text
    assert "6141.7, 6496.9" in text
    assert trust_in(star).sentence.split(":")[0] in text
    assert re.search(r"ν_max = 3090 ± 10 µHz \(log g = 4\.4\d ± 0\.01 at the spectrum's Teff\): \d\.\d σ", text)
    assert re.search(r"Teff = 5900 ± 20: \d+\.\d σ from the spectrum's own answer", text)


@pytest.mark.parametrize(
    "option",
    [("--numax", "3 mHz"), ("--parallax", "10±0.1"), ("--parallax", "10±3", "--magnitude", "G=8")],
    ids=" ".join,
)
def test_half_a_statement_of_what_is_known_is_refused_before_anything_is_read(kiel, tmp_path, option):
    assert is_refused(kiel("analyse", tmp_path / "star.fits", *option))


def test_preparation_is_printed_step_by_step(console, made_up):
    print_preparation(made_up.flux_vector, console)
    text = console.export_text()
    assert all(f"{step.name}: {step.reason}" in text for step in made_up.flux_vector.steps)
    assert "green 240, red 260" in text


def test_names_are_printed_as_they_are(console):
    print_analysis(fake_analysis(star="[bold]HD 1[/bold]", file="[red]x.fits", n=64), console)
    assert "[bold]HD 1[/bold] ([red]x.fits)" in console.export_text()


def test_benchmark_prints_differences_dashes_and_refusals(console):
    found = answer({"teff": 5800.0, "logg": 4.40, "feh": 0.05}, flags=("chi2_high",))
    rows = [
        BenchmarkRow(entry(), found),
        BenchmarkRow(entry("[red]Nameless", feh=None), found),
        BenchmarkRow(entry(), None, refusal="it is an image."),
    ]
    printer = BenchmarkPrinter(console)
    for row in rows:
        printer.row(row)
    text = console.export_text()
    assert "5800 (+28)" in text
    assert "4.40 (-0.04)" in text
    assert "0.05 (–)" in text
    assert "[red]Nameless" in text
    assert "refused: it is an image." in text
    assert "chi2_high" in text


def test_benchmark_prints_bias_and_scatter_over_stars():
    wide = Console(record=True, width=160, file=io.StringIO())
    rows = [
        BenchmarkRow(entry(name), answer({"teff": 5772.0 + off, "logg": 4.44, "feh": 0.0}))
        for name, off in (("Sun", -20.0), ("a", 0.0), ("b", 28.0), ("c", 30.0))
    ]
    print_figures(figures_of(rows), "Title", wide)
    text = wide.export_text()
    assert "4 stars, 4 spectra" in text
    assert "median +14, mean +10, scatter (1.48 MAD) 22 K, 4 stars" in text
    assert "|z| < 3 for 100 % of all values" in text


def test_benchmark_refuses_an_index_that_is_not_there(kiel, tmp_path):
    assert is_refused(kiel("benchmark", tmp_path / "INDEX.csv", tmp_path))


def test_benchmark_refuses_wrong_outputs_and_folders_before_the_work(kiel, tmp_path):
    index = tmp_path / "INDEX.csv"
    index.write_text("file,star,category,teff,logg,feh\n")
    missing = kiel("benchmark", index, tmp_path / "nothing")
    assert is_refused(missing)
    assert "is not a folder" in missing.stderr
    figure = kiel("benchmark", index, tmp_path, "--figure", tmp_path / "out.gif")
    assert is_refused(figure)
    assert ".png, .pdf, .svg" in figure.stderr


@pytest.mark.parametrize("what", ["emulator", "network"])
def test_evaluation_refuses_grids_that_are_not_there(kiel, tmp_path, monkeypatch, what):
    monkeypatch.setattr("cinn_core.files._BESIDE_CHECKOUT", tmp_path / "nothing")
    monkeypatch.delenv("KIEL_DATA", raising=False)
    for options in ((), ("--data", tmp_path), ("--data", tmp_path / "nothing"), ("--grid", tmp_path / "grid.h5")):
        assert is_refused(kiel("evaluate", what, *options)), options


def test_evaluation_refuses_files_that_are_not_what_they_should_be(kiel, tmp_path):
    (tmp_path / "grid.h5").write_bytes(b"not a grid")
    result = kiel("evaluate", "emulator", "--grid", tmp_path / "grid.h5")
    assert is_refused(result)
    assert "is not a grid file" in result.stderr
    assert is_refused(kiel("evaluate", "sun", tmp_path / "sun.fits"))


def test_training_refuses_a_file_as_its_folder_and_names_its_command(kiel, tmp_path):
    (tmp_path / "run").touch()
    folder = kiel("train", "network", tmp_path / "run", "--device", "cpu")
    assert is_refused(folder)
    assert "cannot be the folder" in folder.stderr
    paper = kiel("evaluate", "network", "--paper", tmp_path / "paper.safetensors")
    assert is_refused(paper)
    assert "`kiel train network --config paper`" in paper.stderr


def test_emulator_figures_show_the_poorest_lines_first():
    console = Console(record=True, width=120, file=io.StringIO())
    lines = {
        "Mg I 5183.604": {"depth_rms": 0.02, "within_1pct": 0.5},
        "Fe I 6165.360": {"depth_rms": 0.001, "within_1pct": 1},
    }
    labels = {target.name: {"sigma": 12.6} for target in TARGETS}
    region = {"name": "4100-4500 K dwarfs", "n": 3, "median_abs": 0.007, "labels": labels}
    figures = {"n": 7, "median_abs": 0.003, "p99_abs": 0.02, "rms": 0.013, "pairs_within_1pct": 0.9, "lines": lines}
    print_emulator_figures(figures | {"labels": labels, "regions": [region]}, console)
    text = console.export_text()
    assert "0.30 %" in text
    assert "4100-4500 K dwarfs" in text
    assert text.index("Mg I 5183.604") < text.index("Fe I 6165.360")


def test_network_figures_show_every_target_at_every_snr_beside_paper_and_limit():
    wide = Console(record=True, width=180, file=io.StringIO())
    one = dict.fromkeys(
        ("bias", "nrmse", "sigma_median", "nrmse_median", "width68", "coverage68", "coverage95"), 0.5
    ) | {"limit68": 0.25}
    found = {target.name: one | {"sigma": 33.2 if target.name == "teff" else 0.163} for target in TARGETS}
    table = {"20": found, "250": found}
    print_network_figures({"n": 5, "n_all": 6, "realism": 0.0, "snr": table, "snr_all": table}, None, wide)
    text = wide.export_text()
    assert all(target.label in text for target in TARGETS)
    assert text.count(" 33 ") == 8  # two groups of stars, two S/N, once by S/N and once in the table of each
    assert "0.163" in text
    assert "0.182" in text  # the paper's vmic at S/N 250
    assert "2.00" in text  # width over limit


def test_served_page_accepts_browsers_by_every_name_of_this_machine():
    command = server.server_command(5017, "127.0.0.1", ("stars.example.org",))
    origins = [command[i + 1] for i, word in enumerate(command) if word == "--allow-websocket-origin"]
    assert origins == ["localhost:5017", "127.0.0.1:5017", "stars.example.org"]
    assert "--warm" in command
    assert "--show" not in command
    assert "--show" in server.server_command(5017, "127.0.0.1", open_browser=True)


def test_page_address_is_one_a_browser_can_open():
    assert server.page_address("127.0.0.1", 5006) == "http://localhost:5006/main"
    assert server.page_address("0.0.0.0", 80) == f"http://{socket.gethostname()}:80/main"


def test_a_taken_port_is_refused_with_the_remedy(kiel):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(KielError, match="--port"):
            server.require_free_port("127.0.0.1", port)
        assert is_refused(kiel("serve", "--port", port))


def test_an_address_that_is_none_is_refused():
    with pytest.raises(KielError, match="is not an address"):
        server.require_free_port("no such host.invalid", 5006)


@pytest.mark.parametrize("value", ["Secret", "/etc/Kiel/users.json", "/no/such/users.json", "users-not-there.json"])
def test_a_password_that_panel_would_take_for_another_is_refused(value):
    with pytest.raises(KielError, match="PANEL_BASIC_AUTH"):
        server.require_passwords({"PANEL_BASIC_AUTH": value})


def test_a_password_in_small_letters_a_file_of_them_and_none_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.json").write_text('{"Annie": "Jump"}')
    for environment in ({}, {"PANEL_BASIC_AUTH": "secret"}, {"PANEL_BASIC_AUTH": "users.json"}):
        server.require_passwords(environment)
