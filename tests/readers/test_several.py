"""FITS files with several spectra, or with more pixels than any spectrum has."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.io import fits
from made_up_files import FLUXES, WAVE, N, pixels_hdu, rows_hdu
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import read


def arm_image(low: float, level: float, **cards) -> fits.PrimaryHDU:
    return image_hdu(level * FLUXES[0], CRVAL1=low, CDELT1=0.05, CRPIX1=1.0, **cards)


def extension(hdu: fits.PrimaryHDU, name: str) -> fits.ImageHDU:
    return fits.ImageHDU(hdu.data, hdu.header, name=name)


def sparse(path, head: bytes, size: int) -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def table_head(rows: int) -> bytes:
    data = fits_bytes(fits.PrimaryHDU(), pixels_hdu(FLUXES[0], "A"))
    return data[: data.rindex(b"END") // 2880 * 2880 + 2880].replace(
        b"NAXIS2  =                 4000", b"NAXIS2  = %20d" % rows
    )


@pytest.mark.parametrize("fields", [2, 0, -7])
def test_table_of_minus_one_rows_is_refused_before_its_data_are_touched(fields):
    """numpy divides by the size of a row, which is 0 where there are no columns, and the process ends."""
    data = fits_bytes(fits.PrimaryHDU(), pixels_hdu(FLUXES[0], "A"))
    for key, value in (("NAXIS2", -1), ("TFIELDS", fields)):
        at = data.index(f"{key:8s}= ".encode(), 2880)
        data = data[: at + 10] + b"%20d" % value + data[at + 30 :]
    with pytest.raises(SpectrumError, match="damaged"):
        read(data, "a.fits")


def test_spectra_in_rows_are_not_joined_but_asked_for():
    data = fits_bytes(fits.PrimaryHDU(), rows_hdu(np.tile(WAVE, (3, 1)), FLUXES))
    with pytest.raises(
        SpectrumError, match=r"holds 3 spectra \(row 0; row 1; row 2\); choose one with --row 0, 1, 2\."
    ):
        read(data, "many.fits")
    assert np.allclose(read(data, "many.fits", row=2).flux, FLUXES[2])
    with pytest.raises(SpectrumError, match="rows 0 to 2; there is no 3"):
        read(data, "many.fits", row=3)


def test_spectra_in_extensions_are_named_and_chosen():
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"], primary.header["SPEC_RES"] = "HD 1", 48_000.0
    data = fits_bytes(primary, pixels_hdu(FLUXES[0], "FIRST"), pixels_hdu(FLUXES[1], "SECOND"))
    with pytest.raises(SpectrumError, match=r"2 spectra \(1 FIRST; 2 SECOND\); choose one with --hdu 1, 2"):
        read(data, "two.fits")
    chosen = read(data, "two.fits", hdu=2)
    assert np.allclose(chosen.flux, FLUXES[1])
    assert (chosen.star, chosen.resolving_power) == ("HD 1", 48_000.0)
    with pytest.raises(SpectrumError, match="extensions 0 to 2"):
        read(data, "two.fits", hdu=7)
    with pytest.raises(SpectrumError, match="is empty"):
        read(data, "two.fits", hdu=0)


def test_arms_in_extensions_of_their_own_are_one_spectrum_and_their_errors_none():
    arms = [arm_image(low, level) for low, level in ((4700.0, 3.0), (5600.0, 5.0), (6450.0, 9.0), (7550.0, 2.0))]
    noise = extension(arm_image(6300.0, 0.1), "SIGMA")
    found = read(
        fits_bytes(arms[0], noise, *(extension(a, f"CCD{i}") for i, a in enumerate(arms[1:], 2))), "galah.fits"
    )
    assert found.wavelength.size == 4 * N
    assert found.wavelength[[0, -1]] == pytest.approx([4700.0, 7550 + 0.05 * (N - 1)])
    assert np.allclose(found.flux[2 * N : 3 * N], 9 * FLUXES[0], rtol=1e-6)
    assert next(s for s in found.steps if s.name == "arms joined").numbers == {"arms": 4}


def test_arms_in_tables_of_their_own_are_one_spectrum():
    tables = [rows_hdu((WAVE + shift)[None], FLUXES[:1]) for shift in (900.0, 0.0)]
    found = read(fits_bytes(fits.PrimaryHDU(), *tables), "arms.fits")
    assert np.allclose(found.wavelength, np.concatenate([WAVE, WAVE + 900.0]))
    assert np.allclose(found.flux, np.tile(FLUXES[0], 2))


def test_images_of_nearly_one_range_are_spectra_to_choose_from():
    data = fits_bytes(arm_image(5200.0, 1.0), extension(arm_image(5200.5, 2.0), "OTHER"))
    with pytest.raises(SpectrumError, match=r"2 spectra \(0 PRIMARY; 1 OTHER\); choose one with --hdu 0, 1"):
        read(data, "two.fits")
    assert np.allclose(read(data, "two.fits", hdu=1).flux, 2 * FLUXES[0], rtol=1e-6)
    assert np.allclose(read(data, "two.fits", hdu=0).flux, FLUXES[0], rtol=1e-6)


def test_row_of_an_image_over_one_axis():
    data = fits_bytes(image_hdu(FLUXES, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))
    assert np.allclose(read(data, "rows.fits", row=1).flux, FLUXES[1])


@pytest.mark.parametrize("size", [300_000_000, 100_000_000 * 16])
def test_file_larger_than_any_spectrum_is_refused_at_once(size, tmp_path):
    sparse(tmp_path / "big.fits", table_head(100_000_000), size)
    start = time.perf_counter()
    with pytest.raises(SpectrumError, match="no spectrum of one star is"):
        read(tmp_path / "big.fits")
    assert time.perf_counter() - start < 1


def test_table_that_claims_a_hundred_million_rows_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "claims.fits"
    sparse(path, table_head(100_000_000), 200_000_000)
    script = (
        "import resource, sys; from cinn_core.readers import read; from cinn_core.errors import SpectrumError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read(__import__('pathlib').Path(sys.argv[1]))\n"
        "except SpectrumError as e: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, e)"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    grown, sentence = done.stdout.split(" ", 1)
    assert "no spectrum of one star is that large" in sentence
    assert int(grown) < 1.5e6  # kB
    assert time.perf_counter() - start < 30
