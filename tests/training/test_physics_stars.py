"""Stars in another physics: what is drawn for each, and what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.files import asset_path
from cinn_core.prior import STRUCTURE_RANGE
from cinn_core.targets import SYNTHESIS_COLUMNS
from cinn_core.training.physics_stars import (
    STRENGTH_RANGE,
    PhysicsSources,
    PhysicsStars,
    StarPhysics,
    joined,
    not_shipped,
    pack_stars,
    physics_of,
    read_physics_stars,
    shipped_stars,
)


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


def some_stars(first: int, n: int) -> PhysicsStars:
    """Stars of random labels whose flux changes by a percent."""
    rng = np.random.default_rng(first)
    labels = rng.standard_normal((n, len(SYNTHESIS_COLUMNS)))
    change = rng.normal(0, 0.01, (n, 40)).astype(np.float32)
    return PhysicsStars(np.arange(first, first + n), labels, rng.standard_normal((n, 3)), change)


def test_packed_stars_come_back_within_half_a_step(tmp_path):
    later, earlier, shifts = some_stars(300_010, 5), some_stars(300_000, 3), {("Fe I", 6200.3): -0.05}
    pack_stars(later, "digest", shifts, tmp_path / "1.npz")
    pack_stars(earlier, "digest", shifts, tmp_path / "2.npz")
    pack_stars(some_stars(300_100, 4), "other inputs", {}, tmp_path / "3.npz")
    packed = shipped_stars("digest", tmp_path)
    both = joined([later, earlier])
    assert packed.shifts == shifts
    for name in ("index", "labels", "physics"):
        np.testing.assert_array_equal(getattr(packed.stars, name), getattr(both, name))
    np.testing.assert_allclose(packed.stars.change, both.change, atol=0.5 * 2e-3 + 1e-6)
    assert shipped_stars("never seen", tmp_path) is None


def test_stars_that_ship_are_not_made_again():
    """Those of the inputs at hand, in assets/physics_stars: each with the physics drawn for its index."""
    sources = PhysicsSources(tuple(asset_path("nlte", f"{x}.npz") for x in ("Fe", "Mg", "Ca")), Path(), Path(), Path())
    packed = shipped_stars(sources.digest())
    assert packed, "tables or structure have changed: the stars of assets/physics_stars have to be made again"
    stars = packed.stars
    drawn = [physics_of(index) for index in stars.index.tolist()]
    np.testing.assert_array_equal(stars.physics, [(x.s, x.second, x.strength) for x in drawn])
    assert len(set(stars.index.tolist())) == len(stars.index) >= 300
    assert np.abs(stars.change).max() < 1
    assert not len(not_shipped(stars, sources.digest()).index)
