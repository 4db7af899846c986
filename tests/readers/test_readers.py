"""Readers: every flavour lands on the same wavelengths, and what is no spectrum is refused in a sentence."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.io import fits
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import read
from cinn_core.readers.common import Pixels
from cinn_core.readers.orders import merge_orders
from cinn_core.stages import Medium

N = 4000
WAVE = 5200 + 0.05 * np.arange(N)
FLUX = (1 + 0.1 * np.sin(WAVE) + 0.01 * np.random.default_rng(5).normal(size=N)).astype(np.float32)


def table_hdu(columns: list[tuple[str, np.ndarray]], one_row: bool, **cards) -> fits.BinTableHDU:
    made = []
    for name, values in columns:
        kind = f"{values.size}D" if one_row else "D"
        made.append(fits.Column(name=name, format=kind, array=values[None] if one_row else values))
    hdu = fits.BinTableHDU.from_columns(made)
    hdu.header.update(cards)
    return hdu


def step_names(spectrum) -> set[str]:
    return {step.name for step in spectrum.steps}


@pytest.mark.parametrize(
    ("cards", "air"),
    [
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1.0}, False),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05}, False),
        ({"CRVAL1": 5200.0, "CD1_1": 0.05, "CRPIX1": "1."}, False),
        ({"CRVAL1": 520.0, "CDELT1": 0.005, "CRPIX1": 1, "CUNIT1": "nm", "CTYPE1": "AWAV"}, True),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1, "CUNIT1": "NM", "CTYPE1": "AWAV"}, True),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1, "CUNIT1": "pixel", "CUNIT2": "pixel"}, False),
        ({"CRVAL1": 5200.0, "CDELT1": 0.05, "CRPIX1": 1, "CUNIT1": "0.1 nm", "CTYPE1": "AWAV"}, True),
        ({"CRVAL1": 5205.0, "CDELT1": 0.05, "CRPIX1": 101.0}, False),
    ],
)
def test_linear_images_land_on_the_same_wavelengths_whatever_their_dialect(cards, air):
    hdu = fits.PrimaryHDU(FLUX)
    for key, value in cards.items():
        hdu.header[key] = value
    spectrum = read(fits_bytes(hdu), "image.fits")
    assert np.allclose(spectrum.wavelength, WAVE, atol=1e-6)
    assert np.allclose(spectrum.flux, FLUX)
    assert (spectrum.medium is Medium.AIR) == air


def test_log10_image_is_not_read_as_linear():
    log = np.log10(5200) + 4e-6 * np.arange(N)
    spectrum = read(fits_bytes(image_hdu(FLUX, CRVAL1=log[0], CDELT1=4e-6, CRPIX1=1.0, DC_FLAG=1)), "log.fits")
    assert np.allclose(spectrum.wavelength, 10**log)


def test_natural_log_axis_of_the_fits_standard():
    delta = 0.05
    hdu = image_hdu(FLUX, CRVAL1=5200.0, CDELT1=delta, CRPIX1=1.0, CTYPE1="WAVE-LOG", CUNIT1="Angstrom")
    spectrum = read(fits_bytes(hdu), "ln.fits")
    assert np.allclose(spectrum.wavelength, 5200 * np.exp(delta * np.arange(N) / 5200))
    assert spectrum.medium is Medium.VACUUM


def test_sigma_extension_in_another_unit_is_the_error_when_its_wavelengths_agree():
    science = image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1, CUNIT1="NM", CTYPE1="AWAV")
    sigma = fits.ImageHDU(np.full(N, 0.01, np.float32), name="SIGMA")
    for key, value in {"CRVAL1": 520.0, "CDELT1": 0.005, "CRPIX1": 1, "CUNIT1": "NM"}.items():
        sigma.header[key] = value
    assert np.allclose(read(fits_bytes(science, sigma), "s.fits").error, 0.01)
    sigma.header["CRVAL1"] = 530.0
    assert read(fits_bytes(science, sigma), "s.fits").error is None


def test_zero_filled_gap_is_missing_not_flux():
    flux = FLUX.copy()
    flux[1000:1600] = 0
    spectrum = read(fits_bytes(image_hdu(flux, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0)), "gap.fits")
    assert not spectrum.good[1000:1600].any()
    assert spectrum.good[:1000].all()
    assert spectrum.good[1600:].all()
    assert "missing pixels" in step_names(spectrum)


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


def test_harps_n_is_known_by_its_instrument_name():
    spectrum = read(fits_bytes(image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0, INSTRUME="HARPN")), "s1d_A.fits")
    assert spectrum.medium is Medium.AIR
    assert spectrum.resolving_power == 115_000


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


def test_bands_over_one_axis_are_one_spectrum_and_orders_in_rows_of_a_table_are_joined():
    bands = image_hdu(np.stack([FLUX, 0.01 * FLUX]), CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0)
    assert np.allclose(read(fits_bytes(bands), "bands.fits").flux, FLUX)
    halves = [slice(0, 2200), slice(1800, 4000)]
    columns = [
        fits.Column(name=n, format="2200D", array=np.stack([v[h] for h in halves]))
        for n, v in (("WAVE", WAVE), ("FLUX", 500.0 * FLUX))
    ]
    joined = read(fits_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)), "orders.fits")
    assert np.allclose(joined.wavelength, WAVE)
    assert abs(np.median(joined.flux) - 1) < 0.15


def test_iraf_multispec_orders_are_read_linear_and_chebyshev():
    flux = np.tile(1000.0 * FLUX[:2048], (2, 1)).astype(np.float32)
    hdu = image_hdu(flux, WAT0_001="system=multispec", CTYPE1="MULTISPE")
    first = "1 1 0 5200.0 0.05 2048 0. 1. 2."
    second = "2 2 2 5290.0 0.05 2048 0. 3. 4. 1. 0. 1 2 1. 2048. 5341.175 51.175"
    words = f'wtype=multispec spec1 = "{first}" spec2 = "{second}"'
    for i in range(0, len(words), 68):
        hdu.header[f"WAT2_{i // 68 + 1:03d}"] = words[i : i + 68]
    spectrum = read(fits_bytes(hdu), "multi.fits")
    assert spectrum.wavelength[0] == pytest.approx(5200.0)
    assert spectrum.wavelength[-1] == pytest.approx(5392.35)
    assert spectrum.flavour == "IRAF multispec"


def test_text_in_nm_with_errors_csv_and_names():
    lines = "\n".join(f"{w / 10:.5f}\t{f:.6f}\t0.01" for w, f in zip(WAVE, FLUX, strict=True))
    ispec = read(f"waveobs\tflux\terr\n{lines}\n".encode(), "star.txt")
    narval = read(f"***Reduced spectrum of 'star'\n {N} 2\n{lines}\n".encode(), "star.s")
    comma = read(
        ("wavelength,flux\n" + "\n".join(f"{w:.3f},{f:.6f}" for w, f in zip(WAVE, FLUX, strict=True))).encode(),
        "star.csv",
    )
    for spectrum in (ispec, narval, comma):
        assert np.allclose(spectrum.wavelength, WAVE, atol=1e-3)
        assert np.allclose(spectrum.flux, FLUX, atol=1e-5)
    assert np.allclose(ispec.error, 0.01)
    assert ispec.medium is Medium.AIR
    assert comma.medium is Medium.UNKNOWN


def test_rounded_wavelengths_that_coincide_become_increasing_again():
    rounded = np.round(5200 + 0.0083 * np.arange(N), 2)
    assert (np.diff(rounded) == 0).any()
    spectrum = read("\n".join(f"{w:.2f} {f:.5f}" for w, f in zip(rounded, FLUX, strict=True)).encode(), "star.txt")
    assert np.all(np.diff(spectrum.wavelength) > 0)
    assert np.abs(spectrum.wavelength - (5200 + 0.0083 * np.arange(N)))[20:-20].max() < 0.01


def test_overlapping_orders_with_blaze_join_into_one_flat_spectrum():
    orders = []
    for k, start in enumerate((5200.0, 5270.0, 5340.0)):
        wave = start + 0.04 * np.arange(2500)
        x = np.linspace(-1, 1, wave.size)
        flux = 1e4 * (1 - 0.6 * x**2) * (1 - 0.5 * np.exp(-(((wave % 10) - 5) ** 2) / 0.02))
        orders.append(np.stack([np.full(wave.size, k), wave, flux], 1))
    text = "\n".join(f"{int(o)} {w:.5f} {f:.4f}" for o, w, f in np.concatenate(orders)).encode()
    spectrum = read(text, "orders.txt")
    assert np.all(np.diff(spectrum.wavelength) > 0)
    continuum = spectrum.flux[np.abs(spectrum.wavelength % 10 - 5) > 2]
    assert np.percentile(np.abs(continuum - 1), 95) < 0.02


@pytest.mark.parametrize("damaged", [np.nan, np.inf, 1e30, -5.0, 5270 + 0.05 * 699])
def test_damaged_wavelength_in_an_order_costs_that_pixel_alone(damaged):
    waves = [5200 + 0.05 * np.arange(1500), 5270 + 0.05 * np.arange(1500)]
    waves[1][700] = damaged
    pixels, _ = merge_orders([Pixels(w, np.full(w.size, 50.0), None, np.ones(w.size, bool)) for w in waves])
    assert pixels.wavelength.size > 2600
    assert np.isfinite(pixels.wavelength).all()
    assert np.allclose(pixels.flux[pixels.good], 1, atol=0.02)


def test_order_that_ends_in_noise_keeps_its_light():
    wave = 5400 + 0.04 * np.arange(2700)
    noise = 0.0004 + 0.15 * np.exp(-np.arange(2700) / 250)
    level = 0.028 * (1 + 10 * np.exp(-np.arange(2700) / 90))
    order = level + noise * np.random.default_rng(3).normal(size=2700)
    hdus = []
    for start, flux in (
        (5400.0, order),
        (5480.0, np.full(2700, 0.026) + 1e-4 * np.sin(wave)),
        (5560.0, 0.026 + 1e-4 * np.cos(wave)),
    ):
        hdu = image_hdu(flux, CRVAL1=start, CDELT1=0.04, CRPIX1=1.0)
        hdus.append(hdu if not hdus else fits.ImageHDU(hdu.data, hdu.header))
    spectrum = read(fits_bytes(*hdus), "orders.fits")
    lit = (spectrum.wavelength > 5450) & (spectrum.wavelength < 5500)
    assert spectrum.good[lit].all()
    assert np.abs(spectrum.flux[lit] - 1).mean() < 0.05
    assert not spectrum.good[spectrum.wavelength < 5408].any()


def test_gzip_is_seen_through_by_its_bytes_not_its_name():
    data = fits_bytes(image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))
    assert np.array_equal(read(gzip.compress(data), "star.fits").flux, read(data, "star.gz").flux)


def test_gzip_bomb_is_refused(monkeypatch):
    monkeypatch.setattr("cinn_core.readers.MAX_BYTES", 10_000)
    with pytest.raises(SpectrumError, match="unpacks to more than"):
        read(gzip.compress(bytes(100_000)), "bomb.fits.gz")


def test_order_image_without_wavelengths_is_refused_in_words():
    with pytest.raises(SpectrumError, match="without wavelengths"):
        read(fits_bytes(fits.PrimaryHDU(np.ones((79, 300), np.float32))), "moon.fits")


def test_image_without_wavelength_axis_is_refused_in_words():
    with pytest.raises(SpectrumError, match="no wavelengths"):
        read(fits_bytes(fits.PrimaryHDU(FLUX)), "flux.fits")


GOOD_FILE = fits_bytes(image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        np.random.default_rng(0).bytes(20_000),
        b"\xff\xd8\xff\xe0" + bytes(5000),
        GOOD_FILE[:3000],
        GOOD_FILE[:100],
        b"\x1f\x8b" + np.random.default_rng(1).bytes(500),
        gzip.compress(GOOD_FILE)[:400],
        b"<!DOCTYPE html><p>404 not found</p>",
        b"name,age\nanna,31\nbert,27\n",
        b"5200 1.0\n5200.1 0.9\n5200.2 x\n",
        fits_bytes(fits.PrimaryHDU()),
        b"5200 nan\n" * 400,
    ],
)
def test_what_is_no_spectrum_is_refused_in_one_sentence(data):
    with pytest.raises(SpectrumError) as caught:
        read(data, "upload")
    text = str(caught.value)
    assert "Traceback" not in text
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 320


def test_random_damage_to_a_header_never_crashes():
    rng = np.random.default_rng(8)
    for _ in range(60):
        damaged = bytearray(GOOD_FILE)
        for place in rng.integers(0, 2880, 12):
            damaged[place] = rng.integers(32, 127)
        try:
            read(bytes(damaged), "damaged.fits")
        except SpectrumError:
            continue
