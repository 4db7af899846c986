"""What the code must not do: the core knows no user interface, nothing is pickled, no file grows without end."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("app", "cinn_core", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
MODULES = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in ("app", "cinn_core")]
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_by(code: str) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter after `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_core_imports_no_user_interface():
    everything = (
        "import importlib, pkgutil, cinn_core\n"
        "for m in pkgutil.walk_packages(cinn_core.__path__, 'cinn_core.'):\n"
        "    importlib.import_module(m.name)"
    )
    found = imported_by(everything)
    assert "cinn_core" in found
    assert not found & {"panel", "panel_material_ui", "bokeh", "holoviews", "param", "app", "matplotlib", "typer"}


def test_command_line_starts_without_heavy_modules():
    assert not imported_by("import app.cli") & {"torch", "panel", "bokeh", "holoviews", "astropy", "scipy", "numpy"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_pickled(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not PICKLES & {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in PICKLES
        elif isinstance(node, ast.Attribute):
            called = ast.unparse(node)
            assert called not in ("torch.load", "torch.save")
        elif isinstance(node, ast.keyword):
            assert not (node.arg == "allow_pickle" and getattr(node.value, "value", None) is True)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_opens_with_its_purpose(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_global_random_state_is_never_drawn_from_or_reseeded(path):
    allowed = {"default_rng", "Generator", "SeedSequence", "PCG64", "get_state", "set_state"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
            assert node.attr in allowed, f"np.random.{node.attr} in line {node.lineno}"
