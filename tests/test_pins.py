"""The pins of constraints.txt: every package of the environment is named there, in the version that is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_PINNED = {"kiel-spectra", "pip", "setuptools", "wheel"}
"""Kiel itself, and what `python -m venv` brings."""
SOURCES_ONLY = {"freia", "nflows"}
"""Published without a wheel; pure Python, so that they build anywhere."""


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """Versions by normalised name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {normalised(name): version for name, _, version in pairs}


@pytest.mark.skipif(sys.prefix != str(ROOT / ".venv"), reason="not the environment that make builds")
def test_every_installed_package_is_pinned_in_its_version():
    places = [sysconfig.get_path(name) for name in ("purelib", "platlib")]  # Ray adds folders of its own to sys.path
    installed = {normalised(d.metadata["Name"]): d.version.partition("+")[0] for d in distributions(path=places)}
    own = {name: version for name, version in installed.items() if name not in NOT_PINNED}
    pinned = pins()
    assert {name: version for name, version in own.items() if pinned.get(name) != version} == {}


def test_pins_name_each_package_once():
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line]
    assert len(pins()) == len(lines)


@pytest.mark.parametrize("name", ["torch", "panel", "panel-material-ui", "bokeh", "freia"])
def test_libraries_with_private_parts_that_are_reached_end_below_the_next_minor_version(name):
    """A minor version may change what is private; `pip install` without the pins must not bring it before it was tried."""
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (own,) = (line for line in required if normalised(re.split(r"[<>=]", line)[0]) == name)
    major, minor = pins()[name].split(".")[:2]
    assert own.endswith(f",<{major}.{int(minor) + 1}")


@pytest.mark.nightly
@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_pins_have_wheels_for_other_pythons(python, tmp_path):
    """Resolved by pip, not run: with a package index at hand."""
    wheels = [f"{name}=={version}" for name, version in pins().items() if name not in SOURCES_ONLY]
    (tmp_path / "pins.txt").write_text("\n".join(wheels))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet",
               "--python-version", python, "--only-binary=:all:", "--target", str(tmp_path / "out"),
               "-r", str(tmp_path / "pins.txt")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
