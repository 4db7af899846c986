"""The documentation holds: its worked diffs apply to the code and do what the page says, its commands and links exist."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import labels_of, observed, pixels

from cinn_core.stages import FLAGS
from cinn_core.targets import SYNTHESIS_NAMES, TARGET_NAMES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def diffs(page: str) -> list[str]:
    return re.findall(r"```diff\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.S)


def apply(page: str, folder: Path) -> None:
    """Changes a copy of the code as the page's diffs say; what a hunk takes out has to stand there once."""
    shutil.copytree(ROOT / "cinn_core", folder / "cinn_core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for diff in diffs(page):
        before, after = re.findall(r"^(?:---|\+\+\+) (?:[ab]/)?(\S+)$", diff, re.M)
        for hunk in re.split(r"^@@.*@@.*\n", diff, flags=re.M)[1:]:
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] or "\n" for line in lines if line[:1] != "+")
            new = "".join(line[1:] or "\n" for line in lines if line[:1] != "-")
            path = folder / after
            text = "" if before == "/dev/null" else path.read_text(encoding="utf-8")
            assert before == "/dev/null" or text.count(old) == 1, f"{page}: not found in {after}:\n{old}"
            path.write_text(text.replace(old, new, 1), encoding="utf-8")


def run(folder: Path, code: str, **environment: str) -> str:
    """What a fresh interpreter prints that finds the changed code first."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_reader_of_the_page_reads_json(tmp_path: Path) -> None:
    apply("adding-a-reader.md", tmp_path)
    wave = pixels()
    held = {"unit": "nm", "wave": (wave / 10).tolist(), "flux": observed(labels_of(), wave).tolist()}
    (tmp_path / "star.json").write_text(json.dumps(held), encoding="utf-8")
    (tmp_path / "none.json").write_text(json.dumps(held).replace('"flux"', '"what"'), encoding="utf-8")
    code = (
        "from pathlib import Path\n"
        "from cinn_core.errors import SpectrumError\n"
        "from cinn_core.readers import read\n"
        "found = read(Path('star.json'))\n"
        "print(found.format, len(found.flux), round(found.wavelength[0], 2))\n"
        "try:\n"
        "    read(Path('none.json'))\n"
        "except SpectrumError as error:\n"
        "    print(error)\n"
    )
    file_format, refused = run(tmp_path, code).splitlines()
    assert file_format == f"JSON {len(wave)} {wave[0]:.1f}"
    assert "needs one of wavelength and one of flux" in refused


def test_the_target_of_the_page_has_a_prior_and_leaves_the_synthesis_alone(tmp_path: Path) -> None:
    apply("adding-a-target.md", tmp_path)
    code = (
        "import numpy as np\n"
        "from cinn_core.prior import N_TARGETS, draw, from_z, to_z\n"
        "from cinn_core.targets import COLUMN, LABEL_NAMES, SYNTHESIS_NAMES\n"
        "z = np.random.default_rng(0).standard_normal((50, N_TARGETS))\n"
        "nickel = draw(500, np.random.default_rng(1))[:, COLUMN['ni_fe']]\n"
        "print(N_TARGETS, len(LABEL_NAMES), len(SYNTHESIS_NAMES), COLUMN['ni_fe'], np.abs(to_z(from_z(z)) - z).max() < 1e-6,\n"
        "      nickel.min() > -0.3, nickel.max() < 0.3, nickel.std() > 0.1)\n"
    )
    assert run(tmp_path, code).split() == ["14", "29", "25", "13", "True", "True", "True", "True"]


def test_the_engine_of_the_page_runs_any_program(tmp_path: Path) -> None:
    apply("adding-an-engine.md", tmp_path)
    (tmp_path / "flat.py").write_text(
        "import json, sys\n"
        "labels = json.load(sys.stdin)\n"
        "for low, high in ((5150, 5740), (6090, 6800)):\n"
        "    for i in range(10 * low, 10 * high + 1):\n"
        "        print(i / 10, labels['teff'] / 10000)\n"
    )
    code = (
        "from app.commands.engines import engine_opener\n"
        "from cinn_core.errors import SynthesisError\n"
        "from cinn_core.synthesis.engine import labels_from, to_grid\n"
        "star = labels_from({'teff': 5000, 'logg': 4})\n"
        "with engine_opener('program', None, None) as opener:\n"
        "    flux = to_grid(*opener().synthesise(star))\n"
        "print(len(flux), flux.min().round(6), flux.max().round(6))\n"
        "import os; os.environ['KIEL_SYNTHESIS_PROGRAM'] = 'false'\n"
        "try:\n"
        "    with engine_opener('program', None, None) as opener:\n"
        "        opener().synthesise(star)\n"
        "except SynthesisError as error:\n"
        "    print(error)\n"
    )
    flat, failed = run(tmp_path, code, KIEL_SYNTHESIS_PROGRAM=f"{sys.executable} flat.py").splitlines()
    assert flat == "32483 0.5 0.5"
    assert "gave no spectrum for Teff 5000 K" in failed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_make_target_of_a_page_exists(page: Path) -> None:
    from app.cli import app

    known = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    groups = {
        group.name: {c.name or c.callback.__name__.replace("_", "-") for c in group.typer_instance.registered_commands}
        for group in app.registered_groups
    }
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    text = page.read_text(encoding="utf-8")
    for name, sub in re.findall(r"(?:^|`|bin/|\|)\s*kiel ([a-z]+)(?: ([a-z]+)\b)?", text, re.M):
        assert name in known or name in groups, f"kiel {name}"
        assert name not in groups or sub in groups[name], f"kiel {name} {sub}"
    for target in re.findall(r"(?:^ *|`)make ([a-z]+)", text, re.M):
        assert target in targets, f"make {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = re.sub(r"```diff\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    named = re.findall(r"(?<![\w/])(?:cinn_core|app|tests|assets|deploy|benchmarks|docs)/[\w/.-]*[\w/]", text)
    named += re.findall(r"(?<![\w/])`(\w+\.py)`", text)  # a bare name is a file of the core
    core = {path.name for path in (ROOT / "cinn_core").rglob("*.py")}
    assert not [name for name in named if name not in core and not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_dotted_name_that_a_page_gives_can_be_imported(page: Path) -> None:
    text = re.sub(r"```(?:diff|text)\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for name in set(re.findall(r"`(cinn_core(?:\.\w+)+)", text)):
        module, _, attribute = name.rpartition(".")
        if importlib.util.find_spec(name if module == "cinn_core" else module) is None:
            pytest.fail(f"{name} is not a module of the core")
        if module != "cinn_core":
            parent = importlib.import_module(module)
            assert hasattr(parent, attribute) or importlib.util.find_spec(name) is not None, name


def test_a_line_of_every_element_grows_with_its_abundance(model, monkeypatch):
    spec = importlib.util.spec_from_file_location("element_lines", ROOT / "docs" / "element_lines.py")
    element_lines = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, element_lines)
    spec.loader.exec_module(element_lines)
    grown = element_lines.grown_lines(model.forward)
    assert {one.line.label for one in grown} == {
        name for name in SYNTHESIS_NAMES if name == "feh" or name.endswith("_fe")
    }
    for one in grown:
        assert (np.diff(one.depth) > 0).all(), one.line.species


def test_the_readme_is_short_and_names_the_two_commands():
    text = (ROOT / "README.md").read_bytes()
    assert len(text) < 7000
    assert b"    make serve " in text
    assert b"    make test " in text
    assert b"docs/overview.png" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not link.startswith("made/") and not (page.parent / link).exists()]


def test_the_page_of_the_json_lists_every_flag_and_every_target() -> None:
    text = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \|", text, re.M)
    assert {flag for row in rows for flag in re.findall(r"`(\w+)`", row)} == set(FLAGS)
    assert all(f"`{name}`" in text for name in TARGET_NAMES)
