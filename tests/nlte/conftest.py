"""Solutions that several tests of the statistical equilibrium share."""

from __future__ import annotations

import pytest
from missing import needed
from solar_lithium import BARE, FULL, SUN

from cinn_core.nlte.runs import solve_stars


@pytest.fixture(scope="session")
def solutions(tmp_path_factory, shared):
    """A folder with solutions of solar lithium with all physics and with none."""
    needed("lightweaver", "nlte")
    folder = tmp_path_factory.mktemp("nlte")
    for physics in (FULL, BARE):
        outcomes = solve_stars([SUN], folder, shared, physics)
        assert [outcome.reason for outcome in outcomes] == [""]
    return folder
