"""Line-by-line abundances: what made a line is found again, and lines that cannot tell have no say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cinn_core.explanation.line_fits import fit_lines
from cinn_core.forward_model.model_error import uniform_model_error
from cinn_core.instrument import N_PIXELS, WAVELENGTH, pixel_sigma
from cinn_core.lines import find_window
from cinn_core.prior import to_z
from cinn_core.stages import FluxVector
from cinn_core.targets import LABEL_NAMES, SOLAR_A_LI

SUN = {"teff": 5772.0, "logg": 4.44, "feh": 0.0, "vmic": 1.0, "vbroad": 4.0, "li_fe": 0.0}
LITTLE = uniform_model_error(0.01, 0.001)


def labels_of(**changes):
    """Labels (26,) of the Sun with these changes, the other elements in solar ratio."""
    values = {**SUN, **changes}
    return np.array([values.get(name, 0.0) for name in LABEL_NAMES])


def observed(model, labels, snr=400.0, noise_seed=None):
    """The star as an observation: without noise, or with white noise of that S/N per Angstrom."""
    flux = model.forward.flux(labels[None])[0].astype(float)
    if noise_seed is not None:
        flux += pixel_sigma(snr) * np.random.default_rng(noise_seed).standard_normal(flux.size)
    good, continuum = np.ones(N_PIXELS, bool), np.ones(N_PIXELS)
    return FluxVector(flux, good, continuum, (snr, snr), 0.0, 0.05, 1e5, 14.5, "star", "star.fits", "", (), ())


def z_of(**changes):
    return to_z(labels_of(**changes)[None])[0]


def used(fits, species):
    return [line for line in fits.lines if line.window.species == species and not line.left_out]


def test_abundances_that_made_the_lines_are_found_although_the_map_is_off(model):
    truth = labels_of(feh=-0.10, mg_fe=0.25, ca_fe=0.15)
    fits = fit_lines(observed(model, truth), z_of(feh=-0.10), model.forward, LITTLE)
    assert len(used(fits, "Mg I")) >= 3
    assert len(used(fits, "Ca I")) >= 8
    assert fits.abundances["Mg"].value == pytest.approx(0.15, abs=0.03)  # [Mg/H]; spectra stand 0.1 dex apart
    assert fits.abundances["Ca"].value == pytest.approx(0.05, abs=0.03)
    assert fits.references()["mg_fe"] == pytest.approx(0.25, abs=0.05)


def test_iron_lines_follow_the_metallicity(model):
    fits = fit_lines(observed(model, labels_of(feh=-0.25)), z_of(feh=-0.10), model.forward, LITTLE)
    assert len(used(fits, "Fe I")) >= 6
    assert fits.abundances["Fe"].value == pytest.approx(-0.25, abs=0.04)
    assert fits.abundances["Fe"].scatter < 0.04


def test_a_wrong_level_of_the_continuum_does_not_matter(model):
    vector = observed(model, labels_of())
    tilted = replace(vector, flux=vector.flux * (1.02 + 2e-5 * (WAVELENGTH - 6000)))
    plain, moved = (fit_lines(v, z_of(), model.forward, LITTLE).abundances for v in (vector, tilted))
    for name in ("Fe", "Mg", "Ca"):
        assert moved[name].value == pytest.approx(plain[name].value, abs=0.005)


def test_a_line_without_pixels_has_no_say(model):
    vector = observed(model, labels_of())
    gone = replace(vector, good=~find_window("Ca I 6439.1").pixels(0.3))
    fits = fit_lines(gone, z_of(), model.forward, LITTLE)
    (line,) = [line for line in fits.lines if line.window.name == "Ca I 6439.1"]
    assert "masked" in line.left_out
    assert np.isnan(line.value)


def test_a_line_that_the_model_error_masks_has_no_say(model):
    error = replace(LITTLE, masked=LITTLE.masked | find_window("Ca I 6439.1").pixels(0.3))
    fits = fit_lines(observed(model, labels_of()), z_of(), model.forward, error)
    assert "masked" in next(line.left_out for line in fits.lines if line.window.name == "Ca I 6439.1")


def test_lithium_of_a_rich_star_is_a_value_and_of_a_poor_one_a_limit(model):
    rich, poor = labels_of(li_fe=2.5 - SOLAR_A_LI), labels_of(li_fe=-1.5)
    found = fit_lines(observed(model, rich, 250, 1), z_of(), model.forward, LITTLE).abundances["Li"]
    assert found.n == 1
    assert abs(found.value - 2.5) < 4 * found.error
    limit = fit_lines(observed(model, poor, 250, 2), z_of(), model.forward, LITTLE).abundances["Li"]
    assert limit.n == 0
    assert np.isnan(limit.value)
    assert SOLAR_A_LI - 1.5 < limit.limit < 2.0


def test_errors_cover_the_noise(model):
    truth = {"feh": 0.0, "ca_fe": 0.0}
    fits = fit_lines(observed(model, labels_of(), 100, 5), z_of(), model.forward, uniform_model_error(0.0, 1e-4))
    lines = used(fits, "Ca I") + used(fits, "Fe I")
    pulls = np.array([(line.value - truth[line.window.target]) / line.error for line in lines])
    assert len(pulls) > 12
    assert 0.5 < np.sqrt(np.mean(pulls**2)) < 1.6  # some twenty lines: 16 %; blends share a little of it


def test_lines_too_weak_in_a_metal_poor_star_are_left_out(model):
    changes = {"feh": -3.0, "teff": 6200.0, "logg": 4.2}
    fits = fit_lines(observed(model, labels_of(**changes), 60, 3), z_of(**changes), model.forward, LITTLE)
    weak = [line for line in fits.lines if line.left_out.startswith("weaker")]
    assert len(weak) > 15
    assert all(line.error > 0.1 for line in weak)


def test_model_spectra_may_come_from_elsewhere_and_it_is_said(model):
    calls = []

    def slow(labels):
        calls.append(len(labels))
        return model.forward.flux(labels)

    fits = fit_lines(observed(model, labels_of()), z_of(), model.forward, LITTLE, slow, step=0.2, name="Physics")
    assert fits.synthesis == "Physics"
    assert sum(calls) < 60
    assert fits.abundances["Fe"].value == pytest.approx(0.0, abs=0.03)


def test_references_hold_only_what_the_lines_tell(model):
    vector = observed(model, labels_of(li_fe=-1.5), 250, 2)
    dark = replace(vector, good=vector.good & ~((WAVELENGTH > 5160) & (WAVELENGTH < 5720)))  # no magnesium line left
    found = fit_lines(dark, z_of(), model.forward, LITTLE).references()
    assert set(found) == {"feh", "ca_fe"}
    assert np.isfinite(list(found.values())).all()
