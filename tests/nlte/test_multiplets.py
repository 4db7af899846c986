"""What the statistical equilibrium rests on: multiplets, free-electron collisions, hydrogen's ultraviolet, the haze's rule."""

from __future__ import annotations

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy.integrate import quad

from cinn_core.errors import DataError
from cinn_core.nlte import equilibrium, model_atoms
from cinn_core.nlte.collisions import TEMPERATURE, DownwardRate, form_factor, free_electron_rate, neutral_hydrogen
from cinn_core.nlte.corrections import corrections_of
from cinn_core.nlte.equilibrium import Physics, solve
from cinn_core.nlte.lines import read_line_data
from cinn_core.nlte.model_atoms import MG_LEVELS, model_atom
from cinn_core.nlte.multiplets import SplitTerm, components, read_terms, six_j
from cinn_core.nlte.opacity import Blanketing, haze_scale, hydrogen_molecule_ion, missing_opacity, quasi_molecular
from cinn_core.nlte.runs import NlteStar
from cinn_core.refraction import air_to_vacuum_nm
from cinn_core.synthesis.atmosphere import Atmosphere, load_atmospheres


@pytest.fixture(scope="module")
def terms(shared):
    return {x: read_terms(shared / "nlte" / "AtomicData" / f"{x}_I.txt") for x in ("Mg", "Ca")}


@pytest.fixture(scope="module")
def magnesium(shared):
    pytest.importorskip("lightweaver", reason="the extra nlte is not installed")
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


@pytest.mark.parametrize("x", [0.0, 0.1, 1.0, 5.0])
def test_the_form_factor_is_the_integral_over_momenta(x):
    integral = quad(lambda y: y * y / (1 + y * y) ** 4 * (1 - x / y if x else 1), x, np.inf)[0]
    assert form_factor(x) == pytest.approx(32 / np.pi * integral, rel=1e-6)


def test_free_electrons_jump_where_levels_are_close_and_hardly_elsewhere():
    close = free_electron_rate(24.305, 61671, 58611, 58443, 15, 2)  # 7g -> 6d of Mg
    wide = free_electron_rate(24.305, 61671, 21891, 0, 1, 2)  # 3p -> 3s
    assert close.shape == TEMPERATURE.shape
    assert (close > 300 * wide).all()
    assert (close < 1e-13).all()  # m3/s: below geometry, pi a0^2 n^4 at 10 km/s


def test_hydrogen_excites_by_the_free_electron_model_beyond_the_quantum_mechanical_states(magnesium):
    rates = [c for c in magnesium.collisions if isinstance(c, DownwardRate) and c.partner is neutral_hydrogen]
    assert max(c.j for c in rates) == MG_LEVELS - 1
    assert len(magnesium.levels) == MG_LEVELS + 1


def test_quasi_molecular_hydrogen_is_doyles():
    found = quasi_molecular(np.array([250.08, 150.0, 800.0]), np.array([5040.0, 5600.0]))
    np.testing.assert_allclose(found[0], np.array([4.19e6, 7.08e6]) * 1e-60, rtol=1e-6)
    assert (found[1:] == 0).all()


def test_the_hydrogen_molecule_ion_absorbs_as_tabulated():
    # at theta = 1: 69.3, 38.6, 26.5 x 1e-40 cm5 in the tables of Mihalas (1965) that MARCS uses; the fits differ by 10 %
    found = hydrogen_molecule_ion(np.array([250.0, 400.0, 600.0]), np.array([5040.0]))[:, 0]
    np.testing.assert_allclose(found, np.array([69.3, 38.6, 26.5]) * 1e-50, rtol=0.12)


def test_colliding_hydrogen_adds_opacity_in_the_ultraviolet_alone():
    ultraviolet, visible, far = missing_opacity(
        np.array([250.0, 500.0, 20.0]), np.array([5600.0]), np.array([3.3e22]), np.array([4e18])
    )
    hydride = 1.7e14 * 2.9e-21  # 1/m of H- at 500 nm, of the same layer of a star of 6500 K and [Fe/H] -2
    assert 0.05 * hydride < ultraviolet[0] < 0.2 * hydride
    assert visible[0] < 1e-3 * hydride
    assert far[0] == 0


def test_the_haze_grows_with_metallicity_as_the_darkest_lines_of_synthetic_spectra_do(shared):
    """Green pixels dark in the Sun stand for the ultraviolet: their blocking is turned into that of an opacity 1 + f."""
    with h5py.File(shared / "grid" / "grid-3.h5") as file:
        wavelength, labels = file["wavelength"][:], file["labels"][:]
        window = np.flatnonzero((wavelength > 5195) & (wavelength < 5500))  # without Mg b
        flux = file["flux"][:, window[0] : window[-1] + 1] / 50000.0
    teff, logg, feh, _ = labels[:, :4].T
    sun = np.median(flux[(np.abs(feh) < 0.15) & (np.abs(teff - 5777) < 250) & (logg > 4)], 0)
    chosen = (teff > 5000) & (logg > 3.5) & (feh > -2.5)
    cool = 4.6 * (5040 / teff - 5040 / 5777)
    design = np.c_[np.ones(chosen.sum()), feh[chosen], cool[chosen]]
    exponents = []
    for darkest in (0.5, 0.4, 0.3):
        gradient = 0.9  # d ln B / d ln tau at 250 nm and 6000 K
        f = flux[chosen][:, sun < darkest].mean(1) ** (-1 / gradient) - 1
        exponents.append(np.linalg.lstsq(design, np.log10(f), rcond=None)[0][1])
    assert exponents[0] > exponents[1] > exponents[2]  # 0.47, 0.46, 0.44: the stronger the lines the less it grows
    rule = np.log10(haze_scale(Blanketing.SCALED, 5777.0, 0.0) / haze_scale(Blanketing.SCALED, 5777.0, -1.0))
    assert rule == pytest.approx(exponents[2], abs=0.05)
    assert rule < exponents[2]  # the ultraviolet's lines are stronger still


class _Finer:
    """The model atmospheres with twice as many depths."""

    def __init__(self, atmospheres) -> None:
        self.atmospheres = atmospheres

    def at(self, *where) -> Atmosphere:
        model = self.atmospheres.at(*where)
        logs = np.log(model.columns)
        between = np.exp(0.5 * (logs[1:] + logs[:-1]))
        columns = np.empty((2 * len(logs) - 1, logs.shape[1]))
        columns[::2], columns[1::2] = model.columns, between
        return Atmosphere(**{**vars(model), "columns": columns})


@pytest.mark.parametrize(
    "star", [NlteStar("Li", 5777, 4.44, 0, 0), NlteStar("Li", 5750, 3.7, -2.5, 3.6)], ids=["Sun", "poor"]
)
def test_lithium_has_converged_in_levels_and_depths(star, shared, monkeypatch):
    pytest.importorskip("lightweaver", reason="the extra nlte is not installed")
    atmospheres = load_atmospheres(shared / "synthesis")
    lines = read_line_data(shared / "synthesis", "Li")

    def corrected(models) -> float:
        (found,) = corrections_of(solve("Li", star.labels(), models, shared / "nlte", Physics()), lines)
        return found.correction

    whole = corrected(atmospheres)
    assert corrected(_Finer(atmospheres)) == pytest.approx(whole, abs=0.01)

    def fewer(*arguments):
        atom = model_atom(*arguments)
        model_atoms._keep_lowest(atom, 14)  # n = 5 complete, of 20 levels
        model_atoms.load_lightweaver().reconfigure_atom(atom)
        return atom

    monkeypatch.setattr(equilibrium, "model_atom", fewer)
    assert corrected(atmospheres) == pytest.approx(whole, abs=0.01)
