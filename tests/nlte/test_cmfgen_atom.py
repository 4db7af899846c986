"""Atoms of sodium and silicon: sublevels gathered to terms, with the oscillator strengths of laboratory work."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.nlte.calcium_atom import LIGHT_CM
from cinn_core.nlte.cmfgen_atom import read_cmfgen
from cinn_core.nlte.collisions import IONIC, hydrogen_rates

OSCILLATORS = """\
10.0000                                          !Energy levels follow
41449.4400                                       !Ionization energy
3s2Se[1/2]       2.0          0.00000000     1.242623     2.41258E+03       1
3p2Po[1/2]       2.0      16956.17200000     0.734290     4.08275E+03       2
3p2Po[3/2]       4.0      16973.36800000     0.733774     4.08562E+03       3
5z2Z            18.0      37059.54000000     0.131606     2.27796E+04      19

  Transition                  f           A          Lam(A)      i-j    Trans. #

3s2Se[1/2]-3p2Po[1/2]    3.2500E-01  6.2328E+07    5895.924      1-  2      1
3s2Se[1/2]-3p2Po[3/2]    6.5000E-01  6.2454E+07    5889.950      1-  3      2
"""
SECTIONS = """\
3s2Se                                   !Configuration name
20                                      !Type of cross-section
2                                       !Number of cross-section points
1.0000D+00 9.293D-02
1.5000D+00 9.182D-02
5z2Z                                    !Configuration name
3                                       !Type of cross-section
"""


def write(folder, oscillators: str = OSCILLATORS) -> None:
    (folder / "NA_I_osc_data.gz").write_bytes(gzip.compress(oscillators.encode()))
    (folder / "NA_I_phot_data_A.gz").write_bytes(gzip.compress(SECTIONS.encode()))


def test_sublevels_become_terms_whose_strength_is_the_sum(tmp_path):
    write(tmp_path)
    atom = read_cmfgen(tmp_path, "Na")
    terms = atom.terms
    assert terms.label == ("3s 2S", "3p 2P*", "5z2Z")
    np.testing.assert_array_equal(terms.weight, [2, 6, 18])
    assert terms.strength == {(0, 1): pytest.approx(0.975)}
    mean = (2 * 16956.172 + 4 * 16973.368) / 6
    assert (terms.frequency[0] - terms.frequency[1]) / LIGHT_CM == pytest.approx(mean, abs=1e-6)
    assert atom.sublevels["3p 2P*"].energies == {0.5: 16956.172, 1.5: 16973.368}
    np.testing.assert_allclose(terms.cross_section[0][1], [9.293e-20, 9.182e-20])
    assert set(terms.cross_section) == {0}  # other kinds are left to the hydrogenic stand-in


def test_other_files_are_refused(tmp_path):
    write(tmp_path, "nothing of the kind\n")
    with pytest.raises(DataError, match="not those of CMFGEN"):
        read_cmfgen(tmp_path, "Na")


def test_the_published_atoms_have_the_terms_of_the_hydrogen_tables(shared):
    from cinn_core.nlte.model_atoms import model_atom

    for element, n_states in (("Na", 9), ("Si", 30)):
        (rates,) = hydrogen_rates(shared / "nlte" / "barklem", element)
        assert (len(rates.states), rates.states[-1]) == (n_states + 1, IONIC)
        atom = model_atom(element, shared / "nlte")
        labels = {" ".join(level.label.split()) for level in atom.levels}
        assert {"Na": "4d 2D", "Si": "3s2.3p.5p 3P"}[element] in labels
    # mutual neutralisation Si+ + H- is fast to 4s and 3d, as in every such table: above 1e-9 cm3/s at 5000 K
    assert rates.between(n_states, rates.states.index("3p4s.3Po"))[rates.temperature == 5000].item() > 1e-10
