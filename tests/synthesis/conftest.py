"""What several tests of synthesis share: Turbospectrum, found as users have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from missing import missing

from cinn_core.errors import DataError
from cinn_core.synthesis.turbospectrum import find_programs


@pytest.fixture(scope="session")
def programs() -> Path:
    """Folder of Turbospectrum's programs, the one that `kiel synthesise` uses; these tests skip without it."""
    try:
        return find_programs()
    except DataError:
        missing("no Turbospectrum: make turbospectrum, or set KIEL_TURBOSPECTRUM")
