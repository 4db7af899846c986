"""Facts of the diagnostic lines one by one: windows, verdicts, what a line drives, the star without it, peaks, what-if."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cinn_core.analyse import analyse
from cinn_core.explanation.line_by_line import drives, line_by_line, without_line
from cinn_core.explanation.peaks import elements_of_pixels, strongest_peaks
from cinn_core.explanation.what_if import changed_most, from_sliders, slider_bounds, to_sliders, what_if
from cinn_core.inference.predictive import (
    QUANTILES,
    against,
    bands,
    compare,
    model_flux,
    pixel_quantiles,
    quantile_models,
    with_nuisances,
    with_nuisances_of_z,
)
from cinn_core.instrument import N_PIXELS, WAVELENGTH
from cinn_core.lines import find_window, line_windows
from cinn_core.prior import inside
from cinn_core.targets import COLUMN


@pytest.fixture(scope="module")
def sun(model, examples):
    """The simulated solar twin."""
    return analyse(examples["solar-twin"], model, n_samples=512)


def test_lithium_is_one_line_at_the_instruments_resolving_power():
    assert [w.name for w in line_windows() if w.species == "Li I"] == ["Li I 6707.8"]
    assert len(line_windows()) == 38


@pytest.mark.parametrize(("text", "name"), [("Li", "Li I 6707.8"), ("5183", "Mg I 5183.6"), ("fe ii", "Fe II 5234.6")])
def test_a_line_is_found_by_element_species_or_wavelength(text, name):
    assert find_window(text).name == name


@pytest.mark.parametrize("text", ["", "Xe", "<img>", "9"])
def test_what_names_no_line_finds_none(text):
    assert find_window(text) is None


def test_lines_of_a_simulated_star_agree_with_each_other(sun, model):
    verdicts = line_by_line(sun, model).verdicts
    assert sum(v.disagrees for v in verdicts) <= 2  # noise alone brings some 3-sigma line in hundreds
    assert all(0.2 < v.chi2 < 3 for v in verdicts if np.isfinite(v.chi2))


def test_a_line_that_was_deepened_is_flagged_and_asks_for_more_of_its_element(sun, model):
    window = find_window("Mg I 5528.4")
    flux = sun.flux_vector.flux.copy()
    flux[window.pixels()] -= 0.15 * (1 - flux[window.pixels()])
    vector = replace(sun.flux_vector, flux=flux)
    fit = replace(sun.resimulation, residual=against(sun.resimulation.map_flux, vector).residual)
    spoilt = replace(sun, flux_vector=vector, resimulation=fit)
    verdict = next(v for v in line_by_line(spoilt, model).verdicts if v.window == window)
    assert verdict.disagrees
    assert verdict.shift > 0.1


def test_a_line_that_was_not_observed_has_no_verdict(sun, model):
    window = find_window("Li")
    vector = replace(sun.flux_vector, good=sun.flux_vector.good & ~window.pixels(3.0))
    verdict = next(v for v in line_by_line(replace(sun, flux_vector=vector), model).verdicts if v.window == window)
    assert np.isnan(verdict.chi2)
    assert not verdict.disagrees


def test_lithium_is_driven_by_its_line_more_than_any_other_target_is(sun):
    share = drives(sun.saliency, find_window("Li"))
    assert share.argmax() == COLUMN["li_fe"]
    assert share[COLUMN["li_fe"]] > 5 * np.sort(share)[-2]


def test_without_its_only_line_the_lithium_of_a_rich_star_is_unknown(model, examples):
    star = analyse(examples["lithium-rich-dwarf"], model, n_samples=512)
    without = without_line(star, find_window("Li"), model)[1]

    def width(name, summary):
        return summary.targets[name].hi68 - summary.targets[name].lo68

    assert width("li_fe", without) > 5 * width("li_fe", star.summary)
    assert width("teff", without) == pytest.approx(width("teff", star.summary), rel=0.5)


@pytest.mark.parametrize("n", [1, 2, 64, 257])
def test_quantiles_of_pixels_are_those_of_numpy(n):
    """To 1e-6: single precision of values near 1."""
    flux = np.random.default_rng(5).normal(1.0, 0.1, (n, 40))
    np.testing.assert_allclose(pixel_quantiles(flux, QUANTILES), np.quantile(flux, QUANTILES, axis=0), atol=1e-6)


def test_bands_hold_their_share_of_the_models_and_narrow_under_weights(sun, model):
    whole = bands(sun.flux_vector, sun.posterior, None, model, n=64)
    assert (whole.band95[0] <= whole.band68[0] + 1e-6).all()
    assert (whole.band68[1] <= whole.band95[1] + 1e-6).all()
    four = quantile_models(sun.flux_vector, sun.posterior, None, model)
    assert four.shape == (len(QUANTILES), N_PIXELS)
    labels = sun.posterior.labels[:, [COLUMN[name] for name in ("teff", "logg", "feh", "vmic")]]
    away = (np.abs(labels - np.median(labels, 0)) / labels.std(0)).max(1)
    few = (away <= np.quantile(away, 0.05)).astype(
        float
    )  # four of the labels nearly fixed, Teff alone moves bands by little
    narrow = bands(sun.flux_vector, sun.posterior, few, model, n=64)
    width = [np.mean(b.band68[1] - b.band68[0]) for b in (narrow, whole)]
    assert width[0] < 0.97 * width[1]


def test_bands_by_response_are_those_of_full_models(sun, model):
    """Edges over the half width of the band: other samples of the same posterior move them by 0.1 and 0.3."""
    full = pixel_quantiles(model_flux(with_nuisances_of_z(sun.posterior.z), sun.flux_vector, model), QUANTILES)
    quick = bands(sun.flux_vector, sun.posterior, None, model)
    for band, (low, high) in ((quick.band68, (1, 2)), (quick.band95, (0, 3))):
        off = np.abs(band - full[[low, high]]).max(0) / (full[high] - full[low]) * 2
        assert np.median(off) < 0.1
        assert np.quantile(off, 0.99) < 0.5


def test_model_at_the_mode_is_the_resimulation(sun, model):
    at_map = with_nuisances_of_z(sun.posterior.map_z[None])[0]
    found = compare(at_map, sun.flux_vector, model)
    assert np.abs(found.flux - sun.resimulation.map_flux).max() < 1e-5
    assert found.chi2_per_pixel == pytest.approx(sun.resimulation.chi2_per_pixel, rel=1e-4)


def test_nuisances_are_mid_prior_and_targets_as_given():
    star = np.array([[5772, 4.44, 0.0, 1.0, 3.4, 0.0, 0.0, 0.02, -0.01, 0.05, 0.02, 0.01, 0.0]])
    labels = with_nuisances(star)
    assert labels[:, :13] == pytest.approx(star, abs=1e-6)
    assert inside(labels).all()


def test_sliders_give_the_labels_back_with_lithium_as_its_own_abundance(sun):
    labels = with_nuisances_of_z(sun.posterior.map_z[None])[0]
    assert from_sliders(to_sliders(labels)) == pytest.approx(labels, abs=1e-9)
    assert set(slider_bounds()) == set(COLUMN)


def test_more_lithium_deepens_the_lithium_line_and_nothing_else_as_much(sun, model):
    labels = with_nuisances_of_z(sun.posterior.map_z[None])[0]
    more = labels.copy()
    more[COLUMN["li_fe"]] += 2.0
    now = what_if(more, sun.flux_vector, model)
    assert changed_most(sun.resimulation.map_flux, now.comparison.flux).species == "Li I"
    assert now.comparison.chi2_per_pixel > sun.resimulation.chi2_per_pixel


def test_strongest_peak_of_lithium_is_its_line_and_made_by_lithium(sun, model):
    peaks = strongest_peaks(sun.saliency.weights[COLUMN["li_fe"]], elements_of_pixels(sun, model))
    assert len(peaks) == 10
    assert abs(peaks[0].wavelength - 6707.8) < 0.8
    assert peaks[0].element == "Li"
    assert sum(p.share for p in peaks) <= 1.0
    assert np.isin([p.wavelength for p in peaks], WAVELENGTH).all()
