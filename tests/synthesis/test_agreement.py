"""Differences between two codes are attributed to lines."""

from __future__ import annotations

import numpy as np
from made_up_lines import VALD_STELLAR

from cinn_core.synthesis.agreement import FluxAgreement, worst_lines
from cinn_core.synthesis.engine import grid_wavelength
from cinn_core.synthesis.line_lists import read_lines


def test_largest_differences_are_put_down_to_the_line_that_makes_them(tmp_path):
    path = tmp_path / "vald.txt"
    path.write_text(VALD_STELLAR)
    wavelength = grid_wavelength()
    difference = np.zeros(wavelength.size)
    for centre, size in ((5183.1, 0.05), (5234.62, 0.03), (6563.0, 0.02), (5600.0, 0.01)):
        difference[np.argmin(np.abs(wavelength - centre))] = size
    row = FluxAgreement(1, 5777.0, 4.44, 0.0, 0.0, 0.05, 0.0, 1.0, difference)
    found = worst_lines([row, row], wavelength, read_lines(path), 4)
    assert [line.species for line in found] == ["Mg 1 5183.60", "Fe 2 5234.62", "H I", ""]
    assert [line.reason.split(":")[0] for line in found] == ["wing", "core", "hydrogen", "continuum"]
