"""Facts of the corner: its regions hold what they say, it follows weights, and a drawn box means the samples within."""

from __future__ import annotations

import time

import numpy as np
import pytest
from bokeh.models import Image, Patches

from app.page.figures.posterior import TILE, Corner
from cinn_core.inference.constraints import Constraint, constrain
from cinn_core.inference.marginals import axis_range
from cinn_core.inference.quantities import quantities, quantities_of
from cinn_core.inference.selection import PosteriorKind, Range, selection_of
from cinn_core.inference.summary import summarise


@pytest.fixture(scope="module")
def rows(made_up):
    return quantities(made_up)


def sources(corner, kind):
    found = [r for r in corner.figure.renderers if isinstance(getattr(r, "glyph", None), kind)]
    return [r.data_source for r in found]


def test_corner_is_one_figure_of_78_tiles_and_13_histograms(rows):
    corner = Corner(rows, {})
    ground, shown = sources(corner, Image)
    assert len(ground.data["image"]) == len(shown.data["image"]) == 78
    assert len(sources(corner, Patches)[1].data["xs"]) == 13


def test_corner_follows_a_brush_in_under_300_ms(made_up, rows):
    corner = Corner(rows, {})
    brush = (Range("teff", 5700.0, 5800.0),)
    took = []
    for _ in range(3):
        began = time.process_time()
        chosen = selection_of(made_up, PosteriorKind.FLOW, (), brush)
        summary = summarise(chosen.posterior, chosen.weights)
        corner.show(quantities_of(chosen.posterior, summary, chosen.weights), chosen.weights, brush)
        took.append(time.process_time() - began)
    assert min(took) < 0.3


def test_weights_change_what_is_in_use_and_leave_the_ground(made_up, rows):
    corner = Corner(rows, {})
    ground, shown = sources(corner, Image)
    before = [image.copy() for image in ground.data["image"]]
    given = constrain(made_up.posterior, [Constraint("teff", 5900, 30)])
    corner.show(quantities_of(made_up.posterior, given.summary, given.weights), given.weights, ())
    assert all((a == b).all() for a, b in zip(before, ground.data["image"], strict=True))
    assert (shown.data["image"][0] != before[0]).any()


def test_box_in_a_panel_means_the_ranges_of_its_two_quantities(rows):
    corner = Corner(rows, {})
    across, up = corner.region(0.2 * TILE, 0.4 * TILE, -1 - 0.9 * TILE, -1 - 0.5 * TILE)
    assert (across.name, up.name) == ("teff", "logg")
    inside = rows[0].samples[(rows[0].samples > across.low) & (rows[0].samples < across.high)]
    low, high = axis_range(rows[0].on_axis(rows[0].samples))
    assert np.log10(across.low) == pytest.approx(low + 0.2 * (high - low))
    assert inside.size > 0
    assert up.low < up.high


def test_box_over_a_marginal_means_one_range_and_beside_all_panels_none(rows):
    corner = Corner(rows, {})
    assert [cut.name for cut in corner.region(12.1, 12.5, -12.8, -12.2)] == ["li_fe"]
    assert corner.region(5.1, 5.4, -0.8, -0.2) == ()
    assert corner.region(-1.0, -0.5, -3.0, -2.0) == ()


def test_every_pair_of_a_subset_is_drawn(rows):
    corner = Corner(tuple(q for q in rows if q.name in ("teff", "logg", "li_fe")), {"logg": 4.44})
    assert len(sources(corner, Image)[1].data["image"]) == 3
