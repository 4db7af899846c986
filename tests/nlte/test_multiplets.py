"""Multiplets: components by LS coupling, in the model atom of magnesium and in its profiles."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from missing import needed

from cinn_core.errors import DataError
from cinn_core.nlte.model_atoms import model_atom
from cinn_core.nlte.multiplets import SplitTerm, components, read_terms, six_j
from cinn_core.refraction import air_to_vacuum_nm


@pytest.fixture(scope="module")
def terms(shared):
    return {x: read_terms(shared / "nlte" / "AtomicData" / f"{x}_I.txt") for x in ("Mg", "Ca")}


@pytest.fixture(scope="module")
def magnesium(shared):
    needed("lightweaver", "nlte")
    return model_atom("Mg", shared / "nlte")


def test_six_j_symbols_are_those_of_tables():
    assert six_j(1, 2, 3, 2, 1, 2) == pytest.approx(1 / (5 * np.sqrt(21)))  # Varshalovich et al. (1988), table 9.1
    assert six_j(1, 1, 1, 1, 1, 1) == pytest.approx(1 / 6)
    assert six_j(1, 1, 3, 1, 1, 1) == 0


def test_the_mg_b_lines_are_one_multiplet_of_strengths_1_3_5(terms):
    upper = SplitTerm(3, 0, {1.0: 41197.403})
    shift, share = components(terms["Mg"]["3s3p-3P*"], upper)
    found = 1e7 / (upper.mean - terms["Mg"]["3s3p-3P*"].mean + shift)
    np.testing.assert_allclose(found, air_to_vacuum_nm(np.array([5167.322, 5172.684, 5183.604])), atol=1e-3)
    np.testing.assert_allclose(share, np.array([1, 3, 5]) / 9)


@pytest.mark.parametrize(
    ("lower", "upper"), [("3d4s-3D", "3d4p-3F*"), ("3d4s-3D", "3d4p-3D*"), ("4s4p-3P*", "4s4d-3D")]
)
def test_a_multiplet_keeps_its_mean_wavenumber_and_its_strength(terms, lower, upper):
    shift, share = components(terms["Ca"][lower], terms["Ca"][upper])
    assert share.sum() == pytest.approx(1)
    assert share @ shift == pytest.approx(0, abs=1e-6)


def test_every_wide_triplet_line_of_magnesium_is_split_and_singlets_are_not(magnesium):
    found = [line for line in magnesium.lines if type(line).__name__ == "Multiplet"]
    split = {(line.i, line.j) for line in found}
    names = [level.label.split()[-2:] for level in magnesium.levels]
    assert (1, 3) in split  # Mg b
    for i, j in split:
        assert names[i][1][0] == names[j][1][0] == "3"
    assert all(np.ptp(line.ratio) * 2.99792458e5 > 0.9 for line in found)  # km/s: closer ones stay one line
    assert all((1, line.j) in split for line in magnesium.lines if line.i == 1 and names[line.j][1][0] == "3")


def test_the_profile_of_a_multiplet_holds_one_line_and_stands_at_its_components(magnesium):
    line = next(x for x in magnesium.lines if (x.i, x.j) == (1, 3))
    wavelength = np.unique(
        np.concatenate([line.lambda0 * r * (1 + np.linspace(-1, 1, 4001) * 3e-4) for r in line.ratio])
    )
    atmos = SimpleNamespace()
    state = SimpleNamespace(
        wavelength=wavelength, vBroad=np.array([2e3, 3e3]), vlosMu=np.zeros((3, 2)), atmos=atmos, eqPops=None
    )
    line.damping = lambda *a, **k: (np.array([1e-3, 1e-3]), np.zeros(2))
    phi = line.compute_phi(state).phi
    assert phi.shape == (wavelength.size, 3, 2, 2)
    total = np.trapezoid(phi[:, 0, 0, :], wavelength, axis=0) * 2.99792458e8 / line.lambda0
    np.testing.assert_allclose(total, 1, atol=0.01)  # far wings are outside
    strongest = wavelength[phi[:, 0, 0, 0].argmax()]
    assert strongest == pytest.approx(air_to_vacuum_nm(np.array([5183.604]))[0], abs=2e-3)


def test_a_file_that_is_no_list_of_levels_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("Configuration\tTerm\n3s\t1S\n")
    with pytest.raises(DataError, match="NIST"):
        read_terms(tmp_path / "x.txt")
