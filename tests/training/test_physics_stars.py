"""Stars in another physics: what is drawn for each, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.prior import STRUCTURE_RANGE
from cinn_core.training.physics_stars import STRENGTH_RANGE, StarPhysics, physics_of, read_physics_stars


def test_each_star_has_a_physics_of_its_own_over_the_whole_range():
    drawn = [physics_of(index) for index in range(300_000, 301_000)]
    assert physics_of(300_123) == drawn[123]
    s, second, strength = np.array([(x.s, x.second, x.strength) for x in drawn]).T
    # a thousand uniform numbers leave less than 1 % at either end, but in one case of ten thousand
    for values, (low, high) in ((s, STRUCTURE_RANGE), (strength, STRENGTH_RANGE)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
    assert abs(second.mean()) < 0.1
    assert 0.9 < second.std() < 1.1
    assert abs(np.corrcoef([s, second, strength])[np.triu_indices(3, 1)]).max() < 0.1
    assert isinstance(drawn[0], StarPhysics)


def test_a_run_without_stars_says_so(tmp_path):
    with pytest.raises(DataError, match="holds no star"):
        read_physics_stars(tmp_path, [300_000])
