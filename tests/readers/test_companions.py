"""Errors and flags are those of the star's own flux, and exposures, slices and fibres are told apart."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pytest
from astropy.io import fits
from made_up_layouts import BLAZE, ORDER_ERROR, ORDER_FLUX, ORDER_WAVE, WAVE, N, images, noisy, star, table, text
from synthetic import fits_bytes

from cinn_core.errors import SpectrumError
from cinn_core.readers import Unnamed, list_spectra, read
from cinn_core.stages import Medium

SIGMA = np.full(WAVE.size, 0.005)
AXIS = {"CRVAL1": 5140.0, "CDELT1": 0.05, "CRPIX1": 1.0, "CTYPE1": "AWAV"}


def extension(values: np.ndarray, name: str, ver: int = 1, axis: dict | None = None) -> fits.ImageHDU:
    hdu = fits.ImageHDU(values, name=name, ver=ver)
    hdu.header.update(axis or {})
    return hdu


def assert_error(spectrum, expected: float = 0.005) -> None:
    assert spectrum.error is not None
    level = np.percentile(spectrum.flux[spectrum.good], 90)
    assert np.median(spectrum.error[spectrum.good] / level) == pytest.approx(expected, rel=0.1)


def test_arms_in_extensions_of_one_name_keep_their_errors_and_flags():
    hdus: list = [fits.PrimaryHDU()]
    flags = np.zeros(WAVE.size, np.int16)
    flags[1000:1100] = 1
    for ver, low in enumerate((5140.0, 6100.0), 1):
        axis = AXIS | {"CRVAL1": low}
        wave = low + 0.05 * np.arange(WAVE.size)
        hdus += [extension(v, k, ver, axis) for k, v in (("SCI", noisy(wave)), ("VAR", SIGMA**2), ("DQ", flags))]
    spectrum = read(fits_bytes(*hdus), "ghost.fits")
    assert spectrum.wavelength[-1] > 6390
    assert_error(spectrum)
    assert not spectrum.good[1000:1100].any()
    assert spectrum.good.mean() > 0.95


def exposures(with_waves: bool) -> bytes:
    hdus: list = [fits.PrimaryHDU()]
    for ver, level in enumerate((1.0, 3.0), 1):
        arrays = [("FLUX", noisy(WAVE, level)), ("ERR", SIGMA * level)]
        arrays += [("WAVE", WAVE)] if with_waves else []
        hdus += [extension(v, k, ver, {} if with_waves else AXIS) for k, v in arrays]
    return fits_bytes(*hdus)


@pytest.mark.parametrize("with_waves", [True, False])
def test_exposures_under_one_name_are_asked_for_and_each_has_its_own_errors(with_waves):
    data = exposures(with_waves)
    with pytest.raises(SpectrumError, match="holds 2 spectra"):
        read(data, "a.fits")
    places = [choice.hdu for choice in list_spectra(data, "a.fits")]
    second = read(data, "a.fits", hdu=places[1])
    assert np.median(second.flux) == pytest.approx(3.0, rel=0.05)
    assert_error(second)


def test_two_exposures_under_each_other_are_not_merged():
    with pytest.raises(SpectrumError, match="several spectra one under the other"):
        read(text(np.tile(WAVE, 2), np.concatenate([noisy(WAVE), noisy(WAVE + 0.5)])), "a.txt")


def two_slices(second: np.ndarray) -> bytes:
    pairs = [np.stack(p, 1).reshape(-1, N) for p in ((ORDER_FLUX, second), (ORDER_WAVE, ORDER_WAVE + 0.01))]
    return images(
        {"INSTRUME": "ESPRESSO"}, SCIDATA=pairs[0], WAVEDATA_AIR_BARY=pairs[1], ERRDATA=np.repeat(ORDER_ERROR, 2, 0)
    )


def test_slices_of_an_order_are_added_where_they_show_the_same_lines():
    spectrum = read(two_slices(noisy(ORDER_WAVE + 0.01, 1e4) * BLAZE), "S2D.fits")
    inside = spectrum.good & (spectrum.wavelength > 5150) & (spectrum.wavelength < 5370)
    assert (
        np.percentile(np.abs(spectrum.flux - star(spectrum.wavelength))[inside], 90) < 0.03
    )  # noise 0.5 % and the pixels
    assert_error(spectrum, 0.0035)  # of two slices


def test_lamp_beside_each_order_is_not_added():
    lamp = 1e3 * (1 + 5 * np.exp(-0.5 * ((ORDER_WAVE % 3 - 1.5) / 0.1) ** 2))
    with pytest.raises(SpectrumError, match="choose one with --row"):
        read(two_slices(lamp), "S2D.fits")


def test_sigma_band_of_one_aperture_is_the_error():
    bands = np.stack([noisy(WAVE), 0.98 * noisy(WAVE), 0.1 + 0 * WAVE, SIGMA])[:, None]
    hdu = fits.PrimaryHDU(bands)
    names = (
        "spectrum - background median",
        "raw - background none",
        "background - median",
        "sigma - background median",
    )
    hdu.header.update(AXIS | {f"BANDID{i + 1}": name for i, name in enumerate(names)})
    assert_error(read(fits_bytes(hdu), "a.ms.fits"))


@pytest.mark.parametrize(
    ("flux", "error", "values"),
    [
        ("FLUX", "STATERROR", SIGMA),
        ("VALUE", "STATERR", SIGMA),
        ("f_lam", "e_f_lam", SIGMA),
        ("FX", "VAR", SIGMA**2),
    ],
)
def test_errors_are_found_by_further_names(flux, error, values):
    columns = {"WAVE": ("D", WAVE), flux: ("D", noisy(WAVE)), error: ("D", values), "SYSERROR": ("D", 9 * SIGMA)}
    assert_error(read(table(columns), "a.fits"))


def test_column_of_fluxes_that_nobody_calibrated_is_left_aside():
    columns = {
        "WAVE": ("D", WAVE),
        "FX": ("D", noisy(WAVE)),
        "VAR": ("D", SIGMA**2),
        "FLUX": ("D", 0 * WAVE),
        "SIG": ("D", 0 * WAVE),
    }
    spectrum = read(table(columns), "a.fits")
    assert np.median(spectrum.flux) > 0.9
    assert_error(spectrum)


def test_sentinel_among_the_errors_of_a_text_leaves_the_others_errors():
    error = np.where(np.arange(WAVE.size) % 20 == 3, -1.0, SIGMA)
    spectrum = read(text(WAVE, noisy(WAVE), error), "a.txt")
    assert_error(spectrum)
    assert spectrum.good.mean() == pytest.approx(0.95, abs=0.01)


def test_relative_errors_are_shares_of_the_flux():
    flux = noisy(WAVE, 4000.0)
    hdus = [
        fits.PrimaryHDU(flux),
        extension(SIGMA, "relative_error", 1, AXIS),
        extension(noisy(WAVE), "normalised", 1, AXIS),
    ]
    hdus[0].header.update(AXIS)
    spectrum = read(fits_bytes(*hdus), "galah.fits")
    assert np.median(spectrum.flux) > 1000
    assert_error(spectrum)


def test_columns_are_known_by_ucds_and_utypes_without_a_namespace():
    columns = {"c1": ("D", WAVE), "c2": ("D", noisy(WAVE)), "c3": ("D", SIGMA)}
    for key, values in (
        ("TUCD", ("em.wl;obs.atmos", "phot.flux.density;em.wl", "stat.error;phot.flux.density")),
        (
            "TUTYP",
            (
                "Spectrum.Data.SpectralAxis.Value",
                "Spectrum.Data.FluxAxis.Value",
                "Spectrum.Data.FluxAxis.Accuracy.StatError",
            ),
        ),
    ):
        hdus = fits.HDUList.fromstring(table(columns))
        hdus[1].header.update({f"{key}{i + 1}": value for i, value in enumerate(values)})
        spectrum = read(fits_bytes(*hdus), "a.fits")
        assert_error(spectrum)
        assert spectrum.medium is (Medium.AIR if key == "TUCD" else Medium.UNKNOWN)


def hdf5(**datasets: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return buffer.getvalue()


def test_datasets_without_names_of_flux_are_read_by_what_they_hold():
    made = (
        hdf5(spectrum=np.stack([WAVE, noisy(WAVE), SIGMA], 1)),
        hdf5(wavelength=WAVE, star=noisy(WAVE), star_error=SIGMA, sky=0.1 + SIGMA),
    )
    for data in made:
        assert list_spectra(data, "a.h5") == ()
        spectrum = read(data, "a.h5")
        assert np.allclose(spectrum.wavelength, WAVE)
        assert_error(spectrum)


def test_name_of_a_dataset_tells_the_medium():
    assert read(hdf5(wavelength_vacuum=WAVE, flux=noisy(WAVE)), "a.h5").medium is Medium.VACUUM


def test_polarised_text_has_its_error_last_and_the_star_in_its_title():
    stokes = np.random.default_rng(3).normal(0, 5e-4, (3, WAVE.size))
    above = f"***Reduced spectrum of 'HD 1'\n {WAVE.size} 5\n"
    spectrum = read(text(WAVE / 10, noisy(WAVE), *stokes, SIGMA, above=above, fmt="%.6e"), "a.s")
    assert spectrum.star == "HD 1"
    assert_error(spectrum)


def test_magnitudes_are_no_flux():
    with pytest.raises(Unnamed, match="no column that is called a flux"):
        read(text(WAVE, 15 - noisy(WAVE), above="# wave mag\n"), "a.txt")


def test_model_that_reaches_its_continuum_exactly_keeps_its_pixels():
    smooth = 1 - 0.5 * np.exp(-0.5 * ((WAVE % 7 - 3.5) / 0.12) ** 2)
    flux = np.where(smooth > 0.9995, 1.0, smooth * (1 + 1e-12 * np.pi))  # no decimal number of eight places
    spectrum = read(table({"WAVE": ("D", WAVE), "FLUX": ("D", flux)}), "model.fits")
    assert spectrum.good.all()


@pytest.mark.parametrize(("unit", "power"), [("1 / Jy2", -2), ("adu**2", 2), ("erg s-1 cm-2", 1), (None, 1)])
def test_unit_of_an_uncertainty_tells_what_it_is(unit, power):
    columns = [("spectral_axis", WAVE, "Angstrom"), ("flux", noisy(WAVE), None), ("uncertainty", SIGMA**power, unit)]
    made = [fits.Column(name=k, format="D", array=v, unit=u) for k, v, u in columns]
    assert_error(read(fits_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made)), "a.fits"))


def test_kind_of_an_uncertainty_in_its_header_is_believed():
    hdus = [fits.PrimaryHDU(noisy(WAVE)), extension(SIGMA**2, "UNCERT", 1, AXIS | {"NCRTYPE": "var"})]
    hdus[0].header.update(AXIS)
    assert_error(read(fits_bytes(*hdus), "wcs1d.fits"))


@pytest.mark.parametrize("names", [("LOG_LAMBDA", "F_LAMBDA", "ERR_F_LAMBDA"), ("loglam", "f_lam", "f_lam_err")])
def test_flux_per_wavelength_is_no_wavelength_in_the_names_of_its_errors(names):
    columns = dict(zip(names, (("D", v) for v in (np.log10(WAVE), noisy(WAVE), SIGMA)), strict=True))
    spectrum = read(table(columns), "a.fits")
    assert np.allclose(spectrum.wavelength, WAVE)
    assert_error(spectrum)


@pytest.mark.parametrize(
    ("name", "values"),
    [("lnwave", np.log(WAVE)), ("loglam", np.log(WAVE)), ("log_wave", np.log10(WAVE / 10)), ("log_wave", WAVE)],
)
def test_logarithms_in_a_column_are_told_by_their_size(name, values):
    assert np.allclose(read(table({name: ("D", values), "flux": ("D", noisy(WAVE))}), "a.fits").wavelength, WAVE)


@pytest.mark.parametrize(("sep", "cell"), [("\t", ""), (" ", '""'), (",", "")])
def test_empty_cells_of_a_text_are_missing_values(sep, cell):
    lines = (
        text(WAVE, noisy(WAVE), SIGMA, above=sep.join(("wave", "flux", "err")) + "\n", sep=sep).decode().splitlines()
    )
    for i in range(500, 520):
        lines[i] = sep.join([lines[i].split(sep)[0], cell, cell])
    spectrum = read("\n".join(lines).encode(), "a.txt")
    assert_error(spectrum)
    assert (~spectrum.good).sum() == 20
