"""Learning curves of the emulator."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.evaluation.emulator import CurvePoint, halving


def test_error_that_falls_with_the_root_of_the_stars_is_called_so():
    points = [CurvePoint(n, 0.1 / np.sqrt(n), 0.5 / np.sqrt(n), 0.2 / np.sqrt(n)) for n in (472, 944, 1888)]
    assert halving(points) == pytest.approx(np.sqrt(0.5))
