"""Layouts of pipelines and people, each made here: the star's own light is read, at its wavelengths, with what the file says of it."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from made_up_layouts import (
    BLAZE,
    LAYOUTS,
    ORDER_ERROR,
    ORDER_FLUX,
    ORDER_WAVE,
    ORDERS,
    WAVE,
    N,
    a_table_an_order,
    bintable,
    carmenes,
    chiron,
    eprv_level_2,
    eprv_level_3,
    espresso_s2d,
    images,
    kpf_slices,
    makee,
    neid,
    noisy,
    one_row_a_pixel,
    popler,
    star,
    table,
    text,
    wavenumbers,
)
from made_up_variants import ARMS, VARIANTS
from synthetic import fits_bytes

from cinn_core.errors import SpectrumError
from cinn_core.readers import Naming, Unnamed, list_arrays, list_names, list_spectra, read
from cinn_core.readers.common import to_angstrom
from cinn_core.stages import Medium


def assert_star(spectrum, low: float = 5150.0, high: float = 5400.0, tolerance: float = 0.03) -> None:
    """The flux, at the continuum that the reader leaves, is the star's within a tolerance, and it covers low to high."""
    w, f = spectrum.wavelength, spectrum.flux
    assert w[0] < low
    assert w[-1] > high
    assert np.all(np.diff(w) > 0)
    use = spectrum.good & (w > low) & (w < high)
    scale = np.median(f[use & (np.abs(w % 7 - 3.5) > 1.5)])
    assert np.percentile(np.abs(f[use] / scale - star(w[use])), 90) < tolerance


@pytest.mark.parametrize("made", [*LAYOUTS, *VARIANTS], ids=lambda made: made.__name__)
def test_layout_gives_the_star_at_its_wavelengths(made):
    assert_star(read(made(), "star"), high=5370.0)


@pytest.mark.parametrize("made", ARMS, ids=lambda made: made.__name__)
def test_arms_side_by_side_are_both_read(made):
    spectrum = read(made(), "star")
    for low, high in ((5150.0, 5430.0), (6110.0, 6390.0)):
        inside = (spectrum.wavelength > low) & (spectrum.wavelength < high) & spectrum.good
        assert inside.sum() > 5000
        assert np.percentile(np.abs(spectrum.flux - star(spectrum.wavelength))[inside], 90) < 0.02
    assert not ((spectrum.wavelength > 5450.0) & (spectrum.wavelength < 6090.0)).any()


def test_stars_side_by_side_are_asked_for():
    columns = (WAVE, noisy(WAVE), WAVE + 0.01, noisy(WAVE + 2.0))
    with pytest.raises(Unnamed, match="of one range, each with a flux of its own"):
        read(text(*columns), "a.txt")
    named = dict(zip(("wave_a", "flux_a", "wave_b", "flux_b"), (("D", c) for c in columns), strict=True))
    with pytest.raises(Unnamed, match="flux_a, flux_b"):
        read(table(named), "a.fits")


def test_order_without_wavelengths_is_left_out_of_a_neid_file():
    spectrum = read(neid(), "neidL2.fits")
    assert_star(spectrum, low=5200.0, high=5370.0)
    assert spectrum.medium is Medium.VACUUM
    assert spectrum.wavelength[0] > 5180


def test_error_of_an_order_image_is_that_of_its_name_not_sky_or_blaze_of_the_same_shape():
    spectrum = read(neid(), "neidL2.fits")
    assert any("SCIVAR" in step.reason for step in spectrum.steps)
    assert spectrum.good[(spectrum.wavelength > 5250.0) & (spectrum.wavelength < 5370.0)].all()
    snr = np.median((spectrum.flux / spectrum.error)[spectrum.good])
    expected = np.median(ORDER_FLUX / ORDER_ERROR)  # orders overlap: up to twice the light of one
    assert expected < snr < 1.5 * expected


@pytest.mark.parametrize(
    ("made", "medium"),
    [
        (carmenes, Medium.VACUUM), (neid, Medium.VACUUM), (kpf_slices, Medium.VACUUM), (eprv_level_2, Medium.VACUUM),
        (eprv_level_3, Medium.VACUUM), (espresso_s2d, Medium.AIR), (a_table_an_order, Medium.VACUUM), (popler, Medium.VACUUM),
        (makee, Medium.VACUUM), (wavenumbers, Medium.VACUUM), (one_row_a_pixel, Medium.AIR), (chiron, Medium.UNKNOWN),
    ],
)  # fmt: skip
def test_pipelines_and_names_tell_air_from_vacuum(made, medium):
    assert read(made(), "star").medium is medium


@pytest.mark.parametrize(("said", "medium"), [("Wavelengths are in vacuum, barycentric", Medium.VACUUM), ("wavelengths in air", Medium.AIR),
                                              ("air mass 1.2", Medium.UNKNOWN)])  # fmt: skip
def test_comment_of_a_text_tells_air_from_vacuum(said, medium):
    assert read(text(WAVE, noisy(WAVE), above=f"# {said}\n"), "star.txt").medium is medium


def test_slices_of_one_star_are_added_and_their_errors_too():
    spectrum = read(kpf_slices(), "kpf.fits")
    assert next(s for s in spectrum.steps if s.name == "slices added").numbers == {"slices": 3}
    error = spectrum.error[spectrum.good]
    assert np.median(error) == pytest.approx(0.005 / np.sqrt(3), rel=0.15)  # overlaps and blaze


def test_primary_header_speaks_for_arrays_in_extensions():
    cards = {"OBJECT": "HD 1", "SPEC_RES": 60_000.0, "AIRORVAC": "vac"}
    spectrum = read(images(cards, FLUX=ORDER_FLUX, SIGMA=ORDER_ERROR, WAVE=ORDER_WAVE), "a.fits")
    assert (spectrum.star, spectrum.resolving_power, spectrum.medium) == ("HD 1", 60_000.0, Medium.VACUUM)


def test_fibres_in_rows_are_asked_for_by_name_and_the_sky_is_never_the_star():
    hdu = fits.PrimaryHDU(np.stack([0.02 * noisy(WAVE), noisy(WAVE, 3000.0), noisy(WAVE, 5000.0)]))
    hdu.header.update({"CRVAL1": 5140.0, "CDELT1": 0.05, "CRPIX1": 1.0})
    names = np.array(["SKY_1", "HD 1", "HD 2"])
    fibre_table = bintable({"NAME": ("8A", names)}, "FIBRES")
    data = fits_bytes(hdu, fibre_table)
    with pytest.raises(SpectrumError, match=r"row 1: HD 1; row 2: HD 2\); choose one with --row"):
        read(data, "field.fits")
    assert read(data, "field.fits", row=2).star == "HD 2"
    two = fits.PrimaryHDU(hdu.data[:2], hdu.header)
    only = read(fits_bytes(two, bintable({"NAME": ("8A", names[:2])}, "FIBRES")), "field.fits")
    assert np.median(only.flux) > 2000  # the one row that is not sky


def test_fibres_of_a_table_are_asked_for_where_nothing_tells_the_star():
    columns = {
        "fiber": ("K", np.tile([1, 0], ORDERS)), "wavelength": (f"{N}D", np.repeat(ORDER_WAVE, 2, 0)),
        "flux": (f"{N}D", np.repeat(ORDER_FLUX, 2, 0)),
    }  # fmt: skip
    data = table(columns)
    assert [c.label for c in list_spectra(data)] == ["fibre 1", "fibre 0"]
    with pytest.raises(SpectrumError, match="fibre 1; fibre 0"):
        read(data, "a.fits")
    assert_star(read(data, "a.fits", row=1), high=5370.0)


def test_two_objects_of_one_echelle_file_are_asked_for_and_each_is_read_whole():
    tables = [
        bintable({"wave": ("D", w), "flux": ("D", level * f)}, f"{name}-ORDER{80 - i}")
        for name, level in (("OBJ1", 1.0), ("OBJ2", 3.0))
        for i, (w, f) in enumerate(zip(ORDER_WAVE, ORDER_FLUX, strict=True))
    ]
    data = fits_bytes(fits.PrimaryHDU(), *tables)
    choices = list_spectra(data)
    assert [c.label for c in choices] == ["1 OBJ1", "7 OBJ2"]
    assert_star(read(data, hdu=choices[1].hdu), high=5370.0)


@pytest.mark.parametrize("good", [0, 1])
def test_mask_is_understood_by_what_it_marks(good):
    flux = noisy(WAVE)
    bad = np.arange(6000) % 11 == 3
    flux[bad] = 0.0
    spectrum = read(
        table({"wave": ("D", WAVE), "flux": ("D", flux), "mask": ("J", np.where(bad, 1 - good, good))}), "a.fits"
    )
    assert np.array_equal(spectrum.good, ~bad[: spectrum.good.size])


def test_mask_that_nothing_explains_is_not_used():
    mask = np.arange(6000) % 3 == 0
    spectrum = read(table({"wave": ("D", WAVE), "flux": ("D", noisy(WAVE)), "mask": ("J", mask.astype(int))}), "a.fits")
    assert spectrum.good.all()
    assert "neither" in next(s.reason for s in spectrum.steps if s.name == "flag column")


def test_runs_of_a_rounded_model_are_flux_and_those_of_noise_a_gap():
    model = np.round(1 - 0.3 * np.exp(-0.5 * ((WAVE % 40 - 20) / 0.15) ** 2), 4)
    assert (np.diff(model) == 0).mean() > 0.8
    assert read(text(WAVE, model), "synthesis.txt").good.all()
    gap = np.round(noisy(WAVE), 4)
    gap[3000:3100] = 1.0
    assert not read(text(WAVE, gap), "observed.txt").good[3000:3100].any()


@pytest.mark.parametrize(
    ("cards", "file", "power"),
    [
        ({"BSS_ITRP": 11_000}, "a.fits", 11_000), ({"SPE_RPOW": 10_870.0}, "a.fits", 10_870),
        ({"INSTRUME": "HERMES", "TELESCOP": "MERCATOR"}, "a.fits", 85_000),
        ({"INSTRUME": "HRS", "TELESCOP": "SALT", "OBSMODE": "LOW RESOLUTION"}, "a.fits", 14_000),
        ({"INSTRUME": "FIES", "FIFMSKNM": "F1 LowRes"}, "a.fits", 25_000),
        ({"INSTRUME": "HERMES", "TELESCOP": "Anglo-Australian Telescope"}, "a.fits", 28_000),
        ({}, "galahad.fits", None), ({}, "mikes_star.fits", None), ({"INSTRUME": "HERMES"}, "a.fits", None),
    ],
)  # fmt: skip
def test_resolving_power_is_that_of_keywords_and_whole_words(cards, file, power):
    hdu = fits.PrimaryHDU(noisy(WAVE))
    hdu.header.update({"CRVAL1": 5140.0, "CDELT1": 0.05, "CRPIX1": 1.0} | cards)
    assert read(fits_bytes(hdu), file).resolving_power == power


def test_names_are_asked_for_listed_and_taken():
    data = table({"x": ("D", WAVE), "brightness": ("D", noisy(WAVE)), "dy": ("D", np.full(6000, 0.005))})
    with pytest.raises(Unnamed, match=r"holds x, brightness, dy.*--wave NAME --flux NAME"):
        read(data, "a.fits")
    assert list_names(data) == ("x", "brightness", "dy")
    spectrum = read(data, "a.fits", naming=Naming("X", "brightness", "dy"))
    assert_star(spectrum)
    assert np.allclose(spectrum.error, 0.005)
    with pytest.raises(SpectrumError, match="no column z; it has x, brightness, dy"):
        read(data, "a.fits", naming=Naming("x", "z"))
    with pytest.raises(SpectrumError, match="both"):
        read(data, "a.fits", naming=Naming(error="dy"))


def test_extensions_planes_and_columns_of_text_can_be_named():
    arrays = images({}, ALPHA=ORDER_WAVE * 1e-4, BETA=ORDER_FLUX, GAMMA=ORDER_ERROR)
    with pytest.raises(Unnamed, match="ALPHA, BETA, GAMMA"):
        read(arrays, "a.fits")
    assert_star(read(arrays, "a.fits", naming=Naming("alpha", "beta", "gamma")), high=5370.0)
    columns = text(
        np.repeat(np.arange(1.0, ORDERS + 1), N), ORDER_FLUX.ravel(), ORDER_WAVE.ravel(), np.ones(ORDERS * N)
    )
    assert_star(read(columns, "a.txt", naming=Naming("column 3", "column 2", order="column 1")), high=5370.0)


def test_two_fluxes_that_could_be_the_star_are_asked_for():
    data = table({"wave": ("D", WAVE), "flux_a": ("D", noisy(WAVE)), "flux_b": ("D", noisy(WAVE, 2.0))})
    with pytest.raises(Unnamed, match="flux_a, flux_b"):
        read(data, "a.fits")
    assert np.median(read(data, "a.fits", naming=Naming("wave", "flux_b")).flux) > 1.5


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"hello", "text without columns"),
        (b"hello\n" * 50, "text without columns"),
        (text(WAVE, WAVE / 9e3, above="# wave sky\n"), "wave, sky"),
        (fits_bytes(fits.PrimaryHDU(np.ones((79, 300), np.float32))), "no other extension, plane or row"),
    ],
)
def test_refusal_is_true(data, sentence):
    with pytest.raises(SpectrumError, match=sentence):
        read(data, "file")


def test_shuffled_lines_are_sorted_in_time_and_memory_that_grow_with_the_file():
    order = np.random.default_rng(0).permutation(200_000)
    wave = 5000.0 + 0.01 * order
    spectrum = read(text(wave, 1.0 + 1e-3 * (order % 7), fmt="%.4f"), "shuffled.txt")
    np.testing.assert_allclose(spectrum.wavelength, 5000.0 + 0.01 * np.arange(order.size), atol=1e-4)
    np.testing.assert_allclose(spectrum.flux, 1.0 + 1e-3 * (np.arange(order.size) % 7), atol=1e-4)
    assert any("sorted" in step.reason for step in spectrum.steps)


def two_extensions(first: np.ndarray, second: np.ndarray, *names: str) -> bytes:
    """Two images over one axis of their headers, named or not."""
    made = [fits.ImageHDU(f, name=n) for f, n in zip((first, second), names or ("", ""), strict=True)]
    for hdu in made:
        hdu.header.update({"CRVAL1": 5140.0, "CDELT1": 0.05, "CRPIX1": 1.0})
    return fits_bytes(fits.PrimaryHDU(), *made)


SKY = np.abs(np.random.default_rng(3).normal(0.03, 0.01, WAVE.size))
OTHER = np.random.default_rng(4).normal(0.4 * star(WAVE + 2.0), 0.004)
"""A fainter star at another velocity."""


@pytest.mark.parametrize(
    "made",
    [
        lambda: two_extensions(noisy(WAVE), OTHER, "HD1", "HD2"),
        lambda: two_extensions(SKY, noisy(WAVE)),
        lambda: text(WAVE, SKY, noisy(WAVE)),
        lambda: text(WAVE, noisy(WAVE), OTHER, OTHER[::-1]),
        lambda: text(WAVE, 0.005 * np.sqrt(star(WAVE)), noisy(WAVE)),
        lambda: fits_bytes(fits.PrimaryHDU(np.stack([WAVE, SKY, noisy(WAVE)]))),
        lambda: table({"FIBER": ("J", np.repeat([1, 2], 6000)), "WAVE": ("D", np.tile(WAVE, 2)), "FLUX": ("D", np.r_[SKY, noisy(WAVE)])}),
        lambda: fits_bytes(fits.PrimaryHDU(), *(bintable({"WAVE": ("D", WAVE), "FLUX": ("D", f)}, n)
                                               for n, f in (("HD1", OTHER), ("HD2", noisy(WAVE))))),
        lambda: fits_bytes(fits.PrimaryHDU(np.stack([ORDER_WAVE, 0.1 * noisy(ORDER_WAVE + 1.0), ORDER_FLUX]))),
    ],
    ids=["extensions", "unnamed extensions", "sky ahead in a text", "stars in a text", "error ahead in a text", "rows", "fibres by pixel",
         "tables", "planes"],
)  # fmt: skip
def test_several_that_could_be_the_star_are_asked_for(made):
    with pytest.raises(SpectrumError, match=r"--row|--hdu|--flux"):
        read(made(), "a")


@pytest.mark.parametrize("columns", [(1e4, 0.005), (1.0, 0.005)], ids=["counts", "normalised"])
def test_relative_error_of_a_text_without_names_is_taken_as_such(columns):
    level, share = columns
    spectrum = read(text(WAVE, noisy(WAVE, level), np.full(6000, share) * (1 + 1e-4 * np.arange(6000) / 6000)), "a.txt")
    assert np.median(spectrum.error / spectrum.flux) == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize(
    "third", [lambda f: f * 1e6, lambda f: np.ones_like(f), lambda f: f / 0.005], ids=["scale", "continuum", "S/N"]
)
def test_third_column_that_follows_from_the_flux_is_no_error_and_no_star(third):
    flux = noisy(WAVE)
    spectrum = read(text(WAVE, flux, third(flux)), "a.txt")
    assert spectrum.error is None
    assert_star(spectrum)


@pytest.mark.parametrize("good", [0, 4])
def test_mask_without_a_telling_name_is_understood_by_pixels_where_no_line_is(good):
    random = np.random.default_rng(8)
    bad = random.random(6000) < 0.3
    flux = np.where(bad, 3 * random.random(6000), noisy(WAVE))
    mask = np.where(bad, 4 - good, good)
    header = {"CRVAL1": 5140.0, "CDELT1": 0.05, "CRPIX1": 1.0}
    axis = fits_bytes(fits.PrimaryHDU(flux, fits.Header(header)), fits.ImageHDU(mask, name="MASK"))
    for data in (axis, images({}, FLUX=flux, WAVE=WAVE, MASK=mask), text(WAVE, flux, mask)):
        assert np.array_equal(read(data, "a").good, ~bad)


def test_orders_of_a_column_are_told_apart_where_their_wavelengths_never_turn_back():
    wave = 5140.0 + 62.0 * np.arange(ORDERS)[:, None] + 0.05 * np.arange(N)
    columns = {
        "ORDER": ("J", np.repeat(np.arange(ORDERS), N)),
        "WAVE": ("D", wave.ravel()),
        "FLUX": ("D", (noisy(wave) * BLAZE).ravel()),
    }
    assert_star(read(table(columns), "a.fits"), high=5440.0)


def test_barycentric_wavelengths_are_taken_where_both_are_there():
    data = images({}, FLUX=noisy(WAVE), WAVELENGTH=WAVE * 1.0001, BARY_WAVELENGTH=WAVE)
    assert_star(read(data, "a.fits"))


@pytest.mark.parametrize(
    ("said", "power"),
    [
        ("Resolving power R = 7500", 7500), ("spectral resolution: 28,000", 28_000), ("R ~ 48000", 48_000),
        ("resolution 0.05 A, R = 8.5 mag", None), ("run 7500", None), ("SPEC_RES = 9000", 9000),
    ],
)  # fmt: skip
def test_resolving_power_in_words_is_read(said, power):
    assert read(text(WAVE, noisy(WAVE), above=f"# {said}\n"), "star.txt").resolving_power == power


@pytest.mark.parametrize(
    ("wave", "flux", "error"),
    [
        ("wlen", "signal", "noise"), ("WAVE_ANG", "FLUX_DENSITY", "FLUX_DENSITY_ERR"), ("wl", "fl", "fl_err"),
        ("wavelength", "value", "sigma"), ("dispersion", "flux", "ferr"),
    ],
)  # fmt: skip
def test_names_of_people_are_understood(wave, flux, error):
    columns = {wave: ("D", WAVE), flux: ("D", noisy(WAVE)), error: ("D", np.full(6000, 0.005))}
    for data in (table(columns), text(*(v for _, v in columns.values()), above=f"{wave} {flux} {error}\n")):
        spectrum = read(data, "a")
        assert_star(spectrum)
        assert spectrum.error is not None


@pytest.mark.parametrize(
    "data",
    [
        table({"x": ("D", WAVE), "brightness": ("D", noisy(WAVE)), "dy": ("D", np.full(6000, 0.005))}),
        images({}, ALPHA=ORDER_WAVE * 1e-4, BETA=ORDER_FLUX, GAMMA=ORDER_ERROR),
        text(WAVE, WAVE / 9e3, above="# wave sky\n"),
    ],
    ids=["table", "images", "text"],
)
def test_arrays_can_be_looked_at_under_the_names_that_are_asked_for(data):
    arrays = list_arrays(data, "a")
    assert set(list_names(data, "a")) <= set(arrays)
    assert all(v.ndim == 1 and v.size >= 1 for v in arrays.values())


def test_wavenumbers_of_no_optical_light_are_left_out():
    values = 1e8 / WAVE[::-1]
    values[[5, 4000]] = 3.0, 1e-150
    spectrum = read(images({}, FLUX=noisy(WAVE)[::-1], WAVENUMBER=values), "star.fits")
    assert spectrum.wavelength.size == WAVE.size - 2
    assert_star(spectrum)


def test_unit_with_characters_that_cannot_be_printed_makes_a_sentence_all_the_same():
    with pytest.raises(SpectrumError) as caught:
        to_angstrom(WAVE * 1e20, "\x00m\x07", "column WAVE\n")
    assert str(caught.value).isprintable()
