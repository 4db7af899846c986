"""The gate of lithium: published answers as the data folder's README gives them, and stars that cover the FGK range."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.nlte.lithium import (
    CORRECTION_3D,
    ComparedLithium,
    count_lithium,
    gate_stars,
    published_correction,
    read_network,
)


def test_sixty_stars_of_the_gate_are_dwarfs_and_giants_of_all_metallicities():
    stars = gate_stars()
    assert len(set(stars)) == 60
    assert {star.feh for star in stars} == {0.25, 0.0, -1.0, -2.0, -3.0}
    assert sum(star.logg < 3 for star in stars) == 15
    assert all(star.abundance == pytest.approx(1.0 if star.teff < 5250 else 2.2, abs=1e-3) for star in stars)


def test_published_networks_answer_as_their_own_tests_say(shared):
    with np.load(shared / "nlte" / "Li_Breidablik" / CORRECTION_3D) as file:
        x, answer = file["test"][:, :4] * file["std"] + file["mean"], file["test"][:, 4]
    np.testing.assert_allclose(read_network(shared / "nlte", CORRECTION_3D)(x), answer, atol=1e-6)


@pytest.mark.parametrize(
    ("star", "lte", "in_1d"),
    [
        ((5772.0, 4.44, 0.0), 1.05, -0.078),
        ((4500.0, 2.5, 0.0), 1.05, -0.033),
        ((6000.0, 4.0, -1.0), 2.20, -0.076),
        ((6300.0, 4.2, -2.0), 2.20, -0.086),
    ],
)
def test_published_correction_in_one_dimension(shared, star, lte, in_1d):
    found = published_correction(shared / "nlte")(*star, lte + in_1d)
    assert found == pytest.approx(in_1d, abs=2e-3)


def test_missing_networks_are_said(tmp_path):
    with pytest.raises(DataError, match="does not hold a network"):
        read_network(tmp_path, CORRECTION_3D)


def test_stars_without_a_solution_are_not_within():
    star = gate_stars()[0]
    rows = [ComparedLithium(star, -0.05, value) for value in (-0.05, -0.005, 0.005, None)]
    assert count_lithium(rows) == {"li_n": 4, "li_within_005": 2}
