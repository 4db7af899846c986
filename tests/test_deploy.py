"""What others install Kiel from says the same as pyproject.toml, and installs what it needs."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from cinn_core import __version__

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def test_the_conda_recipe_requires_what_the_wheel_requires():
    recipe = yaml.safe_load((ROOT / "deploy/conda/recipe.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"python": project["requires-python"]}
    for line in project["dependencies"]:
        name, limits = re.fullmatch(r"([\w-]+)(.*)", line).groups()
        wanted[CONDA_NAMES.get(name, name.lower())] = limits
    required = dict(line.split(" ", 1) for line in recipe["requirements"]["run"])
    assert required == wanted
    assert recipe["package"] == {"name": project["name"], "version": __version__}
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry == f"kiel = {project['scripts']['kiel']}"


def test_the_recipe_of_freia_is_that_of_the_pinned_release():
    recipe = yaml.safe_load((ROOT / "deploy/conda/freia/recipe.yaml").read_text(encoding="utf-8"))
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert f"\nFrEIA=={recipe['package']['version']}\n" in pins
    assert re.fullmatch("[0-9a-f]{64}", recipe["source"]["sha256"])


def test_every_path_of_the_container_file_exists():
    text = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for name in line.split()[:-1]]
    assert len(copied) > 5
    assert not [name for name in copied if not (ROOT / name).exists()]


@pytest.mark.parametrize("script", sorted((ROOT / ".ci").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_whole(script):
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True, check=False).returncode == 0
