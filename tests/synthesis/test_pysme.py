"""PySME: its abundances, and a spectrum of SME itself in the environment that `make test-pysme` makes for it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from made_up_lines import VALD_STELLAR
from missing import needed

from cinn_core.errors import DataError
from cinn_core.synthesis.engine import OwnInputs, grid_wavelength, labels_from, to_grid

SUN = {"teff": 5777.0, "logg": 4.44}


def test_missing_pysme_is_told_with_the_remedy(tmp_path, monkeypatch):
    from cinn_core.synthesis.pysme import open_pysme

    monkeypatch.setitem(sys.modules, "pysme", None)
    monkeypatch.setitem(sys.modules, "pysme.sme_synth", None)
    with pytest.raises(DataError, match=r"PySME is not installed; `pip install -e '\.\[synthesis\]'`"):
        open_pysme(tmp_path)


def test_abundances_for_sme_are_shares_of_all_nuclei():
    from cinn_core.synthesis.pysme import abundances_for_sme

    share = abundances_for_sme(labels_from(SUN))
    assert share[0] + (10 ** share[1:]).sum() == pytest.approx(1.0)
    assert share[25] - np.log10(share[0]) == pytest.approx(7.5 - 12)


def test_metallicity_lowers_the_metals_of_sme_once():
    from cinn_core.synthesis.pysme import abundances_for_sme

    sun, poor = (abundances_for_sme(labels_from(SUN | {"feh": feh})) for feh in (0.0, -1.0))
    over_hydrogen = (poor[1:] - np.log10(poor[0])) - (sun[1:] - np.log10(sun[0]))
    assert over_hydrogen[25 - 1] == pytest.approx(-1.0)  # iron
    assert over_hydrogen[2 - 2] == pytest.approx(0.0)  # helium goes with hydrogen


@pytest.mark.pysme
@pytest.mark.slow
def test_pysme_and_a_line_list_of_vald_make_a_spectrum(shared, tmp_path):
    needed("pysme", "synthesis")
    from cinn_core.synthesis.pysme import open_pysme

    own = tmp_path / "few.list"
    own.write_text(VALD_STELLAR)
    engine = open_pysme(shared, OwnInputs((own,)))
    flux = to_grid(*engine.synthesise(labels_from(SUN)))
    wavelength = grid_wavelength()
    assert flux[np.argmin(np.abs(wavelength - 5183.604))] < 0.3
    assert flux[np.argmin(np.abs(wavelength - 5400.0))] == pytest.approx(1.0, abs=1e-3)
