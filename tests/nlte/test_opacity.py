"""Ultraviolet opacity: colliding hydrogen as published, and the haze of lines."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from cinn_core.nlte.opacity import Blanketing, haze, haze_scale, hydrogen_molecule_ion, missing_opacity, quasi_molecular


def test_the_haze_is_the_suns_for_the_sun_and_follows_iron():
    assert haze_scale(Blanketing.SCALED, 5777, 0.0) == pytest.approx(1.0)
    assert haze_scale(Blanketing.SCALED, 5777, -2.0) == pytest.approx(10**-0.84)  # saturated lines
    assert haze_scale(Blanketing.SCALED, 6500, 0.0) < 1 < haze_scale(Blanketing.SCALED, 5000, 0.0) < 5
    assert haze_scale(Blanketing.SCALED, 3500, 0.5) == 5.0
    rest, metals = haze(np.array([90.0, 175.0, 230.0, 355.0, 500.0]), 1.0)
    np.testing.assert_allclose(rest, [1, 1, 12.89, 3.28, 1], rtol=1e-6)
    assert metals[1] > 10
    np.testing.assert_array_equal(metals[[0, 2, 3, 4]], 1)
    off = haze(np.array([175.0, 230.0]), haze_scale(Blanketing.OFF, 5777, 0.0))
    np.testing.assert_array_equal(off, 1)


def test_haze_goes_on_into_the_visible_where_it_is_asked_for():
    wavelength = np.array([230.0, 400.0, 480.0, 610.0, 671.0, 1200.0])
    (ends, _), (goes_on, _) = (haze(wavelength, 2.0, visible) for visible in (False, True))
    np.testing.assert_array_equal(goes_on[:2], ends[:2])
    np.testing.assert_array_equal(ends[2:], 1)
    assert 1.5 > goes_on[3] > goes_on[4] > 1.05
    assert goes_on[5] == 1


def test_quasi_molecular_hydrogen_is_doyles():
    found = quasi_molecular(np.array([250.08, 150.0, 800.0]), np.array([5040.0, 5600.0]))
    np.testing.assert_allclose(found[0], np.array([4.19e6, 7.08e6]) * 1e-60, rtol=1e-6)
    assert (found[1:] == 0).all()


def test_the_hydrogen_molecule_ion_absorbs_as_tabulated():
    # at theta = 1: 69.3, 38.6, 26.5 x 1e-40 cm5 in the tables of Mihalas (1965) that MARCS uses; the fits differ by 10 %
    found = hydrogen_molecule_ion(np.array([250.0, 400.0, 600.0]), np.array([5040.0]))[:, 0]
    np.testing.assert_allclose(found, np.array([69.3, 38.6, 26.5]) * 1e-50, rtol=0.12)


def test_colliding_hydrogen_adds_opacity_in_the_ultraviolet_alone():
    ultraviolet, visible, far = missing_opacity(
        np.array([250.0, 500.0, 20.0]), np.array([5600.0]), np.array([3.3e22]), np.array([4e18])
    )
    hydride = 1.7e14 * 2.9e-21  # 1/m of H- at 500 nm, of the same layer of a star of 6500 K and [Fe/H] -2
    assert 0.05 * hydride < ultraviolet[0] < 0.2 * hydride
    assert visible[0] < 1e-3 * hydride
    assert far[0] == 0


def test_the_haze_grows_with_metallicity_as_the_darkest_lines_of_synthetic_spectra_do(shared):
    """Green pixels dark in the Sun stand for the ultraviolet: their blocking is turned into that of an opacity 1 + f."""
    with h5py.File(shared / "grid" / "grid-3.h5") as file:
        wavelength, labels = file["wavelength"][:], file["labels"][:]
        window = np.flatnonzero((wavelength > 5195) & (wavelength < 5500))  # without Mg b
        flux = file["flux"][:, window[0] : window[-1] + 1] / 50000.0
    teff, logg, feh, _ = labels[:, :4].T
    sun = np.median(flux[(np.abs(feh) < 0.15) & (np.abs(teff - 5777) < 250) & (logg > 4)], 0)
    chosen = (teff > 5000) & (logg > 3.5) & (feh > -2.5)
    cool = 4.6 * (5040 / teff - 5040 / 5777)
    design = np.c_[np.ones(chosen.sum()), feh[chosen], cool[chosen]]
    exponents = []
    for darkest in (0.5, 0.4, 0.3):
        gradient = 0.9  # d ln B / d ln tau at 250 nm and 6000 K
        f = flux[chosen][:, sun < darkest].mean(1) ** (-1 / gradient) - 1
        exponents.append(np.linalg.lstsq(design, np.log10(f), rcond=None)[0][1])
    assert exponents[0] > exponents[1] > exponents[2]  # 0.47, 0.46, 0.44: the stronger the lines the less it grows
    rule = np.log10(haze_scale(Blanketing.SCALED, 5777.0, 0.0) / haze_scale(Blanketing.SCALED, 5777.0, -1.0))
    assert rule == pytest.approx(exponents[2], abs=0.05)
    assert rule < exponents[2]  # the ultraviolet's lines are stronger still
