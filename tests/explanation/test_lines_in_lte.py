"""The diagnostic lines in LTE beside those in NLTE: what is computed, fitted and drawn."""

from __future__ import annotations

import numpy as np
import pytest

from app.page.figures.lines import draw_line, draw_lines
from cinn_core.analyse import analyse
from cinn_core.explanation.line_by_line import LineByLine, line_by_line
from cinn_core.instrument import WAVELENGTH
from cinn_core.lines import five, line_windows


@pytest.fixture(scope="module")
def giant(model, examples):
    """The metal-poor giant, whose magnesium departs far from LTE."""
    return analyse(examples["metal-poor-giant"], model, n_samples=256)


@pytest.fixture(scope="module")
def found(giant, model) -> LineByLine:
    return line_by_line(giant, model)


def test_lines_of_magnesium_and_calcium_differ_and_those_of_iron_do_not(giant, found):
    difference = np.abs(found.in_lte - giant.resimulation.map_flux)

    def largest(species: str) -> float:
        near = [np.abs(WAVELENGTH - w.wavelength) < 0.2 for w in line_windows() if w.species == species]
        return max(float(difference[pixels].max()) for pixels in near)

    assert largest("Mg I") > 0.01
    assert largest("Ca I") > 0.003
    assert largest("Fe II") < 0.003  # by the modes of the continuum alone
    assert largest("Fe II") < 0.2 * largest("Mg I")


@pytest.mark.parametrize("compare_lte", [True, False])
def test_line_is_drawn_in_lte_where_it_is_asked_for(giant, found, compare_lte):
    name = five()[0].name
    curves = [element.dimension_values(1) for element in draw_line(giant, None, found, name, compare_lte).Curve]
    shown = np.abs(WAVELENGTH - five()[0].wavelength) <= 3.4
    there = any(len(c) == shown.sum() and np.allclose(c, found.in_lte[shown], equal_nan=True) for c in curves)
    assert there is compare_lte


def test_panels_of_lines_hold_one_more_curve_with_lte(giant, found):
    drawn = [draw_lines(giant, None, found, five(), 5, 200, "", None, lte).Curve for lte in (True, False)]
    filled = [sum(len(curve) > 0 for curve in curves) for curves in drawn]
    assert filled[0] == filled[1] + 1
