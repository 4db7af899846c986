"""Change of spectra by NLTE relative to the Sun: calibrated lines keep their width there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from made_up_change import IN_NLTE, LABORATORY_LINE, LINE, NLTE_DEX, MagnesiumEngine

from cinn_core.nlte.flux_change import (
    CalibratedLine,
    calibrated_lines,
    flux_change,
    in_windows,
    restrict_to_windows,
    solar_shifts,
)
from cinn_core.synthesis.engine import grid_wavelength, labels_from


def test_calibrated_lines_keep_their_width_in_the_sun_and_laboratory_lines_change():
    lines = (CalibratedLine("Mg I", LINE, -0.631, -0.547), CalibratedLine("Mg I", 5711.088, -1.777, -1.742))
    shifts = solar_shifts(lines, MagnesiumEngine(), lambda found: MagnesiumEngine(dict(found), IN_NLTE))
    assert shifts["Mg I", LINE] == pytest.approx(-NLTE_DEX, abs=0.002)
    assert shifts["Mg I", 5711.088] == 0  # not seen in this Sun
    change = flux_change(labels_from({"teff": 5772, "logg": 4.44}), MagnesiumEngine(), MagnesiumEngine(shifts, IN_NLTE))
    wavelength = grid_wavelength()
    area = {
        x: np.trapezoid(change[abs(wavelength - x) < 2], wavelength[abs(wavelength - x) < 2]) for x in (LINE, 5183.604)
    }
    assert abs(area[LINE]) < 1e-3  # Angstrom
    assert area[LABORATORY_LINE] < -0.02
    assert (change[~in_windows(("Mg",))] == 0).all()


def test_lines_without_levels_stay_as_they_are_listed():
    lines = (CalibratedLine("Mg I", LINE, -0.631, -0.547),)
    engine = MagnesiumEngine(nlte=IN_NLTE, in_lte=("Mg I 5528.405",))
    assert solar_shifts(lines, MagnesiumEngine(), lambda found: engine) == {}


def test_lists_say_which_lines_were_calibrated_on_the_sun(shared):
    lines = {(line.species, line.wavelength): line for line in calibrated_lines(shared / "synthesis")}
    assert (lines["Mg I", 5528.405].log_gf, lines["Mg I", 5528.405].laboratory) == (-0.631, -0.547)
    assert ("Ca I", 6439.075) in lines
    assert not any(species == "Mg I" and 5160 < wavelength < 5190 for species, wavelength in lines)  # the triplet


def test_segments_of_the_windows_do_not_overlap():
    @dataclass(frozen=True)
    class Engine:
        windows: tuple = ()
        segments: tuple = ()

    made = restrict_to_windows(Engine(), ("Li", "Mg", "Ca"))  # type: ignore[arg-type]
    edges = np.array(made.segments).ravel()
    assert (np.diff(edges) > 0).all()
    assert made.windows == ((edges[0], edges[-1]),)
