"""The Sun in the blue and ultraviolet."""

from __future__ import annotations

import numpy as np

from cinn_core.nlte.ultraviolet import solar_ultraviolet


def test_with_the_haze_the_sun_shines_in_the_ultraviolet_as_observed(solutions, shared):
    found = solar_ultraviolet(shared)
    np.testing.assert_allclose(found.with_haze, found.observed, rtol=0.05)  # the table has two decimals
    assert (found.without > 1.4 * found.observed).all()
