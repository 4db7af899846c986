"""The error floor: measured on made-up leftovers of known size, stored, drawn, and used."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import forward, labels_of

from cinn_core.benchmark.error_floor import (
    Leftover,
    development_stars,
    held_by_literature,
    judged_by_the_others,
    model_error_of,
    scaled,
)
from cinn_core.errors import DataError, ParametersError
from cinn_core.forward_model.model_error import (
    ModelError,
    halpha_bumps,
    halpha_core,
    halpha_wings,
    load_model_error,
    save_model_error,
    uniform_model_error,
)
from cinn_core.inference.label_fit import Held, fit_labels
from cinn_core.instrument import N_PIXELS, WAVELENGTH
from cinn_core.literature import KnownStar
from cinn_core.prior import to_z
from cinn_core.stages import FluxVector
from cinn_core.targets import COLUMN

EPSILON, CONTINUUM, WINGS = 0.05, 0.004, 0.1


def leftovers(n: int = 10, seed: int = 3) -> list[Leftover]:
    """Stars with a deep line every 3 Angstrom, whose errors have a known size."""
    rng = np.random.default_rng(seed)
    depth = 0.5 * np.exp(-0.5 * (((WAVELENGTH + 1.5) % 3 - 1.5) / 0.3) ** 2)
    depth = np.where(halpha_wings(), 0.3, depth)
    known = ModelError(np.full(N_PIXELS, EPSILON), halpha_core(), WINGS, CONTINUUM, {})
    noise = np.full(N_PIXELS, 0.002)
    out = []
    for number in range(n):
        residual = known.draw(1 - depth[None], rng)[0] + np.hypot(CONTINUUM, 0.002) * rng.standard_normal(N_PIXELS)
        out.append(Leftover(f"star {number}", residual, depth, noise))
    return out


def test_errors_of_known_size_are_found_again() -> None:
    error = model_error_of(leftovers())
    assert np.median(error.epsilon[~halpha_wings()]) == pytest.approx(EPSILON, rel=0.25)
    assert error.continuum == pytest.approx(CONTINUUM, rel=0.2)
    assert error.wings == pytest.approx(WINGS, rel=0.6)  # ten draws


def test_a_line_that_the_model_lacks_is_masked_and_little_else() -> None:
    stars = leftovers()
    missing = int(np.argmin(np.abs(WAVELENGTH - 5301.5)))  # half way between two lines
    for star in stars:
        star.residual[missing - 2 : missing + 3] -= 0.1
    error = model_error_of(stars)
    assert error.masked[missing - 1 : missing + 2].all()
    assert (error.masked & ~halpha_core()).sum() < 20


def test_one_star_alone_masks_nothing() -> None:
    stars = leftovers()
    missing = int(np.argmin(np.abs(WAVELENGTH - 5301.5)))
    stars[0].residual[missing - 2 : missing + 3] -= 0.3
    assert not model_error_of(stars).masked[missing]


def test_core_of_halpha_is_always_masked() -> None:
    core = np.abs(WAVELENGTH - 6562.8) < 1.5
    assert uniform_model_error(0.02).masked[core].all()
    assert model_error_of(leftovers()).masked[core].all()


def test_stars_that_took_no_part_are_judged_near_one() -> None:
    stars = leftovers()
    judged = judged_by_the_others(stars, [star.star for star in stars[:3]])
    assert 0.5 < judged < 1.3
    error = model_error_of(stars)
    assert scaled(error, 2.0).continuum == 2 * error.continuum


def test_draws_have_the_size_that_sigma_states() -> None:
    error = ModelError(np.full(N_PIXELS, EPSILON), halpha_core(), WINGS, 0.0, {})
    flux = np.full((400, N_PIXELS), 0.6)
    drawn = error.draw(flux, np.random.default_rng(1))
    for region in (halpha_wings(), ~halpha_wings()):
        assert drawn[:, region].std() == pytest.approx(error.sigma(flux[0])[region].mean(), rel=0.1)


def test_model_error_comes_back_from_disk_and_damage_is_told(tmp_path) -> None:
    error = model_error_of(leftovers())
    path = tmp_path / "model_error.npz"
    save_model_error(error, path)
    again = load_model_error(path)
    np.testing.assert_allclose(again.epsilon, error.epsilon, rtol=1e-3)
    np.testing.assert_array_equal(again.masked, error.masked)
    assert path.stat().st_size < 60_000
    path.write_bytes(b"nothing")
    with pytest.raises(ParametersError, match="kiel calibrate"):
        load_model_error(path)


def test_fit_finds_the_labels_of_a_made_up_star_whose_normalisation_took_a_share_of_halpha() -> None:
    labels = labels_of(teff=5600, logg=4.3, feh=-0.3, vmic=1.1, vbroad=6.0, mg_fe=0.2, ca_fe=0.1)
    clean = forward().flux(labels[None])[0]
    tilt = (1 + 0.01 * np.linspace(-1, 1, N_PIXELS)) * (1 + 0.4 * halpha_bumps(clean[None])[1, 0])
    flux = clean * tilt + np.random.default_rng(5).normal(0, 0.002, N_PIXELS)
    vector = FluxVector(
        flux, np.ones(N_PIXELS, bool), np.ones(N_PIXELS), (1500.0, 1500.0), 0.0, 0.1, 2e4, 0.0, "s", "f", "0", (), ()
    )
    held = {"logg": Held(4.3, 0.02)}
    fit = fit_labels(vector, forward(), uniform_model_error(0.01, 0.001), held)
    assert abs(fit.labels[COLUMN["teff"]] - 5600) < 25
    assert abs(fit.labels[COLUMN["feh"]] + 0.3) < 0.03
    assert abs(fit.labels[COLUMN["mg_fe"]] - 0.2) < 0.05
    assert abs(fit.velocity) < 0.2
    assert np.nanstd(fit.residual(vector)) < 0.004
    assert np.isfinite(to_z(fit.labels[None])).all()


def test_stars_are_held_at_their_literature_values_by_a_third_of_the_error() -> None:
    sun = KnownStar("Sun", {"teff": 5772.0, "logg": 4.44, "feh": 0.0}, {"teff": 1.0, "logg": 0.06})
    held = held_by_literature(sun)
    assert held["teff"] == Held(5772.0, 1.0)  # 3 K at least
    assert held["logg"] == Held(4.44, pytest.approx(0.02))
    assert held["feh"] == Held(0.0, pytest.approx(0.05 / 3))


def test_a_star_of_the_calibration_without_an_error_of_its_temperature_is_refused() -> None:
    with pytest.raises(DataError, match=r"e_teff for a\.fits"):
        held_by_literature(KnownStar("A", {"teff": 5000.0, "logg": 4.0, "feh": 0.0}, {"logg": 0.1}, file="a.fits"))


def test_the_calibration_takes_the_stars_of_the_index_that_count(tmp_path) -> None:
    with pytest.raises(DataError, match="no index of real spectra"):
        development_stars(tmp_path)
    (tmp_path / "INDEX.csv").write_text(
        "file,star,category,trust,teff,logg,feh\n"
        "a.fits,A,main,fundamental,5000,4,0\n"
        "b.fits,B,main,catalogue,5000,4,0\n"
        "c.fits,C,main,fundamental,5000,4,-2\n"
    )
    assert [star.star for star in development_stars(tmp_path)] == ["A"]
