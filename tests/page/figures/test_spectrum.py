"""Facts of the drawings: what they show is what the stages hold."""

from __future__ import annotations

from dataclasses import replace

import holoviews as hv
import numpy as np
import pytest
from bokeh.models import BoxZoomTool, PanTool, Quad, Range1d, VArea, WheelZoomTool

from app.page.figures.posterior import draw_kiel
from app.page.figures.preparation import draw_prepared, draw_snapshot, runs
from app.page.figures.spectrum import (
    FLUX_RANGE,
    RESIDUAL_LIMIT,
    Shown,
    clipped,
    draw_clipped,
    draw_flux,
    draw_names,
    draw_residual,
    draw_saliency,
    landmarks,
    panel,
    pixels,
    strongest_per_column,
    visible_flux,
)
from app.page.state import SessionState
from app.page.views.spectrum import look_for
from app.page.views.tiles import WIDTH, marginal, tile
from cinn_core.inference.quantities import quantities
from cinn_core.inference.selection import PosteriorKind, selection_of
from cinn_core.instrument import ARMS, PIXEL_ANGSTROM, WAVELENGTH
from cinn_core.stages import Snapshot, Status
from cinn_core.targets import COLUMN, TARGETS


def glyphs(figure, kind):
    return [r for r in figure.renderers if isinstance(getattr(r, "glyph", None), kind)]


def observed(analysis, arm):
    return next(
        element
        for element in draw_flux(Shown(analysis), arm)
        if isinstance(element, hv.Curve) and len(element.vdims) > 1
    )


def test_skewed_velocity_is_laid_out_in_its_logarithm(made_up):
    q = quantities(made_up)[COLUMN["vbroad"]]
    assert q.on_axis(100.0) == pytest.approx(2.0)
    assert q.text_at(2.0) == "100.0"
    assert quantities(made_up)[COLUMN["feh"]].on_axis(0.1) == pytest.approx(0.1)


def test_lithium_is_shown_as_abundance_computed_sample_by_sample(made_up):
    q = quantities(made_up)[COLUMN["li_fe"]]
    labels = made_up.posterior.labels
    assert q.label == "A(Li)"
    assert q.samples == pytest.approx(labels[:, COLUMN["li_fe"]] + 1.05 + labels[:, COLUMN["feh"]])
    assert q.map == pytest.approx(made_up.summary.targets["li_fe"].map + 1.05 + made_up.summary.targets["feh"].map)
    assert np.mean((q.samples >= q.lo68) & (q.samples <= q.hi68)) == pytest.approx(0.68, abs=0.01)


def test_other_quantities_carry_the_numbers_of_the_summary(made_up):
    for target, q in zip(TARGETS[:-1], quantities(made_up), strict=False):
        summary = made_up.summary.targets[target.name]
        assert (q.name, q.map, q.lo68, q.hi95) == (target.name, summary.map, summary.lo68, summary.hi95)


def test_lopsided_interval_is_written_as_its_ends(made_up):
    q = replace(quantities(made_up)[4], map=2.0, lo68=1.9, hi68=6.0)
    assert q.spread_text == "1.9…6.0"
    assert replace(q, lo68=1.0, hi68=3.0).spread_text == "± 1.0"


def test_a_tile_shows_a_limit_in_place_of_the_value(made_up):
    q = replace(quantities(made_up)[4], map=4.1, median=2.8, status=Status.LIMIT, limit95=6.0)
    assert (tile(q)["value"], tile(q)["spread"]) == ("< 6.0", "95 % limit")
    assert tile(replace(q, status=Status.MEASURED, limit95=None))["value"] == "4.1"
    unconstrained = tile(replace(q, status=Status.UNCONSTRAINED, limit95=None))
    assert (unconstrained["value"], unconstrained["spread"]) == ("(4.1)", "unconstrained")


def test_negative_numbers_have_a_real_minus_sign(made_up):
    assert quantities(made_up)[2].text(-0.05) == "−0.05"
    assert quantities(made_up)[2].text(-1e-9) == "+0.00"


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_bands_are_those_of_the_resimulation_until_all_samples_have_theirs(made_up, arm):
    (outer, inner) = (element for element in draw_flux(Shown(made_up), arm) if isinstance(element, hv.Area))
    for element, edges in ((outer, made_up.resimulation.band95), (inner, made_up.resimulation.band68)):
        low, high = (element.dimension_values(i) for i in (1, 2))
        assert low == pytest.approx(edges[0, pixels(arm)])
        assert high == pytest.approx(edges[1, pixels(arm)])


def test_panels_of_an_arm_share_its_wavelength_axis_and_arms_do_not(made_up):
    axes = [
        {
            observed(made_up, arm).kdims[0].name,
            draw_residual(made_up.resimulation.residual, arm).kdims[0].name,
            draw_saliency(made_up.saliency.weights[0], arm, arm.low, arm.high).kdims[0].name,
        }
        for arm in ARMS
    ]
    assert all(len(names) == 1 for names in axes)
    assert axes[0] != axes[1]


def flux_panel(analysis, arm):
    along = Range1d(arm.low, arm.high)  # kept until the figure has taken it, as a view does
    options = panel(236, along, FLUX_RANGE)
    return hv.render(draw_flux(Shown(analysis), arm).opts(hv.opts.Overlay(**options)))


def test_zooming_an_arm_leaves_the_flux_axis_alone(made_up):
    tools = [t for t in flux_panel(made_up, ARMS[0]).tools if isinstance(t, BoxZoomTool | PanTool | WheelZoomTool)]
    assert len(tools) == 3
    assert {tool.dimensions for tool in tools} == {"width"}


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_pointer_tells_the_model_beside_the_flux(made_up, arm):
    hover = flux_panel(made_up, arm).select_one({"name": "kiel-hover"})
    told = hover.renderers[0].data_source.data
    np.testing.assert_array_equal(told["model"], made_up.resimulation.map_flux[pixels(arm)])
    assert {field.split("{")[0].strip("@") for _, field in hover.tooltips if field.startswith("@")} <= set(told)
    assert [field.split("{")[0] for _, field in hover.tooltips].count(
        f"@wavelength_{arm.name}"
    ) == 1  # one formatter each


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_flux_axis_holds_what_is_visible_and_follows_the_zoom(made_up, arm):
    s = pixels(arm)
    for low, high in ((arm.low, arm.high), (arm.low + 20, arm.low + 30)):
        bottom, top = visible_flux(made_up, arm, low, high)
        inside = (WAVELENGTH[s] >= low) & (WAVELENGTH[s] <= high) & made_up.flux_vector.good[s]
        flux = made_up.flux_vector.flux[s][inside]
        assert bottom < flux.min()
        assert flux.max() < top
        assert top - bottom < 1.6 * max(np.ptp(flux), 0.05)


def test_flux_axis_stays_where_nothing_is_visible(made_up):
    arm = ARMS[0]
    nothing = replace(made_up.resimulation, map_flux=np.full(WAVELENGTH.size, np.nan))
    dark = replace(
        made_up, resimulation=nothing, flux_vector=replace(made_up.flux_vector, good=made_up.flux_vector.good & False)
    )
    assert visible_flux(dark, arm, arm.low, arm.high) == FLUX_RANGE


def test_residual_beyond_its_panel_is_marked_at_the_edge(made_up):
    arm, residual = ARMS[0], made_up.resimulation.residual.copy()
    residual[pixels(arm)][[10, 20]] = 30.0, -30.0
    marks = draw_clipped(residual, arm)
    assert list(marks.dimension_values(0)) == pytest.approx(WAVELENGTH[pixels(arm)][[10, 20]])
    assert list(np.sign(marks.dimension_values(1))) == [1, -1]
    assert np.all(np.abs(marks.dimension_values(1)) < RESIDUAL_LIMIT)


def test_wavelength_or_element_typed_is_looked_at_and_else_gets_a_sentence():
    state = SessionState()
    for text, at in (("6500", 6500.0), ("6500,5", 6500.5), ("Li", 6707.8)):
        look_for(state, text)
        assert state.look_at == pytest.approx(at, abs=0.1)
    for text in ("8000", "Xx"):
        look_for(state, text)
        assert text in state.message


def test_missing_pixels_are_shaded_and_leave_a_gap_in_the_residual(made_up):
    red = ARMS[1]
    missing = draw_flux(Shown(made_up), red).get(0)
    shaded = np.sum(missing.dimension_values(1) - missing.dimension_values(0)) / PIXEL_ANGSTROM
    assert shaded == pytest.approx((~made_up.flux_vector.good).sum())
    residual = draw_residual(made_up.resimulation.residual, red).dimension_values(1)
    assert np.isnan(residual).sum() == (~made_up.flux_vector.good).sum()


def test_quantile_models_are_drawn_when_asked_for(made_up):
    flat = np.ones((4, WAVELENGTH.size)) * np.arange(4)[:, None]
    none, four = (draw_flux(Shown(made_up, None, asked), ARMS[0]) for asked in (None, flat))
    assert [none.get(i).dimension_values(1).size for i in (5, 6)] == [0, 0]
    inner, outer = (set(values[np.isfinite(values)]) for values in (four.get(i).dimension_values(1) for i in (5, 6)))
    assert (inner, outer) == ({1, 2}, {0, 3})


def test_saliency_strip_keeps_the_strongest_pixel_with_its_sign():
    wave = np.linspace(0, 10, 1001)
    weights = np.zeros(1001)
    weights[500], weights[503] = -0.9, 0.5
    strip = strongest_per_column(wave, weights, 0.0, 10.0, 20)
    assert strip.shape == (20,)
    assert strip.min() == -0.9
    assert np.count_nonzero(strip) == 1


def test_saliency_strip_follows_a_zoom(made_up):
    zoomed = draw_saliency(made_up.saliency.weights[0], ARMS[0], 5180.0, 5190.0)
    assert zoomed.range(0) == pytest.approx((5180.0, 5190.0), abs=0.1)
    assert clipped(5000.0, 5100.0, ARMS[0]) == (ARMS[0].low, ARMS[0].high)
    assert clipped(5700.0, 5900.0, ARMS[0]) == (5700.0, ARMS[0].high)


def test_names_above_an_arm_do_not_overlap():
    for low, high in ((ARMS[0].low, ARMS[0].high), (ARMS[1].low, ARMS[1].high), (6150.0, 6200.0)):
        at = np.sort([wavelength for _, wavelength in landmarks(low, high)])
        assert np.diff(at).min(initial=np.inf) > 0.05 * (high - low)
    assert "Li I" in [name for name, _ in landmarks(ARMS[1].low, ARMS[1].high)]


def test_zooming_in_names_lines_that_had_no_room_before():
    wide = [at for _, at in landmarks(ARMS[0].low, ARMS[0].high) if 5160 < at < 5190]
    assert len(landmarks(5160.0, 5190.0)) > len(wide)


def test_kiel_diagram_has_hot_stars_left_and_giants_on_top_within_the_prior(made_up):
    drawn = hv.render(draw_kiel(made_up, selection_of(made_up, PosteriorKind.FLOW, (), ())))
    assert drawn.x_range.start > drawn.x_range.end
    assert drawn.y_range.start > drawn.y_range.end


def test_marginal_puts_the_mode_where_it_is():
    samples = np.random.default_rng(3).normal(5.0, 1.0, 4096)
    drawn = marginal(samples, 5.0, 4.0, 6.0)
    assert drawn.mode == pytest.approx(WIDTH / 2, abs=6)
    assert drawn.curve.startswith("M")
    assert drawn.inner
    assert marginal(samples, 99.0, 4.0, 6.0).mode == WIDTH


def test_marginal_of_identical_samples_does_not_fail():
    assert marginal(np.full(100, 2.0), 2.0, 2.0, 2.0).curve


def test_snapshot_shows_the_pixels_of_one_arm_alone(made_up):
    wave = np.linspace(5000, 7000, 20_000)
    shot = Snapshot("read", "as in the file", wave, np.full(wave.size, 3.0), wave > 5200, np.full(wave.size, 3.1))
    flux, level = (r.data_source.data for r in draw_snapshot(shot, ARMS[0]).renderers)
    assert ARMS[0].low - 50 < flux["x"].min() < flux["x"].max() < ARMS[0].high + 50
    assert np.isnan(flux["y"][flux["x"] < 5200]).all()
    assert set(level["y"]) == {3.1}


def test_prepared_arm_shades_what_is_missing_and_frames_what_a_person_left_out(made_up):
    made = draw_prepared(made_up.flux_vector, ARMS[1], ((6400.0, 6410.0),))
    shaded = [r for r in made.renderers if isinstance(r.glyph, VArea)]
    (framed,) = glyphs(made, Quad)
    assert len(shaded) == len(runs(~made_up.flux_vector.good[WAVELENGTH > 6000])) == 1
    assert (framed.glyph.left, framed.glyph.right) == (6400.0, 6410.0)


def test_runs_name_the_first_and_last_of_each():
    assert runs(np.array([True, False, True, True, False, True])) == [(0, 0), (2, 3), (5, 5)]


def test_lines_of_a_readers_own_are_all_drawn_and_take_the_place_of_names_on_them():
    pinned = (("mine", 6122.217), ("", 6125.0), ("elsewhere", 5200.0))
    drawn = draw_names(ARMS[1], 6115.0, 6130.0, pinned=pinned)
    texts = [list(labels.dimension_values(2)) for labels in drawn.traverse(lambda one: one, [hv.Labels])]
    assert texts[1] == ["mine", "6125.0"]
    assert "Ca I" in [name for name, at in landmarks(6115.0, 6130.0) if abs(at - 6122.217) < 0.5]
    assert "Ca I" not in texts[0]
