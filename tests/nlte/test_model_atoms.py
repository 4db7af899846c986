"""Model atoms: levels of every diagnostic line, collisions where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from missing import needed

from cinn_core.errors import DataError
from cinn_core.nlte.calcium_atom import N_LEVELS
from cinn_core.nlte.collisions import DownwardRate, hydrogen_anions, neutral_hydrogen
from cinn_core.nlte.lines import lines_of
from cinn_core.nlte.model_atoms import MG_LEVELS, levels_of, model_atom
from cinn_core.refraction import air_to_vacuum_nm


@pytest.fixture(scope="module")
def atoms(shared):
    needed("lightweaver", "nlte")
    return {element: model_atom(element, shared / "nlte") for element in ("Li", "Na", "Mg", "Si", "Ca")}


@pytest.mark.parametrize(
    ("element", "n"), [("Li", 21), ("Na", 18), ("Mg", MG_LEVELS + 1), ("Si", 61), ("Ca", N_LEVELS + 1)]
)
def test_the_levels_of_every_diagnostic_line_are_as_far_apart_as_its_wavelength_says(atoms, element, n):
    levels = {level.label: level for level in levels_of(atoms[element])}
    assert len(levels) == n
    for line in lines_of(element):
        gap = levels[line.upper].energy - levels[line.lower].energy
        # levels are terms: the lines of a multiplet lie about their mean, Ca's 3d 4p 3F by 180 / cm
        assert gap == pytest.approx(1e7 / air_to_vacuum_nm(np.array([line.wavelength]))[0], abs=150)


@pytest.mark.parametrize("element", ["Li", "Na", "Mg", "Si", "Ca"])
def test_levels_rise_in_energy_and_the_last_is_the_ion(atoms, element):
    levels = levels_of(atoms[element])
    assert (np.diff([level.energy for level in levels]) >= 0).all()
    assert [level.ion for level in levels] == [0] * (len(levels) - 1) + [1]


@pytest.mark.parametrize("element", ["Li", "Na", "Mg", "Si", "Ca"])
def test_hydrogen_collides_within_the_atom_and_exchanges_charge_with_the_ion(atoms, element):
    rates = [c for c in atoms[element].collisions if isinstance(c, DownwardRate)]
    ion = len(atoms[element].levels) - 1
    assert all(c.j > c.i for c in rates)
    assert {c.j for c in rates if c.partner is hydrogen_anions} == {ion}
    assert all(c.j < ion for c in rates if c.partner is neutral_hydrogen)


def test_without_hydrogen_no_rate_has_it_as_a_partner(atoms, shared):
    bare = model_atom("Mg", shared / "nlte", hydrogen=False)
    partners = {c.partner for c in bare.collisions if isinstance(c, DownwardRate)}
    assert not partners & {neutral_hydrogen, hydrogen_anions}
    assert len(bare.collisions) < len(atoms["Mg"].collisions)


def test_each_pair_of_magnesium_levels_has_one_electron_collision(atoms):
    others = [
        c for c in atoms["Mg"].collisions if getattr(c, "partner", None) not in (neutral_hydrogen, hydrogen_anions)
    ]
    pairs = [(max(c.i, c.j), min(c.i, c.j)) for c in others]
    assert len(pairs) == len(set(pairs))


def test_an_atom_that_does_not_exist_is_refused(shared):
    with pytest.raises(DataError, match="Li, Na, Mg, Si, Ca"):
        model_atom("Fe", shared / "nlte")


def test_hydrogen_excites_by_the_free_electron_model_beyond_the_quantum_mechanical_states(atoms):
    magnesium = atoms["Mg"]
    rates = [c for c in magnesium.collisions if isinstance(c, DownwardRate) and c.partner is neutral_hydrogen]
    assert max(c.j for c in rates) == MG_LEVELS - 1
    assert len(magnesium.levels) == MG_LEVELS + 1
