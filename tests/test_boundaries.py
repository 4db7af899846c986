"""What the code must not do: the core knows no user interface, nothing is pickled, no file grows without end."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from import_graph import imported, modules, reached_from

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("app", "cinn_core", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
MODULES = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in ("app", "cinn_core")]
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """The syntax tree of a module, its root first."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def dotted(node: ast.AST) -> str:
    """A dotted name as it is written, np.random.seed; empty for any other expression."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


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


def test_preparation_needs_neither_networks_nor_what_takes_long_to_import():
    """Templates are read from the cache: torch is needed where they are not there yet."""
    code = "import cinn_core.preparation.fourmost, cinn_core.readers"
    assert not imported_by(code) & {"torch", "FrEIA", "specutils", "asdf", "yaml"}


READERS = sorted(name for name in modules() if name.startswith("cinn_core.readers"))
LEARNED = {
    "cinn_core.analyse", "cinn_core.forward_model.emulator", "cinn_core.inference.infer", "cinn_core.inference.network",
    "cinn_core.inference.model", "cinn_core.preparation.fourmost", "cinn_core.prior", "cinn_core.parameters",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(modules()))
def test_core_never_imports_the_app_and_nobody_the_tests(name):
    packages = {other.partition(".")[0] for other in imported(name)}
    assert not packages & {"tests", "conftest", "fuzz"}
    assert name.startswith("app") or "app" not in packages


@pytest.mark.parametrize("name", READERS)
def test_readers_know_nothing_of_networks(name):
    assert not reached_from(name) & LEARNED
    assert not any(other.startswith(("cinn_core.training", "cinn_core.synthesis")) for other in reached_from(name))
    assert not {other.partition(".")[0] for other in imported(name)} & {"torch", "FrEIA", "safetensors"}


def test_stages_and_targets_rest_on_constants_alone():
    assert reached_from("cinn_core.stages") <= {"cinn_core.errors", "cinn_core.instrument", "cinn_core.targets"}
    assert not reached_from("cinn_core.targets")
    assert not reached_from("cinn_core.errors")


@pytest.mark.parametrize(
    "name", sorted(name for name in modules() if name.startswith(("app.page.views", "app.page.figures")))
)
def test_views_and_figures_touch_neither_network_nor_files(name):
    assert not {other.partition(".")[0] for other in imported(name)} & {"torch", "FrEIA", "h5py", "safetensors"}


LAYOUT = {
    "abs", "append", "arange", "argsort", "array", "asarray", "ascontiguousarray", "clip", "column_stack", "concatenate",
    "count_nonzero", "diff", "empty", "flatnonzero", "floor", "full", "isfinite", "isnan", "maximum", "minimum", "nan",
    "nanmax", "nanmin", "ndarray", "pi", "stack", "tile", "where", "zeros",
}  # fmt: skip
"""Parts of numpy that lay out what is drawn: no statistics, no random numbers, no transforms."""
COMPUTING = {"scipy", "torch", "FrEIA", "h5py", "safetensors", "ray"}
PAGE = sorted(name for name in modules() if name.startswith(("app.page", "app.server")))


@pytest.mark.parametrize("name", PAGE)
def test_the_page_computes_nothing(name):
    """The results it shows are the core's: it lays out arrays, and asks torch (one function) where a GPU is."""
    allowed = {"torch"} if name == "app.page.cache" else set()
    assert not {other.partition(".")[0] for other in imported(name)} & COMPUTING - allowed
    for node in nodes(modules()[name]):
        if isinstance(node, ast.Attribute) and dotted(node.value) in ("np", "numpy"):
            assert node.attr in LAYOUT, f"np.{node.attr} in line {node.lineno}"


@pytest.mark.parametrize("path", [path for path in MODULES if path.relative_to(ROOT).parts[0] == "app"], ids=name_of)
def test_private_parts_of_libraries_are_reached_in_patches_alone(path):
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            own = dotted(node.value) in ("self", "cls")
            assert own or path.name == "patches.py", f"{ast.unparse(node)} in line {node.lineno}"


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_module_needs_itself(name):
    assert name not in reached_from(name, when_loaded=True)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_evaluated_and_no_shell_is_called(path):
    for node in nodes(path):
        if isinstance(node, ast.Call):
            assert dotted(node.func) not in (
                "eval",
                "exec",
                "compile",
                "os.system",
                "os.popen",
                "yaml.load",
                "tempfile.mktemp",
            )
            assert not any(k.arg == "shell" and getattr(k.value, "value", None) is True for k in node.keywords)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_pickled(path):
    for node in nodes(path):
        if isinstance(node, ast.Import):
            assert not PICKLES & {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in PICKLES
        elif isinstance(node, ast.Attribute):
            called = dotted(node)
            assert called not in ("torch.load", "torch.save", "torch.hub", "torch.jit", "np.lib.format.read_array")
            assert node.attr not in ("read_pickle", "to_pickle")
        elif isinstance(node, ast.keyword):
            assert not (node.arg == "allow_pickle" and getattr(node.value, "value", None) is True)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_function_is_longer_than_60_lines(path):
    functions = [node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [one.name for one in functions if one.end_lineno - one.lineno >= 60]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_opens_with_its_purpose(path):
    assert ast.get_docstring(next(iter(nodes(path))))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_global_random_state_is_never_drawn_from_or_reseeded(path):
    allowed = {"default_rng", "Generator", "SeedSequence", "PCG64", "RandomState", "get_state", "set_state"}
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and dotted(node.value) in ("np.random", "numpy.random"):
            assert node.attr in allowed, f"np.random.{node.attr} in line {node.lineno}"
