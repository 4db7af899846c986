"""The wheel: builds, holds its assets and nothing else, and analyses a bundled example from an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from missing import needed

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = "import cinn_core.files as a; print(a.example_paths()['solar-twin'])"


def run(*command: object, cwd: Path) -> str:
    """Standard output of a command in an environment that knows nothing of the checkout."""
    outside = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "KIEL_DATA", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env=outside | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel as pip builds it; hatchling is among the test tools, so that nothing is fetched."""
    needed("hatchling", "test")
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("kiel_spectra-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of an environment that holds the wheel alone; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("outside")
    venv.create(folder, with_pip=False)
    place = next((folder / "lib").glob("python3*")) / "site-packages"
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "-q")
    run(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", *options, wheel, cwd=folder)
    return folder / "bin"


def test_wheel_holds_the_assets_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (ROOT / "assets").rglob("*"):
        if path.is_file():
            assert f"cinn_core/assets/{path.relative_to(ROOT / 'assets')}" in names
    assert {"app/py.typed", "cinn_core/py.typed"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"app", "cinn_core"}


def test_installed_kiel_prints_the_version_of_its_wheel_and_of_the_citation(wheel, installed, tmp_path):
    version = wheel.name.split("-")[1]
    assert run(installed / "kiel", "--version", cwd=tmp_path) == f"kiel {version}\n"
    metadata = "import importlib.metadata as m, cinn_core; print(m.version('kiel-spectra'), cinn_core.__file__)"
    own, path = run(installed / "python", "-c", metadata, cwd=tmp_path).split()
    assert own == version
    assert Path(path).is_relative_to(installed.parent)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_installed_kiel_analyses_a_bundled_example_from_anywhere(installed, model, examples, tmp_path):
    example = run(installed / "python", "-c", EXAMPLE, cwd=tmp_path).strip()
    assert Path(example).is_relative_to(installed.parent)
    run(installed / "kiel", "analyse", example, "--json", tmp_path / "out.json", "--samples", 256, cwd=tmp_path)
    document = json.loads((tmp_path / "out.json").read_text())
    assert 5500 < document["targets"]["teff"]["map"] < 6000
    assert document["provenance"]["weights_sha256"].keys() >= {"emulator", "network"}


def test_installed_kiel_can_serve_its_page(installed, tmp_path):
    code = "import app.server.serve as s; print(s.MAIN.is_file(), s.MAIN)"
    found, path = run(installed / "python", "-c", code, cwd=tmp_path).split()
    assert found == "True"
    assert Path(path).is_relative_to(installed.parent)
