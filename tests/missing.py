"""What a test needs and may not find: skipped on a user's machine, failed in continuous integration, where all is installed."""

from __future__ import annotations

import importlib
import os
import warnings
from types import ModuleType
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def missing(what: str) -> NoReturn:
    """Skip the test with a reason that says what is missing and what brings it; fail it where CI is set."""
    if IN_CI:
        pytest.fail(f"{what} (a skip where CI is not set)", pytrace=False)
    pytest.skip(what)


def needed(module: str, extra: str) -> ModuleType:
    """The module of that name, which an extra of pyproject.toml brings; without it the test is skipped, or fails in CI."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a library warns of on its first import is none of the test's
            return importlib.import_module(module)
    except ImportError:
        missing(f"no {module.partition('.')[0]}: pip install -e '.[{extra}]'")
