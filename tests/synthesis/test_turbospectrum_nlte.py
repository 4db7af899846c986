"""Turbospectrum's NLTE input: level numbers, files as bsyn_lu reads them; and the code itself where it is built."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_departures import CA_LEVELS, FINE_LOG_TAU, MG_LEVELS
from missing import needed

from cinn_core.errors import SynthesisError
from cinn_core.synthesis.abundances import SOLAR_ABUNDANCES
from cinn_core.synthesis.departure_files import numbered_levels, read_turbospectrum_text
from cinn_core.synthesis.departures import DepartureGrid, Departures, Level
from cinn_core.synthesis.engine import OwnInputs, labels_from
from cinn_core.synthesis.turbospectrum import bsyn_input, open_turbospectrum
from cinn_core.synthesis.turbospectrum_nlte import (
    INFO_FILE,
    NlteElement,
    optical_depths,
    with_level_numbers,
    write_nlte_inputs,
)

SUN = {"teff": 5777.0, "logg": 4.44}
LIST = """\
'  12.000            '    1        3
'Mg I   NLTE'
  5183.604  2.717 -0.168  729.238    3.0  9.77E+07 'p' 's'   0.0    1.0 'Mg I LS:3s.3p 3P* LS:3s.4s 3S' 4    5   '3p3P2*'  '4s3S' 'c' 'c'
  5528.405  4.346   -0.631 1461.312    5.0  5.25E+08 'p' 'd'   0.0    1.0 'Mg I LS:3s.3p 1P* LS:3s.4d 1D' 5 14  ' 3p1P*'    '4d1D'  'c' 'c'
  5711.088  4.346   -1.777 1860.100    1.0  5.25E+08 'p' 's'   0.0    1.0 'Mg I LS:3s.3p 1P* LS:3s.5s 1S' 5 12  ' 3p1P*'    '5s1S'  'c' 'c'
'  20.000            '    1        2
'Ca I    NLTE'
  6439.075  2.526  0.282  366.242    9.0  5.37E+07 -6.072 'd' 'p'   0.0    1.0 'Ca I LS:3p6.3d.4s 3D LS:3p6.3d.4p 3F*'  5 15
  6449.808  2.521 -0.443  365.241    5.0  5.37E+07 -6.072 'd' 'p'   0.0    1.0 'Ca I LS:3p6.3d.4s 3D LS:3p6.3d.4p 1D*'  5 16
'  26.000            '    1        1
'Fe I    NLTE'
  5145.094  2.198 -2.876  351.272    5.0  1.70E+08  0.000  'X' 'X'   0.0    1.0 'Fe I' 3 4
"""


def element(symbol: str, levels: tuple[Level, ...], b: np.ndarray | float = 1.0) -> NlteElement:
    """An element with the same b in all stars."""
    number = {"Mg": 12, "Ca": 20}[symbol]
    departures = Departures(symbol, levels, FINE_LOG_TAU, np.broadcast_to(b, (len(levels), FINE_LOG_TAU.size)).copy())
    nodes = np.array([[5777.0, 4.44, 0.0, SOLAR_ABUNDANCES[number]]])
    return NlteElement(symbol, DepartureGrid(symbol, levels, nodes, lambda i: departures))


def test_line_list_gets_level_numbers_for_its_elements_and_shifted_log_gf_for_the_lines_asked():
    made = with_level_numbers(LIST, [element("Mg", MG_LEVELS), element("Ca", CA_LEVELS)], {("Mg I", 5528.405): 0.05})
    rows = [line for line in made.text.splitlines() if not line.startswith("'")]
    levels = [row.rsplit("'x' 'x'", 2)[0].split("'")[-1].split() for row in rows[:5]]
    assert levels == [["2", "4"], ["3", "5"], ["0", "0"], ["2", "3"], ["2", "4"]]
    assert [float(row.split()[2]) for row in rows] == [-0.168, -0.581, -1.777, 0.282, -0.443, -2.876]
    assert (made.in_nlte, made.in_lte) == (4, ("Mg I 5711.088",))
    assert made.text.splitlines()[-3:] == LIST.splitlines()[-3:]


IRON_LEVELS = (
    Level("Fe I 3d6_4s2_a5D", 0.0, 25.0),
    Level("Fe I 3d7_4s_a5P", 17640.0, 15.0),
    Level("Fe I 3d6_4s_4p_y5Po", 36900.0, 15.0),
    Level("Fe I 3d6_4s_4d_e7D +4", 45000.0, 200.0),
    Level("Fe II 3d6_4s_a6D", 63738.0, 30.0, 1),
)
IRON_LIST = """\
'  26.000            '    1        2
'Fe I    NLTE'
  5145.094  2.198 -2.876  351.272    5.0  1.70E+08  0.000  'X' 'X'   0.0    1.0 'Fe I LS:- a5P LS:- y5P*' 3 4
  6153.925  3.500 -3.346   -7.500    5.0  1.00E+08  0.000  'p' 's'   0.0    1.0 'Fe I unidentified'  0 0  'none' 'none'  'x' 'x'
'  26.000            '    2        1
'Fe II   NLTE'
  5169.028  2.891 -1.250   -7.590    6.0  1.00E+08  'd' 'p'   0.0    1.0 'Fe II LS:3d6.(5D).4s 6D LS:3d6.(5D).4p 6P*'  0 0
'  27.000            '    1        1
'Co I    LTE'
  5146.753  2.871 -0.301   -7.590    6.0  1.00E+08  'd' 'p'   0.0    1.0 'Co I'  0 0
"""


def test_lines_of_iron_find_their_term_else_the_level_nearest_in_energy_and_log_gf_shift_in_lte_too():
    levels = Departures("Fe", IRON_LEVELS, FINE_LOG_TAU, np.ones((len(IRON_LEVELS), FINE_LOG_TAU.size)))
    iron = NlteElement("Fe", DepartureGrid("Fe", IRON_LEVELS, np.array([[5777.0, 4.44, 0.0, 7.5]]), lambda i: levels))
    made = with_level_numbers(IRON_LIST, [iron], {("Co I", 5146.753): -0.2, ("Fe I", 5145.094): 0.1})
    rows = [line for line in made.text.splitlines() if not line.startswith("'")]
    numbers = [row.rsplit("'x' 'x'", 2)[0].split("'")[-1].split() for row in rows[:3]]
    # 2.2 + 2.4 eV: a5P and y5P*; 3.5 + 2.0 eV without terms: nearest are 4.6 and 5.6 eV; Fe II has one level
    assert numbers == [["2", "3"], ["3", "4"], ["5", "5"]]
    assert [float(row.split()[2]) for row in rows] == [-2.776, -3.346, -1.25, -0.501]
    assert rows[3].endswith("0 0")
    assert not made.in_lte


SI_LEVELS = (
    Level("3s2.3p2 3P", 149.7, 9.0),
    Level("3s.3p3 3D*", 45303.3, 15.0),
    Level("3s2_3p(2P<1/2>)5f_2{5/2}e", 61304.0, 12.0),
)
SI_LIST = """\
'  14.000            '    1        2
'Si I    NLTE'
  6244.466  5.616 -1.363   -7.190    5.0  1.00E+08  'p' 'f'   0.0    1.0 'Si I LS:3s.3p3 3D* JK:3s2.3p.(2P*<1/2>).5f 2[5/2]'  12 0
  6300.000  5.616 -2.363   -7.190    5.0  1.00E+08  'p' 'f'   0.0    1.0 'Si I LS:3s.3p3 3D* JK:3s2.3p.(2P*<1/2>).5f 2[5/2]'  12 0
"""


def test_a_level_without_a_term_is_found_by_energy_above_the_lowest_sublevel_of_the_atom():
    """Silicon's ground term lies 149.7 / cm above its lowest sublevel, from which line lists count."""
    departures = Departures("Si", SI_LEVELS, FINE_LOG_TAU, np.ones((3, FINE_LOG_TAU.size)))
    silicon = NlteElement(
        "Si", DepartureGrid("Si", SI_LEVELS, np.array([[5777.0, 4.44, 0.0, 7.59]]), lambda i: departures)
    )
    made = with_level_numbers(SI_LIST, [silicon])
    rows = [line.rsplit("'x' 'x'", 2)[0].split("'")[-1].split() for line in made.text.splitlines()[2:]]
    assert rows == [["2", "3"], ["0", "0"]]  # 5.616 eV + 6244.466 A is 61305.6 / cm; the second is 140 / cm off
    assert made.in_lte == ("Si I 6300.000",)


def test_numbered_levels_are_turbospectrums_own_and_its_lists_numbers_stay():
    made = with_level_numbers(LIST, [element("Mg", numbered_levels(13))])
    rows = [line for line in made.text.splitlines() if line.startswith("  5")]
    assert "'x'" in rows[0]
    assert rows[0].split("3S'")[1].split()[:2] == ["4", "5"]
    assert made.in_lte == ("Mg I 5528.405",)  # 5 14, where the atom has 13 levels


def test_written_departures_are_read_again_at_the_models_depths(tmp_path):
    b = np.linspace(0.5, 1.0, len(MG_LEVELS))[:, None]
    write_nlte_inputs([element("Mg", MG_LEVELS, b)], labels_from(SUN), np.array([-4.0, -1.25, 0.5]), tmp_path)
    read = read_turbospectrum_text(tmp_path / "Mg.b", "Mg")
    np.testing.assert_allclose(read.b, np.broadcast_to(b, (6, 3)), rtol=1e-6)
    np.testing.assert_allclose(read.log_tau, [-4.0, -1.25, 0.5], atol=1e-9)
    assert float((tmp_path / "Mg.b").read_text().splitlines()[8]) == pytest.approx(7.55)
    atom = (tmp_path / "Mg.atom").read_text().splitlines()
    assert (atom[0].strip(), int(atom[2]), atom[-1].split()[-1]) == ("Mg", 6, "2")
    info = (tmp_path / INFO_FILE).read_text().splitlines()
    assert info[info.index("# path for model atom files") + 1] == "./"
    assert info.index("# path for model atom files") > 0
    assert info[-1] == "12 'Mg' 'nlte' 'Mg.atom' 'Mg.b' 'ascii'"


def test_stars_beyond_a_grid_have_the_departures_of_its_edge(tmp_path):
    write_nlte_inputs([element("Mg", MG_LEVELS, 0.7)], labels_from({**SUN, "feh": -2.0}), FINE_LOG_TAU, tmp_path)
    assert (read_turbospectrum_text(tmp_path / "Mg.b", "Mg").b == 0.7).all()


def test_optical_depths_come_from_babsmas_opacities():
    rows = [f" 1.0E+05 {tau:.4E} 5.0E+03 1.0 1.0 1.0 1.0 1.0\n 1.0 2.0 3.0\n 4.0" for tau in (1e-4, 1e-2, 1.0)]
    text = "'a model' 3 5000.0\n  2\n 5150.0 5160.0\n" + "\n".join(rows)
    np.testing.assert_allclose(optical_depths(text), [-4.0, -2.0, 0.0], atol=1e-12)
    with pytest.raises(SynthesisError, match="no optical depths"):
        optical_depths("'a model' 3 5000.0\n 2\n 5150.0")


def test_lte_input_of_bsyn_has_no_word_of_nlte():
    assert "NLTE" not in bsyn_input(labels_from(SUN), 5150.0, 5740.0)


def test_departures_of_one_give_the_lte_spectrum_and_a_weak_source_function_deepens_the_line(
    programs, shared, tmp_path
):
    """b = 1 within 1e-4 of the continuum (the spectrum is written to 1e-5); then b_u / b_l < 1, S below B."""
    own = tmp_path / "few.list"
    own.write_text(LIST)
    b = np.ones((len(MG_LEVELS), FINE_LOG_TAU.size))
    b[3] = 0.5  # the upper level of the triplet
    flux = {}
    for name, nlte in {
        "lte": (),
        "one": (element("Mg", MG_LEVELS), element("Ca", CA_LEVELS)),
        "deep": (element("Mg", MG_LEVELS, b),),
    }.items():
        (tmp_path / name).mkdir()
        engine = open_turbospectrum(programs, shared, tmp_path / name, OwnInputs((own,)), nlte)
        wavelength, flux[name] = replace(engine, windows=((5180.0, 5187.0), (6437.0, 6451.0))).synthesise(
            labels_from(SUN)
        )
    assert flux["lte"].min() < 0.3
    np.testing.assert_allclose(flux["one"], flux["lte"], atol=1e-4)
    core, calcium = np.argmin(np.abs(wavelength - 5183.604)), wavelength > 6000
    assert flux["deep"][core] < flux["lte"][core] - 0.02
    np.testing.assert_allclose(flux["deep"][calcium], flux["lte"][calcium], atol=1e-4)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "star",
    [
        SUN,
        {"teff": 5000.0, "logg": 2.5, "feh": -2.0, **dict.fromkeys(("o_fe", "mg_fe", "si_fe", "ca_fe", "ti_fe"), 0.4)},
    ],
    ids=["sun", "metal-poor giant"],
)
def test_turbospectrum_and_our_own_profiles_give_one_change(programs, shared, tmp_path, star):
    """NLTE - LTE of two codes: other continuous opacities, partition functions and angles leave 0.01 of the continuum.

    Measured: 0.009 in the core of Mg I 5183.6, 0.003 elsewhere; equivalent widths within 8 %.
    """
    needed("lightweaver", "nlte")
    from cinn_core.nlte.equilibrium import solve
    from cinn_core.nlte.line_profile import profile
    from cinn_core.nlte.lines import read_line_data
    from cinn_core.synthesis.atmosphere import load_atmospheres

    labels = labels_from({**star, "li_fe": 2.1})
    atmospheres = load_atmospheres(shared / "synthesis")
    elements, solutions = [], {}
    for symbol in ("Li", "Mg", "Ca"):
        solution = solutions[symbol] = solve(symbol, labels, atmospheres, shared / "nlte")
        nodes = np.array([[*labels[:3], solution.abundance]])
        grid = DepartureGrid(symbol, solution.departures.levels, nodes, lambda i, d=solution.departures: d)
        elements.append(NlteElement(symbol, grid))
    inputs = OwnInputs((shared / "synthesis" / "atoms_original.list.gz",))
    centres = {5183.604: "Mg", 5528.405: "Mg", 5711.088: "Mg", 6122.217: "Ca", 6439.075: "Ca", 6707.8: "Li"}
    windows = tuple((x - 2.5, x + 2.5) for x in centres)
    lte = replace(open_turbospectrum(programs, shared, tmp_path, inputs), windows=windows)
    wavelength, flux = lte.synthesise(labels)
    nlte = replace(open_turbospectrum(programs, shared, tmp_path, inputs, elements), windows=windows)
    theirs = nlte.synthesise(labels)[1] - flux
    for centre, symbol in centres.items():
        lines = [x for x in read_line_data(shared / "synthesis", symbol) if abs(x.line.wavelength - centre) < 0.3]
        near = np.abs(wavelength - centre) < 1.9
        at = wavelength[near]
        ours = profile(solutions[symbol], lines, at, 1.0) - profile(solutions[symbol], lines, at, 1.0, in_lte=True)
        assert np.abs(theirs[near] - ours).max() < 0.01
        widths = [np.trapezoid(change, at) for change in (theirs[near], ours)]
        assert widths[0] == pytest.approx(widths[1], rel=0.1, abs=4e-4)
