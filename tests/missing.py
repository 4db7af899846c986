"""What a test needs and may not find: skipped on a user's machine, failed in continuous integration, where all is installed."""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test with a reason that says what is missing; fail it where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; continuous integration installs it, see .ci/run", pytrace=False)
    pytest.skip(what)


def needed(module: str, remedy: str) -> ModuleType:
    """The module of that name; without it the test is skipped, or fails where CI is set."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(f"{module} is not installed ({remedy})")
