"""The thirteen elements beside the targets: drawn about the truth, named by their lines, silent where a spectrum is."""

from dataclasses import replace

import numpy as np
import pytest
from inference.test_importance import seen_star

from cinn_core.inference.infer import infer
from cinn_core.inference.more_elements import more_elements, strongest_lines
from cinn_core.instrument import N_PIXELS, WAVELENGTH
from cinn_core.prior import N_LABELS, from_z
from cinn_core.random_streams import Stream, stream
from cinn_core.stages import MoreElements, Status
from cinn_core.targets import COLUMN, NUISANCE_BOUNDS, PHYSICS_LABELS

RATIOS = dict(zip(NUISANCE_BOUNDS, (0.3, 0.2, 0.25, 0.1, -0.1, 0.1, 0.05, 0.2, -0.2, 0.3, 0.4, -0.1, 0.4), strict=True))
"""[X/Fe] of the stars: no two neighbours alike, all well inside the prior."""


def drawn(model, snr: float, seed: int, **labels: float) -> MoreElements:
    """The elements found in one emulated star of these ratios, noise alone added."""
    star = np.zeros((1, N_LABELS))
    for name, value in (RATIOS | labels).items():
        star[0, COLUMN[name]] = value
    seen, masked = seen_star(model, star, snr, seed)
    return more_elements(seen, masked, infer(seen, model, 256, 0), model, 1, 256)


@pytest.fixture(scope="module")
def giant(model):
    """A cool giant, whose spectrum shows all thirteen."""
    return drawn(model, 200, 3, teff=4600.0, logg=2.2, feh=-0.2, vmic=1.5, vbroad=4.0, li_fe=-0.5)


@pytest.fixture(scope="module")
def hot(model):
    """A metal-poor star of 6400 K at S/N 20, whose spectrum shows next to none."""
    return drawn(model, 20, 4, teff=6300.0, logg=4.2, feh=-2.2, vmic=1.4, vbroad=20.0, li_fe=1.0)


def test_elements_come_out_at_the_truth_within_their_own_errors(giant):
    """Thirteen pulls: none beyond 3.5, and a root mean square that thirteen numbers of unit scatter have 99 % of the time."""
    pulls = [(one.median - RATIOS[name]) / (0.5 * (one.hi68 - one.lo68)) for name, one in giant.elements.items()]
    assert np.abs(pulls).max() < 3.5
    assert np.sqrt(np.mean(np.square(pulls))) < 1.5


def test_iron_peak_of_a_giant_is_measured_to_better_than_a_tenth(giant):
    for name in ("cr_fe", "ni_fe", "na_fe", "ba_fe"):
        one = giant.elements[name]
        assert one.status is Status.MEASURED, name
        assert one.hi68 - one.lo68 < 0.3, name


def test_lines_are_those_that_spectroscopists_use(giant):
    """Ba II 6141.7 and 6496.9, Eu II 6645.1, [O I] 6300.3 or 6363.8, Na I 6154.2, 6160.7 or 5682.6, 5688.2."""
    expected = {
        "ba_fe": (6141.7, 6496.9), "eu_fe": (6645.1,), "na_fe": (5682.6, 5688.2, 6154.2, 6160.7), "al_fe": (6696.0, 6698.7),
    }  # fmt: skip
    for name, lines in expected.items():
        found = giant.elements[name].lines
        assert min(abs(one - line) for one in found for line in lines) < 0.2, (name, found)


def test_a_star_without_lines_measures_next_to_nothing(hot):
    statuses = [one.status for one in hot.elements.values()]
    assert statuses.count(Status.MEASURED) <= 3
    for name in ("o_fe", "al_fe", "sr_fe", "ce_fe"):
        low, high = NUISANCE_BOUNDS[name]
        one = hot.elements[name]
        assert one.status is not Status.MEASURED, name
        assert one.hi95 - one.lo95 > 0.5 * (high - low), name
    assert all(not one.lines for one in hot.elements.values() if one.status is Status.UNCONSTRAINED)


def test_elements_without_departures_are_told_to_be_in_lte(giant):
    assert {one.physics for one in giant.elements.values()} == {"LTE"}  # Li, Mg and Ca alone are in NLTE


def test_strongest_lines_are_apart_and_none_is_weak():
    slopes = np.zeros(N_PIXELS)
    for wavelength, size in ((5200.0, 1.0), (5200.4, 0.9), (5300.0, 0.5), (6200.0, 0.05)):
        slopes[np.argmin(np.abs(WAVELENGTH - wavelength))] = size
    assert strongest_lines(slopes) == pytest.approx((5200.0, 5300.0), abs=0.06)
    assert strongest_lines(np.full(N_PIXELS, 1e-5)) == ()


def test_physics_that_changes_no_spectrum_comes_out_as_its_prior(model):
    """The shipped emulator's spectra do not depend on structure and departures: posterior and prior are one."""
    cards = model.cards | {"emulator": model.cards["emulator"] | {"physics": "nlte-li-mg-ca-fe-structure"}}
    found = drawn(
        replace(model, cards=cards), 100, 5, teff=5500.0, logg=4.3, feh=-0.3, vmic=1.0, vbroad=4.0, li_fe=0.5
    ).physics
    assert set(found) == set(PHYSICS_LABELS)
    assert all(one.status is Status.UNCONSTRAINED and not one.lines for one in found.values())
    # prior N(0.9, 0.35) within -0.3 to 1.4; 256 draws: a quantile is good to 0.04
    prior = from_z(stream(Stream.MORE_ELEMENTS, 9).standard_normal((20_000, N_LABELS)))[:, COLUMN["structure"]]
    assert found["structure"].median == pytest.approx(np.median(prior), abs=0.12)
    assert found["structure"].hi68 - found["structure"].lo68 == pytest.approx(
        np.ptp(np.percentile(prior, (16, 84))), rel=0.25
    )
    assert not drawn(model, 100, 5, teff=5500.0, logg=4.3, feh=-0.3, vmic=1.0, vbroad=4.0, li_fe=0.5).physics
