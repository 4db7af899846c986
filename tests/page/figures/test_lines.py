"""The large line of the tabs Lines and What if: its axes follow the line chosen, however deep it becomes."""

from __future__ import annotations

from collections.abc import Callable

import holoviews as hv
import numpy as np
import panel as pn
import param
import pytest
from bokeh.models import Plot

from app.page.figures.lines import draw_line
from app.page.figures.whatif import HALF_WIDTH, draw_line_now
from cinn_core.explanation.what_if import WhatIf, around
from cinn_core.inference.predictive import Comparison
from cinn_core.lines import LineWindow, line_windows
from cinn_core.prior import N_LABELS
from cinn_core.stages import Analysis

hv.extension("bokeh")
LITHIUM, MAGNESIUM = (next(w for w in line_windows() if name in w.name) for name in ("6707", "5528"))


class Chosen(param.Parameterized):
    window = param.ClassSelector(class_=LineWindow, default=LITHIUM)
    flux = param.Parameter()


def drawn(figure: Callable[..., hv.Overlay], chosen: Chosen) -> Plot:
    """The Bokeh figure of a figure that follows what is chosen, as a view makes it."""
    made = hv.DynamicMap(figure, streams=[hv.streams.Params(chosen, ["window", "flux"])])
    return next(iter(pn.pane.HoloViews(made, linked_axes=False).get_root().select({"type": Plot})))


def whatif_figure(analysis: Analysis) -> Callable[..., hv.Overlay]:
    def figure(window: LineWindow, flux: np.ndarray) -> hv.Overlay:
        now = WhatIf(np.zeros(N_LABELS), Comparison(flux, np.zeros_like(flux), 1.0), True)
        return draw_line_now(analysis, now, window, ())

    return figure


def test_the_large_line_of_what_if_moves_to_the_line_that_changes_most(made_up):
    chosen = Chosen(flux=made_up.resimulation.map_flux)
    plot = drawn(whatif_figure(made_up), chosen)
    chosen.window = MAGNESIUM
    assert plot.x_range.start == pytest.approx(MAGNESIUM.wavelength - HALF_WIDTH, abs=0.1)
    assert plot.x_range.end == pytest.approx(MAGNESIUM.wavelength + HALF_WIDTH, abs=0.1)


def test_a_line_that_grows_stays_in_sight(made_up):
    flux = made_up.resimulation.map_flux
    chosen = Chosen(flux=flux)
    plot = drawn(whatif_figure(made_up), chosen)
    chosen.flux = 0.5 * flux
    near = around(LITHIUM.wavelength, HALF_WIDTH)
    assert plot.y_range.start < 0.5 * flux[near].min()


def test_the_large_line_of_the_lines_tab_moves_to_the_chosen_one(made_up):
    chosen = Chosen()
    plot = drawn(lambda window, flux: draw_line(made_up, None, None, window.name, False), chosen)
    chosen.window = MAGNESIUM
    assert plot.x_range.start < MAGNESIUM.wavelength < plot.x_range.end
