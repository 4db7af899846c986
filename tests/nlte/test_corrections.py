"""NLTE corrections of the lithium line, and the comparison with published ones."""

from __future__ import annotations

import numpy as np
import pytest
from solar_lithium import BARE, FULL, SUN

from cinn_core.nlte.corrections import (
    ComparedCorrection,
    PublishedCorrection,
    by_line,
    by_temperature,
    correction,
    corrections_of,
    count_within,
    nearest_published,
    published_corrections,
)
from cinn_core.nlte.lines import read_line_data
from cinn_core.nlte.runs import NlteStar, load_solution


def test_solar_lithium_line_is_a_few_milliangstrom_and_weaker_than_in_lte(solutions, shared):
    lines = read_line_data(shared / "synthesis", "Li")
    (found,) = corrections_of(load_solution(SUN.file(solutions, FULL)), lines)
    assert 3.0 < found.nlte < found.lte < 4.5  # published equivalent widths of A(Li) = 1.05: 3 to 4 mA
    assert 0 < found.correction < 0.1


def test_a_weak_lines_correction_is_the_log_of_its_widths(solutions, shared):
    # on the linear part of the curve of growth abundance and equivalent width are proportional
    lines = read_line_data(shared / "synthesis", "Li")
    found = correction(load_solution(SUN.file(solutions, BARE)), lines, 1.0)
    assert found.correction == pytest.approx(np.log10(found.lte / found.nlte), abs=0.01)


def test_every_published_row_of_the_diagnostic_lines_is_compared(shared):
    rows = published_corrections(shared / "nlte")
    assert sum(row.source == "Mg_3NLTE" for row in rows) == 882
    assert sum(row.source == "MPIA" and row.star.element == "Mg" for row in rows) == 45
    assert sum(row.source == "MPIA" and row.star.element == "Ca" for row in rows) == 81
    moved = published_corrections(shared / "nlte", shift=0.5)
    assert moved[0].star.feh == rows[0].star.feh + 0.5
    assert moved[0].star.abundance == pytest.approx(rows[0].star.abundance, abs=2e-3)


def test_a_star_is_shown_beside_the_nearest_published_one_and_none_that_is_far():
    near, far = (
        PublishedCorrection("MPIA", NlteStar("Mg", teff, 4.5, 0, 0), 5711.07, 1.0, -0.02) for teff in (5750, 6000)
    )
    assert nearest_published([far, near], NlteStar("Mg", 5777, 4.44, 0.0, 0.0), 5711.09, 1.2) is near
    assert nearest_published([far, near], NlteStar("Mg", 4642, 1.3, -2.6, 0.0), 5711.09, 1.0) is None
    assert nearest_published([far, near], NlteStar("Mg", 5777, 4.44, 0.0, 0.0), 5528.4, 1.0) is None


def test_rows_without_our_correction_count_against_the_gate():
    row = PublishedCorrection("MPIA", NlteStar("Mg", 5000, 4.5, 0, 0), 5711.07, 1.0, -0.02)
    compared = [ComparedCorrection(row, -0.06), ComparedCorrection(row, 0.04), ComparedCorrection(row, None, "why")]
    assert count_within(compared) == {"mg_n": 3, "mg_within_005": 1, "ca_n": 0, "ca_within_005": 0}
    (line,) = by_line(compared)
    assert (line.rows, line.within) == (2, 1)
    assert line.largest == pytest.approx(0.06)
    assert line.rms == pytest.approx(np.hypot(0.04, 0.06) / np.sqrt(2))
    assert line.lte == pytest.approx(0.02)
    assert [x.name for x in by_temperature(compared)] == ["MPIA Mg 5000 K"]
