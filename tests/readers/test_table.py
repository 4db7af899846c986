"""FITS tables: vectors in one row, or one row per pixel."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from made_up_files import FLUX, WAVE, N
from synthetic import fits_bytes

from cinn_core.readers import read
from cinn_core.stages import Medium


def table_hdu(columns: list[tuple[str, np.ndarray]], one_row: bool, **cards) -> fits.BinTableHDU:
    made = []
    for name, values in columns:
        kind = f"{values.size}D" if one_row else "D"
        made.append(fits.Column(name=name, format=kind, array=values[None] if one_row else values))
    hdu = fits.BinTableHDU.from_columns(made)
    hdu.header.update(cards)
    return hdu


@pytest.mark.parametrize(("ucd", "medium"), [("em.wl;obs.atmos", Medium.AIR), ("em.wl", Medium.VACUUM)])
def test_eso_table_takes_flux_and_error_of_one_namespace_and_its_ucd_says_air_or_vacuum(ucd, medium):
    adu, adu_error = FLUX * 5000.0, np.full(N, 50.0)
    error = np.full(N, 0.01)
    error[7], error[8] = 0, np.nan
    columns = [
        ("WAVE", WAVE / 10),
        ("FLUX_REDUCED", adu),
        ("ERR_REDUCED", adu_error),
        ("FLUX", FLUX.astype(float)),
        ("ERR", error),
    ]
    types = ["spec:Data.SpectralAxis.Value", "eso:Data.FluxAxis.Value", "eso:Data.FluxAxis.Accuracy.StatError",
             "spec:Data.FluxAxis.Value", "spec:Data.FluxAxis.Accuracy.StatError"]  # fmt: skip
    cards = {f"TUTYP{i + 1}": t for i, t in enumerate(types)} | {"TUCD1": ucd, "TUNIT1": "nm"}
    primary = fits.PrimaryHDU()
    primary.header["SPEC_RES"], primary.header["SNR"], primary.header["OBJECT"] = 74450.0, 262.0, "HD 1"
    spectrum = read(fits_bytes(primary, table_hdu(columns, True, **cards)), "adp.fits")
    assert np.allclose(spectrum.wavelength, WAVE)
    assert np.allclose(spectrum.flux, FLUX)
    assert np.nanmedian(spectrum.error) == pytest.approx(0.01)
    assert not spectrum.good[7]
    assert not spectrum.good[8]
    assert spectrum.good[9:].all()
    assert (spectrum.medium, spectrum.resolving_power, spectrum.snr_header, spectrum.star) == (
        medium,
        74450.0,
        262.0,
        "HD 1",
    )


def test_of_two_wavelength_columns_the_one_that_names_its_medium_is_taken():
    columns = [("wavelength", WAVE + 1.5), ("wavelength_air", WAVE), ("flux", FLUX)]
    spectrum = read(fits_bytes(fits.PrimaryHDU(), table_hdu(columns, one_row=False)), "espresso_s1d.fits")
    assert spectrum.medium is Medium.AIR
    assert np.allclose(spectrum.wavelength, WAVE)


def test_4most_level_1_table_is_read_with_its_quality_flags():
    quality = np.zeros(N)
    quality[100:110] = 4
    columns = [("WAVE", WAVE), ("FLUX", FLUX.astype(float)), ("ERR_FLUX", np.full(N, 0.02)), ("QUAL", quality),
               ("FLUX_NOSS", 2.0 * FLUX), ("ERR_FLUX_NOSS", np.full(N, 0.04))]  # fmt: skip
    spectrum = read(fits_bytes(fits.PrimaryHDU(), table_hdu(columns, True, EXTNAME="PHASE3SPECTRUM")), "x_LJ1.fits")
    assert np.allclose(spectrum.flux, FLUX)
    assert np.allclose(spectrum.error, 0.02)
    assert (~spectrum.good).sum() == 10


def test_row_per_pixel_table_and_inverse_variance():
    ivar = np.full(N, 1e4)
    ivar[50] = 0
    rows = read(
        fits_bytes(
            fits.PrimaryHDU(), table_hdu([("wav", WAVE), ("flux", FLUX.astype(float)), ("uflux", FLUX * 0.01)], False)
        ),
        "r.fits",
    )
    cells = read(
        fits_bytes(
            fits.PrimaryHDU(), table_hdu([("LAMBDA", WAVE), ("SPEC", FLUX.astype(float)), ("IVAR", ivar)], True)
        ),
        "c.fits",
    )
    assert np.allclose(rows.error, FLUX * 0.01)
    assert np.allclose(rows.wavelength, WAVE)
    assert np.nanmedian(cells.error) == pytest.approx(0.01)
    assert not cells.good[50]
