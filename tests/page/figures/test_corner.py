"""Facts of the corner: its regions hold what they say, it follows weights, and a drawn box means the samples within."""

from __future__ import annotations

import time

import numpy as np
import pytest
from bokeh.models import Image, Patches

from app.page.figures.corner import BINS, TILE, Corner, axis_range, corner_grid, credible_levels, prior_draws
from app.page.state import SessionState, Source
from cinn_core.inference.constraints import Constraint, constrain
from cinn_core.inference.quantities import quantities, quantities_of
from cinn_core.inference.selection import PosteriorKind, Range, selection_of
from cinn_core.inference.summary import summarise
from cinn_core.targets import COLUMN, TARGETS


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


def test_credible_region_of_68_percent_holds_68_percent():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 40_000))
    limits = axis_range(x)
    column, row = (np.clip(((v - limits[0]) / (limits[1] - limits[0]) * BINS).astype(int), 0, BINS - 1) for v in (x, y))
    counts = np.bincount(row * BINS + column, minlength=BINS**2).reshape(1, BINS, BINS)
    inside = credible_levels(counts.astype(float))[0][row, column]
    assert np.mean(inside == 3) == pytest.approx(0.68, abs=0.03)
    assert np.mean(inside >= 2) == pytest.approx(0.95, abs=0.02)


def test_rows_of_a_tile_run_along_the_lower_quantity(rows):
    rng = np.random.default_rng(2)
    wide, narrow = rng.standard_normal(5000), 0.1 * rng.standard_normal(5000)
    counts = np.histogram2d(narrow, wide, BINS, ((-4, 4), (-4, 4)))[0]
    rows_in, columns = np.nonzero(credible_levels(counts[None])[0] == 3)
    assert np.ptp(columns) > 3 * np.ptp(rows_in)


def test_unconstrained_quantity_meets_its_prior(rows):
    """[N/Fe] of the made-up star is drawn nearly from the prior: the two curves must nearly coincide."""
    nitrogen = rows[COLUMN["n_fe"]]
    grid = corner_grid((nitrogen, rows[0]), {})
    posterior, prior = grid.marginals(None)[0], grid.prior(("n_fe", "teff"))
    assert np.abs(posterior - prior[0]).mean() < 0.2
    assert prior[1].max() < 0.4  # temperature is known far better than the prior


def test_prior_draws_are_on_the_axes_of_the_corner(rows):
    drawn = prior_draws()
    assert set(drawn) == {t.name for t in TARGETS}
    assert drawn["vbroad"].max() <= 2.0  # log10 of 100 km/s
    assert -1.0 <= drawn["li_fe"].min() < drawn["li_fe"].max() <= 4.2  # A(Li)


def test_literature_near_the_samples_is_kept_in_view(rows):
    low, high = axis_range(rows[1].samples)
    beyond = high + 0.5 * (high - low)
    assert corner_grid(rows[:2], {"logg": beyond}).ranges[1][1] > beyond
    assert corner_grid(rows[:2], {"logg": high + 5 * (high - low)}).ranges[1][1] == high


def test_brush_that_holds_no_sample_is_none(made_up):
    chosen = selection_of(made_up, PosteriorKind.FLOW, (), (Range("teff", 1.0, 2.0),))
    assert chosen.weights is None


def test_constraints_stay_with_a_star_and_go_with_another(made_up):
    state = SessionState()
    state.load(Source(b"x", "a.fits"))
    state.finish(state.begin(), made_up)
    state.constraints = (Constraint("logg", 4.44, 0.02),)
    state.brush = (Range("teff", 5700.0, 5800.0),)
    state.finish(state.begin(), made_up)  # other settings, the same star
    assert state.constraints
    assert not state.brush
    assert state.selection.weights is not None
    state.load(Source(b"x", "b.fits"))
    state.finish(state.begin(), made_up)
    assert not state.constraints
    assert state.selection.weights is None
