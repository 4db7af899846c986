"""log gf for another physics: the shifts give back the Sun that they are asked for."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import numpy as np

from cinn_core.synthesis.engine import MARGIN_ANGSTROM, labels_from, to_grid
from cinn_core.synthesis.solar_log_gf import SUN, calibrated_keys, solar_log_gf
from cinn_core.synthesis.turbospectrum import SYNTHESIS_WINDOWS

LINES = {
    ("Fe I", 5200.0): 0.3,
    ("Ti II", 5200.4): 0.5,
    ("Fe I", 5201.5): 0.7,
    ("Fe I", 6500.0): 0.2,
    ("Mn I", 6700.0): 1e-6,
}
"""Optical depths at line centre before any shift; two lines overlap, and the last is invisible."""


@dataclass
class MadeUp:
    """An engine of Gaussian lines of 0.15 Angstrom that saturate as exp(-tau)."""

    shifts: dict
    linelist: str = "made up"
    provenance: dict = None

    def synthesise(self, labels):
        wavelength = np.concatenate([np.arange(low, high + 0.02, 0.02) for low, high in SYNTHESIS_WINDOWS])
        assert SYNTHESIS_WINDOWS[0][0] == 5153.0 - MARGIN_ANGSTROM
        tau = sum(
            depth * 10 ** self.shifts.get(key, 0.0) * np.exp(-0.5 * ((wavelength - key[1]) / 0.15) ** 2)
            for key, depth in LINES.items()
        )
        return wavelength, np.exp(-tau)


def test_shifts_are_found_also_of_lines_that_overlap_and_the_invisible_stays():
    true = {("Fe I", 5200.0): 0.12, ("Ti II", 5200.4): -0.08, ("Fe I", 5201.5): 0.2, ("Mn I", 6700.0): 0.5}
    wanted = to_grid(*MadeUp(true).synthesise(labels_from(SUN)))
    said = []
    found = solar_log_gf(sorted(LINES, key=lambda key: key[1]), wanted, MadeUp, report=said.append)
    for key in list(LINES)[:4]:
        assert abs(found[key] - true.get(key, 0.0)) < 0.004  # pulled to 0 by the prior of 0.3 dex
    assert found["Mn I", 6700.0] == 0.0
    assert "rms of the difference 0.0000" in said[-1]


def test_calibrated_lines_are_those_that_the_laboratory_list_has_with_another_log_gf_or_lacks(tmp_path):
    head = "'  26.000            '    1        {}\n'Fe I'\n"
    rows = [f"  {w:.3f}  2.198 {{:.3f}}  351.272    5.0  1.70E+08 'X' 'X' 0.0 1.0\n" for w in (5150.0, 5160.0, 5170.0)]
    laboratory = head.format(2) + rows[0].format(-2.0) + rows[1].format(-1.0)
    own = head.format(3) + rows[0].format(-2.0) + rows[1].format(-1.3) + rows[2].format(-3.0)
    (tmp_path / "atoms_original.list.gz").write_bytes(gzip.compress(laboratory.encode()))
    (tmp_path / "atoms.list.gz").write_bytes(gzip.compress(own.encode()))
    assert calibrated_keys(tmp_path) == [("Fe I", 5160.0), ("Fe I", 5170.0)]
