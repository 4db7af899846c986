"""Diagnostic lines in NLTE: their levels and their data."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.nlte.lines import LINES, lines_of, read_line_data


def test_diagnostic_lines_of_li_mg_and_ca_all_have_levels():
    from cinn_core.lines import diagnostic_lines

    wanted = {(x.element, x.wavelength) for x in diagnostic_lines() if x.element in ("Li", "Mg", "Ca")}
    assert {(x.element, x.wavelength) for x in LINES if x.element in ("Li", "Mg", "Ca")} == wanted


@pytest.mark.parametrize("element", ["Li", "Na", "Mg", "Si", "Ca"])
def test_the_laboratory_list_has_every_line(shared, element):
    data = read_line_data(shared / "synthesis", element)
    assert len(data) == len(lines_of(element))
    assert all(np.isfinite([x.log_gf, x.radiative, x.stark, x.waals]).all() for x in data)
