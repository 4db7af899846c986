"""The local test of calibration on latents that are right, too wide everywhere, and too wide for some stars."""

from __future__ import annotations

import numpy as np
import pytest
from missing import needed

from cinn_core.evaluation.local import LocalTest

N, TRIALS = 1500, 20
AT = np.array([[-1.5, 0.0], [1.5, 0.0]])
"""One condition among the stars that are made too narrow alone, one among the others."""


@pytest.mark.slow
def test_narrow_posteriors_are_rejected_where_they_are_and_right_ones_are_not():
    needed("sbi", "evaluation")
    rng = np.random.default_rng(0)
    given = rng.normal(size=(N, 2))
    test = LocalTest(given, 0, TRIALS)
    right = np.array([test.p_values(rng.normal(size=(N, 13)), AT) for _ in range(4)])
    assert right.mean() > 0.2  # uniform: 0.5 +- 0.1, the two conditions of a set being alike
    assert (test.p_values(rng.normal(size=(N, 13)) / 0.7, AT) == 0).all()  # beyond every classifier of noise
    latents = rng.normal(size=(N, 13))
    latents[given[:, 0] < 0] /= 0.5
    assert test.p_values(latents, AT)[0] == 0
