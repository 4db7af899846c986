"""Marginals: credible regions hold what they say, and the prior's density lies on the scale of the posterior's."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.inference.marginals import (
    BINS,
    axis_range,
    central_range,
    corner_grid,
    credible_levels,
    density,
    prior_draws,
    prior_outline,
)
from cinn_core.inference.quantities import quantities
from cinn_core.prior import teff_bounds
from cinn_core.targets import COLUMN, TARGETS


@pytest.fixture(scope="module")
def rows(made_up):
    return quantities(made_up)


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


def test_central_range_holds_its_mass_and_room_on_either_side():
    low, high = central_range(np.linspace(0.0, 1.0, 1001), 0.9, 0.1)
    assert (low, high) == pytest.approx((0.05 - 0.09, 0.95 + 0.09))


def test_density_of_a_normal_is_highest_in_its_middle():
    heights = density(np.random.default_rng(0).standard_normal(50_000), -4.0, 4.0, 41)
    assert heights.max() == 1.0
    assert abs(int(heights.argmax()) - 20) <= 2


def test_outline_of_the_prior_runs_along_its_bounds():
    teff, logg = prior_outline()
    cool, hot = teff_bounds(logg)
    assert np.all((teff == cool) | (teff == hot))
