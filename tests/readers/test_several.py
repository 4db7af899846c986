"""Files with several spectra, HDF5, and files too large for any spectrum: a choice is asked for, memory stays bounded."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from astropy.io import fits
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import Choice, list_spectra, read
from cinn_core.stages import Medium

N = 4000
WAVE = 5200 + 0.05 * np.arange(N)
FLUX = np.stack([k + 0.1 * np.sin(WAVE) for k in (1.0, 2.0, 3.0)])


def rows_hdu(wave: np.ndarray, flux: np.ndarray) -> fits.BinTableHDU:
    columns = [fits.Column(name=n, format=f"{v.shape[1]}D", array=v) for n, v in (("WAVE", wave), ("FLUX", flux))]
    return fits.BinTableHDU.from_columns(columns)


def pixels_hdu(flux: np.ndarray, name: str) -> fits.BinTableHDU:
    columns = [fits.Column(name=n, format="D", array=v) for n, v in (("WAVE", WAVE), ("FLUX", flux))]
    return fits.BinTableHDU.from_columns(columns, name=name)


def test_spectra_in_rows_are_not_joined_but_asked_for():
    data = fits_bytes(fits.PrimaryHDU(), rows_hdu(np.tile(WAVE, (3, 1)), FLUX))
    with pytest.raises(
        SpectrumError, match=r"holds 3 spectra \(row 0; row 1; row 2\); choose one with --row 0, 1, 2\."
    ):
        read(data, "many.fits")
    assert np.allclose(read(data, "many.fits", row=2).flux, FLUX[2])
    with pytest.raises(SpectrumError, match="rows 0 to 2; there is no 3"):
        read(data, "many.fits", row=3)


def test_spectra_in_extensions_are_named_and_chosen():
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"], primary.header["SPEC_RES"] = "HD 1", 48_000.0
    data = fits_bytes(primary, pixels_hdu(FLUX[0], "FIRST"), pixels_hdu(FLUX[1], "SECOND"))
    with pytest.raises(SpectrumError, match=r"2 spectra \(1 FIRST; 2 SECOND\); choose one with --hdu 1, 2"):
        read(data, "two.fits")
    chosen = read(data, "two.fits", hdu=2)
    assert np.allclose(chosen.flux, FLUX[1])
    assert (chosen.star, chosen.resolving_power) == ("HD 1", 48_000.0)
    with pytest.raises(SpectrumError, match="extensions 0 to 2"):
        read(data, "two.fits", hdu=7)
    with pytest.raises(SpectrumError, match="is empty"):
        read(data, "two.fits", hdu=0)


def arm_image(low: float, level: float, **cards) -> fits.PrimaryHDU:
    return image_hdu(level * FLUX[0], CRVAL1=low, CDELT1=0.05, CRPIX1=1.0, **cards)


def extension(hdu: fits.PrimaryHDU, name: str) -> fits.ImageHDU:
    return fits.ImageHDU(hdu.data, hdu.header, name=name)


def test_arms_in_extensions_of_their_own_are_one_spectrum_and_their_errors_none():
    arms = [arm_image(low, level) for low, level in ((4700.0, 3.0), (5600.0, 5.0), (6450.0, 9.0), (7550.0, 2.0))]
    noise = extension(arm_image(6300.0, 0.1), "SIGMA")
    found = read(
        fits_bytes(arms[0], noise, *(extension(a, f"CCD{i}") for i, a in enumerate(arms[1:], 2))), "galah.fits"
    )
    assert found.wavelength.size == 4 * N
    assert found.wavelength[[0, -1]] == pytest.approx([4700.0, 7550 + 0.05 * (N - 1)])
    assert np.allclose(found.flux[2 * N : 3 * N], 9 * FLUX[0], rtol=1e-6)
    assert next(s for s in found.steps if s.name == "arms joined").numbers == {"arms": 4}


def test_arms_in_tables_of_their_own_are_one_spectrum():
    tables = [rows_hdu((WAVE + shift)[None], FLUX[:1]) for shift in (900.0, 0.0)]
    found = read(fits_bytes(fits.PrimaryHDU(), *tables), "arms.fits")
    assert np.allclose(found.wavelength, np.concatenate([WAVE, WAVE + 900.0]))
    assert np.allclose(found.flux, np.tile(FLUX[0], 2))


def test_images_of_nearly_one_range_are_spectra_to_choose_from():
    data = fits_bytes(arm_image(5200.0, 1.0), extension(arm_image(5200.5, 2.0), "OTHER"))
    with pytest.raises(SpectrumError, match=r"2 spectra \(0 PRIMARY; 1 OTHER\); choose one with --hdu 0, 1"):
        read(data, "two.fits")
    assert np.allclose(read(data, "two.fits", hdu=1).flux, 2 * FLUX[0], rtol=1e-6)
    assert np.allclose(read(data, "two.fits", hdu=0).flux, FLUX[0], rtol=1e-6)


def test_row_of_an_image_over_one_axis():
    data = fits_bytes(image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))
    assert np.allclose(read(data, "rows.fits", row=1).flux, FLUX[1])


def test_rows_that_are_pixels_and_text_have_nothing_to_choose():
    with pytest.raises(SpectrumError, match="are the pixels of one spectrum"):
        read(fits_bytes(fits.PrimaryHDU(), pixels_hdu(FLUX[0], "A")), "a.fits", row=5)
    with pytest.raises(SpectrumError, match="no extensions or rows"):
        read("\n".join(f"{w} 1.0" for w in WAVE).encode(), "a.txt", hdu=1)


def test_choices_are_listed_for_whoever_asks_and_are_what_read_takes():
    names = fits.BinTableHDU.from_columns([fits.Column(name="TARGNAME", format="4A", array=["a", "b", "c", "d", "e"])])
    stack = image_hdu(np.concatenate([FLUX, FLUX[:2]]), CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0)
    data = fits_bytes(stack, names)
    choices = list_spectra(data, "fibres.fits")
    assert choices[1] == Choice(0, 1, "row 1: b")
    assert len(choices) == 5
    assert np.allclose(read(data, "fibres.fits", hdu=choices[2].hdu, row=choices[2].row).flux, FLUX[2])
    with pytest.raises(SpectrumError, match="5 spectra"):
        read(data, "fibres.fits")
    rows = list_spectra(fits_bytes(fits.PrimaryHDU(), rows_hdu(np.tile(WAVE, (3, 1)), FLUX)))
    assert [(c.hdu, c.row) for c in rows] == [(1, 0), (1, 1), (1, 2)]
    tables = fits_bytes(fits.PrimaryHDU(), pixels_hdu(FLUX[0], "FIRST"), pixels_hdu(FLUX[1], "SECOND"))
    assert list_spectra(tables) == (Choice(1, None, "1 FIRST"), Choice(2, None, "2 SECOND"))


def test_nothing_is_asked_where_a_file_holds_one_spectrum():
    assert list_spectra(fits_bytes(image_hdu(FLUX[0], CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))) == ()
    assert list_spectra(fits_bytes(image_hdu(FLUX[:2], CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))) == ()  # bands
    assert list_spectra(b"5200 1.0\n5200.1 0.9\n") == ()
    with pytest.raises(SpectrumError, match="damaged"):
        list_spectra(b"SIMPLE" + bytes(9000), "a.fits")


@pytest.mark.parametrize("layout", ["groups", "rows"])
def test_hdf5_with_several_spectra_asks_which(layout):
    def build(file) -> None:
        if layout == "rows":
            file["wavelength"], file["flux"] = WAVE, FLUX
            return
        for i in range(3):
            group = file.create_group(f"star{i}")
            group["wavelength"], group["flux"] = WAVE, FLUX[i]

    data = hdf5_bytes(build)
    choices = list_spectra(data, "stars.h5")
    assert len(choices) == 3
    with pytest.raises(SpectrumError, match="holds 3 spectra"):
        read(data, "stars.h5")
    for choice, flux in zip(choices, FLUX, strict=True):
        assert np.allclose(read(data, "stars.h5", hdu=choice.hdu, row=choice.row).flux, flux)
    with pytest.raises(SpectrumError, match="there is no 9"):
        read(data, "stars.h5", hdu=9) if layout == "groups" else read(data, "stars.h5", row=9)


def hdf5_bytes(build) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        build(file)
    return buffer.getvalue()


def test_hdf5_spectrum_with_attributes():
    def build(file) -> None:
        file.attrs["OBJECT"], file.attrs["AIRORVAC"], file.attrs["RESOLUTION"] = "HD 2", "vacuum", 47_000.0
        file["wavelength"] = WAVE / 10
        file["wavelength"].attrs["unit"] = "nm"
        file["flux"], file["error"] = FLUX[0], np.full(N, 0.01)

    found = read(hdf5_bytes(build), "star.h5")
    assert np.allclose(found.wavelength, WAVE)
    assert np.allclose(found.flux, FLUX[0])
    assert (found.flavour, found.medium, found.star, found.resolving_power) == ("HDF5", Medium.VACUUM, "HD 2", 47_000.0)


@pytest.mark.parametrize("grouped", [True, False])
def test_hdf5_orders_are_joined(grouped):
    cuts = [slice(0, 1500), slice(1250, 2750), slice(2500, 4000)]

    def build(file) -> None:
        if not grouped:
            file["wave"], file["flux"] = np.stack([WAVE[c] for c in cuts]), np.stack([9e3 * FLUX[0][c] for c in cuts])
            return
        for i, cut in enumerate(cuts):
            group = file.create_group(f"order{i}")
            group["wave"], group["flux"] = WAVE[cut], 9e3 * FLUX[0][cut]

    found = read(hdf5_bytes(build), "orders.h5")
    assert np.allclose(found.wavelength, WAVE)
    assert abs(np.median(found.flux) - 1) < 0.15


def test_hdf5_without_a_spectrum_is_refused_in_words():
    with pytest.raises(SpectrumError, match="without datasets of wavelength and flux"):
        read(hdf5_bytes(lambda file: file.create_dataset("a", data=WAVE)), "a.h5")
    with pytest.raises(SpectrumError, match="damaged HDF5"):
        read(hdf5_bytes(lambda file: file.create_dataset("a", data=WAVE))[:600], "a.h5")


def sparse(path, head: bytes, size: int) -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def table_head(rows: int) -> bytes:
    data = fits_bytes(fits.PrimaryHDU(), pixels_hdu(FLUX[0], "A"))
    return data[: data.rindex(b"END") // 2880 * 2880 + 2880].replace(
        b"NAXIS2  =                 4000", b"NAXIS2  = %20d" % rows
    )


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


def test_text_larger_than_any_spectrum_is_refused(monkeypatch):
    monkeypatch.setattr("cinn_core.readers.MAX_TEXT_BYTES", 1000)
    with pytest.raises(SpectrumError, match="is a text of"):
        read("\n".join(f"{w} 1.0" for w in WAVE).encode(), "a.txt")
