"""Other libraries' objects, out and in: the same numbers, axes, errors and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from missing import needed
from synthetic import labels_of, observed, pixels, spectrum_of, templates

from cinn_core.errors import SpectrumError
from cinn_core.instrument import SPEED_OF_LIGHT_KMS, WAVELENGTH
from cinn_core.output.exchange import from_specutils, to_arviz, to_specutils, write_spectrum_table
from cinn_core.preparation.fourmost import prepare
from cinn_core.preparation.prepared import pixel_errors
from cinn_core.readers import read
from cinn_core.stages import Medium
from cinn_core.targets import TARGET_NAMES

Specutils = needed("specutils", "test").Spectrum
WAVE = np.linspace(5100.0, 6800.0, 2000)
FLUX = 1 + 0.1 * np.sin(WAVE)


def specutils(axis=WAVE * u.AA, flux=FLUX * u.one, **more):
    return Specutils(flux=flux, spectral_axis=axis, **more)


@pytest.mark.parametrize(
    "axis",
    [
        WAVE * u.AA,
        WAVE / 10 * u.nm,
        (WAVE[::-1] * u.AA).to(u.THz, u.spectral()),
        (WAVE[::-1] * u.AA).to(u.eV, u.spectral()),
    ],
)
def test_any_axis_becomes_increasing_wavelengths(axis):
    flux = FLUX if axis[0] == WAVE[0] * u.AA or axis.unit == u.nm else FLUX[::-1]
    found = from_specutils(specutils(axis, flux * u.Jy))
    np.testing.assert_allclose(found.wavelength, WAVE, rtol=1e-12)
    np.testing.assert_array_equal(found.flux, FLUX)


@pytest.mark.parametrize(
    "uncertainty",
    [
        StdDevUncertainty(0.02 * np.ones(2000)),
        VarianceUncertainty(4e-4 * np.ones(2000)),
        InverseVariance(2500 * np.ones(2000)),
    ],
)
def test_any_uncertainty_becomes_one_sigma(uncertainty):
    np.testing.assert_allclose(from_specutils(specutils(uncertainty=uncertainty)).error, 0.02)


def test_masked_pixels_are_missing_and_good_is_the_opposite_of_the_mask():
    mask = np.zeros(2000, bool)
    mask[100:200] = True
    flux = np.where(np.arange(2000) == 500, np.nan, FLUX)
    found = from_specutils(specutils(flux=flux * u.one, mask=mask), star="HD 1", medium="vacuum", resolving_power=5e4)
    assert set(np.flatnonzero(~found.good)) == {*range(100, 200), 500}
    assert (found.star, found.medium, found.resolving_power) == ("HD 1", Medium.VACUUM, 5e4)


def test_the_same_star_comes_out_of_specutils_as_out_of_a_file():
    wave = pixels(step=0.05)
    flux = observed(labels_of(), wave, rv=30.0)
    direct = prepare(spectrum_of(wave, flux), templates())
    through = from_specutils(specutils(wave * u.AA, flux * u.one), medium="air", resolving_power=60_000.0)
    np.testing.assert_array_equal(prepare(through, templates()).flux, direct.flux)


def test_what_is_no_spectrum_is_refused_in_a_sentence():
    with pytest.raises(SpectrumError, match="give one spectrum"):
        from_specutils(specutils(flux=np.stack([FLUX, FLUX]) * u.one))
    with pytest.raises(SpectrumError, match="needs one of wavelength"):
        from_specutils(specutils(np.arange(2000) * u.pix))


def test_the_prepared_spectrum_goes_out_with_errors_and_mask(made_up):
    vector = made_up.flux_vector
    out = to_specutils(vector)
    np.testing.assert_array_equal(out.spectral_axis.to_value(u.AA), WAVELENGTH)
    np.testing.assert_array_equal(out.mask, ~vector.good)
    np.testing.assert_array_equal(out.flux.value, vector.flux)
    np.testing.assert_array_equal(out.uncertainty.array, pixel_errors(vector))
    np.testing.assert_array_equal(
        to_specutils(vector, made_up.resimulation.map_flux).flux.value, made_up.resimulation.map_flux
    )


def test_the_table_opens_in_specutils_with_axes_errors_and_mask_and_in_kiel(made_up, tmp_path):
    """Specviz reads files by specutils: what that opens, it opens."""
    path, vector = tmp_path / "table.fits", made_up.flux_vector
    write_spectrum_table(made_up, path)
    found = Specutils.read(path)  # which format it is has to be told by the file itself
    np.testing.assert_array_equal(found.spectral_axis.to_value(u.AA), WAVELENGTH)
    np.testing.assert_array_equal(found.flux.value, vector.flux)
    np.testing.assert_array_equal(found.uncertainty.array, pixel_errors(vector))
    np.testing.assert_array_equal(found.mask, ~vector.good)
    again = read(path)
    assert (again.medium, again.resolving_power, again.star) == (Medium.AIR, 20_000, vector.star)
    np.testing.assert_array_equal(again.flux[again.good], vector.flux[vector.good])
    np.testing.assert_array_equal(again.error[again.good], pixel_errors(vector)[vector.good])


def test_velocities_are_those_of_the_axis_alone():
    """specutils shifts its axis when a velocity is set after; one that is given with it is a note."""
    shifted = specutils(WAVE * (1 + 100 / SPEED_OF_LIGHT_KMS) * u.AA, radial_velocity=100 * u.km / u.s)
    np.testing.assert_allclose(from_specutils(shifted).wavelength, WAVE * (1 + 100 / SPEED_OF_LIGHT_KMS), rtol=1e-12)


def test_arviz_gets_one_chain_of_the_same_samples_with_units(made_up):
    needed("arviz_base", "arviz")
    tree = to_arviz(made_up.posterior, "HD 1")
    posterior = tree["posterior"]
    assert dict(posterior.sizes) == {"chain": 1, "draw": len(made_up.posterior.labels)}
    assert list(posterior.data_vars) == list(TARGET_NAMES)
    for i, name in enumerate(TARGET_NAMES):
        np.testing.assert_array_equal(posterior[name].values[0], made_up.posterior.labels[:, i])
    assert posterior["teff"].attrs["units"] == "K"
    np.testing.assert_array_equal(tree["sample_stats"]["lp"].values[0], made_up.posterior.log_prob)
    assert posterior.attrs["star"] == "HD 1"
