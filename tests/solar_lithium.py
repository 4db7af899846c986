"""Solar lithium with all of the physics and with none, as the tests of the statistical equilibrium solve it."""

from __future__ import annotations

from cinn_core.nlte.equilibrium import Physics
from cinn_core.nlte.opacity import Blanketing
from cinn_core.nlte.runs import NlteStar

SUN = NlteStar("Li", 5777.0, 4.44, 0.0, 0.0)
FULL, BARE = Physics(), Physics(hydrogen=False, blanketing=Blanketing.OFF)
