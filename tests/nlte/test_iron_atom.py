"""The model atom of iron: levels, shares of multiplets, cores, collisions only where physics has them."""

from __future__ import annotations

import numpy as np
import pytest
from missing import needed

from cinn_core.nlte.iron_atom import (
    BETWEEN_CORES,
    CELL_EDGES_NM,
    N_IONS,
    core_of,
    read_iron,
    read_terms_of_iron,
    squared_shares,
)


def test_the_lines_of_a_multiplet_share_its_strength_as_in_ls_coupling():
    # 3P - 3S: 5, 3, 1 ninths of the strength; 5D - 5F is spread over more lines than 3P - 3S.
    assert squared_shares("3d7_4P_4s_a3P", "3d7_4P_4p_y3So") == pytest.approx((25 + 9 + 1) / 81)
    assert squared_shares("3d6_4s2_a5D", "3d7_4F_4p_y5Fo") < 0.2
    assert squared_shares("3d6_4s2_a1G", "3d7_2G_4p_z1Ho") == pytest.approx(1.0)  # singlets have one line


def test_the_core_is_what_the_outer_electron_leaves():
    assert core_of("3d7_4F_4p_y5Fo") == core_of("3d7_4F_5s_e5F") == ("3d7", "4F")
    assert core_of("3d6_5D_4s_4p_3Po_z7Do") == core_of("3d6_5D_4s_6D_5s_e7D") == ("3d6", "5D", "4s")
    assert core_of("3d6_4s2_a5D") is None  # no single outer electron
    assert core_of("58831e") is None


@pytest.fixture(scope="module")
def nlte(shared):
    needed("lightweaver", "nlte")
    return shared / "nlte"


@pytest.fixture(scope="module")
def iron(nlte):
    return read_iron(nlte)


def test_all_terms_are_in_the_levels_with_their_weights(nlte, iron):
    terms = read_terms_of_iron(nlte)
    assert sum(level.g for level in iron.levels) == pytest.approx(terms.weight.sum())
    assert [level.stage for level in iron.levels] == [0] * (len(iron.levels) - N_IONS) + [1] * N_IONS
    assert np.all(np.diff([level.E for level in iron.levels]) > 0)


def test_hydrogen_joins_terms_of_different_cores_as_far_as_it_is_told(nlte, iron):
    # 3d6 4s2 and 3d7 4s differ in more than the outer electron, and lie too low for electron transfer.
    rates = [read_iron(nlte, between_cores=share).collisions[0].hydrogen[4] for share in (0.0, 1.0)]
    assert rates[0][0, 1] < 1e-20
    assert rates[0].max() > 1e-15  # between high levels of one core it does, by far
    given = iron.collisions[0].hydrogen[4]
    np.testing.assert_allclose(given, rates[0] + BETWEEN_CORES * (rates[1] - rates[0]), rtol=1e-9, atol=1e-30)


def test_cross_sections_end_at_their_thresholds(iron):
    for continuum in iron.continua:
        edge = 1e7 / (iron.levels[continuum.j].E - iron.levels[continuum.i].E)
        assert continuum.wavelengthGrid[-1] == pytest.approx(edge, rel=1e-9)
        assert np.all(np.asarray(continuum.alphaGrid) >= 0)
        assert continuum.wavelengthGrid[0] >= CELL_EDGES_NM[0]


def test_profiles_of_shared_lines_are_normalised_in_their_rates(iron):
    offsets = np.asarray(iron.lines[0].wavelength()) - iron.lines[0].lambda0
    assert offsets[0] == pytest.approx(0.0, abs=1e-9)
    assert np.all(np.diff(offsets) > 0)  # half of the profile, from its centre on
