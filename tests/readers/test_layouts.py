"""Layouts of pipelines and people, each made here: the star's own light is read, at its wavelengths, with what the file says of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from astropy.io import fits
from synthetic import fits_bytes

from cinn_core.errors import SpectrumError
from cinn_core.readers import Naming, Unnamed, list_names, list_spectra, read
from cinn_core.stages import Medium

N, ORDERS = 1200, 6
RNG = np.random.default_rng(11)
WAVE = 5140.0 + 0.05 * np.arange(6000)


def star(wave: np.ndarray) -> np.ndarray:
    """Continuum 1 with a line every seven Angstrom."""
    return 1 - 0.5 * np.exp(-0.5 * ((wave % 7 - 3.5) / 0.12) ** 2)


def noisy(wave: np.ndarray, level: float = 1.0) -> np.ndarray:
    return level * (star(wave) + 0.005 * RNG.normal(size=np.shape(wave)))


ORDER_WAVE = 5140.0 + 48.0 * np.arange(ORDERS)[:, None] + 0.05 * np.arange(N)
BLAZE = np.sinc(np.linspace(-1, 1, N) * 0.6) ** 2
ORDER_FLUX = noisy(ORDER_WAVE, 1e4) * BLAZE
ORDER_ERROR = 50.0 * np.sqrt(BLAZE) * np.ones((ORDERS, 1))


def images(primary: dict, **arrays: np.ndarray) -> bytes:
    first = fits.PrimaryHDU()
    first.header.update(primary)
    return fits_bytes(first, *(fits.ImageHDU(v, name=k) for k, v in arrays.items()))


def table(columns: dict[str, tuple[str, np.ndarray]], primary: dict | None = None, name: str = "") -> bytes:
    first = fits.PrimaryHDU()
    first.header.update(primary or {})
    return fits_bytes(first, bintable(columns, name))


def bintable(columns: dict[str, tuple[str, np.ndarray]], name: str = "", **dims: str) -> fits.BinTableHDU:
    made = [fits.Column(name=k, format=f, array=v, dim=dims.get(k)) for k, (f, v) in columns.items()]
    return fits.BinTableHDU.from_columns(made, name=name)


def text(*columns: np.ndarray, above: str = "", fmt: str = "%.6f", sep: str = " ") -> bytes:
    lines = [sep.join(fmt % v for v in row) for row in zip(*columns, strict=True)]
    return (above + "\n".join(lines) + "\n").encode()


def assert_star(spectrum, low: float = 5150.0, high: float = 5400.0, tolerance: float = 0.03) -> None:
    """The flux, at the continuum that the reader leaves, is the star's within a tolerance, and it covers low to high."""
    w, f = spectrum.wavelength, spectrum.flux
    assert w[0] < low
    assert w[-1] > high
    assert np.all(np.diff(w) > 0)
    use = spectrum.good & (w > low) & (w < high)
    scale = np.median(f[use & (np.abs(w % 7 - 3.5) > 1.5)])
    assert np.percentile(np.abs(f[use] / scale - star(w[use])), 90) < tolerance


def one_row_a_pixel() -> bytes:
    return table(
        {k: ("D", v.ravel()) for k, v in (("wave_air", ORDER_WAVE), ("flux", ORDER_FLUX), ("err", ORDER_ERROR))}
    )


def cells_of_two_dimensions() -> bytes:
    columns = {
        k: (f"{ORDERS * N}D", v.reshape(1, -1))
        for k, v in (("SPEC", ORDER_FLUX), ("SIG", ORDER_ERROR), ("WAVE", ORDER_WAVE))
    }
    return fits_bytes(fits.PrimaryHDU(), bintable(columns, **dict.fromkeys(columns, f"({N},{ORDERS})")))


def variable_lengths() -> bytes:
    cut = [slice(0, N - 5 * (i % 3)) for i in range(ORDERS)]

    def cells(values):
        return np.array([v[c] for v, c in zip(values, cut, strict=True)], dtype=object)

    return table({"WAVE": ("PD()", cells(ORDER_WAVE)), "FLUX": ("PD()", cells(ORDER_FLUX))})


def fibres() -> bytes:
    lamp = np.full((ORDERS, N), 500.0) + 300 * (np.arange(N) % 40 == 0)
    interleaved = [np.stack(pair, 1).reshape(2 * ORDERS, N) for pair in ((lamp, ORDER_FLUX), (ORDER_WAVE, ORDER_WAVE))]
    columns = {
        "fiber": ("K", np.tile([1, 0], ORDERS)), "wavelength": (f"{N}D", interleaved[1]), "flux": (f"{N}D", interleaved[0]),
    }  # fmt: skip
    return table(columns, {"SCIFIBER": 0, "OBJECT": "HD 1"})


def a_table_an_order() -> bytes:
    tables = [
        bintable({"OPT_WAVE": ("D", w), "OPT_COUNTS": ("D", f), "OPT_COUNTS_SIG": ("D", e), "OPT_MASK": ("L", np.ones(N, bool))},
                 f"OBJ0444-MSC01-ORDER{80 - i:04d}")
        for i, (w, f, e) in enumerate(zip(ORDER_WAVE, ORDER_FLUX, ORDER_ERROR, strict=True))
    ]  # fmt: skip
    first = fits.PrimaryHDU()
    first.header["PYP_SPEC"] = "keck_hires"
    return fits_bytes(first, *tables)


def merged_beside_orders() -> bytes:
    columns = {
        "WAVE": (f"{ORDERS * N}D", ORDER_WAVE.reshape(1, -1)), "SPEC_BLZ": (f"{ORDERS * N}D", ORDER_FLUX.reshape(1, -1)),
        "SIG": (f"{ORDERS * N}D", 100 + 0 * ORDER_FLUX.reshape(1, -1)), "WAVE_MERG": ("6000D", WAVE[None]),
        "SPEC_MERG": ("6000D", noisy(WAVE)[None]), "F_SPEC_MERG": ("6000D", np.full((1, 6000), 0.005)),
    }  # fmt: skip
    return table(columns)


def carmenes() -> bytes:
    return images({"INSTRUME": "CARMENES", "OBJECT": "HD 1"}, SPEC=ORDER_FLUX, CONT=1e4 * BLAZE * np.ones((ORDERS, 1)), SIG=ORDER_ERROR, WAVE=ORDER_WAVE)  # fmt: skip


def neid() -> bytes:
    wave = ORDER_WAVE.copy()
    wave[[0, -1]] = 0.0
    other = np.full_like(ORDER_FLUX, 3.0)
    return images(
        {"INSTRUME": "NEID"}, SCIFLUX=ORDER_FLUX, SKYFLUX=other, SCIVAR=ORDER_ERROR**2, SKYVAR=other, SCIWAVE=wave, SKYWAVE=wave,
        SCIBLAZE=other,
    )  # fmt: skip


def kpf_slices() -> bytes:
    arrays = {}
    for i, shift in enumerate((-0.002, 0.0, 0.002), 1):
        wave = ORDER_WAVE + shift
        arrays |= {
            f"GREEN_SCI_FLUX{i}": noisy(wave, 1e4) * BLAZE,
            f"GREEN_SCI_WAVE{i}": wave,
            f"GREEN_SCI_VAR{i}": ORDER_ERROR**2,
        }
    return images(
        {"INSTRUME": "KPF"}, GREEN_SKY_FLUX=np.ones((ORDERS, N)), GREEN_CAL_FLUX=np.ones((ORDERS, N)), **arrays
    )


def eprv_level_3() -> bytes:
    flux = noisy(WAVE)
    return images(
        {"INSTRUME": "NEID"}, STITCHED_CORR_SCI_FLUX=flux, STITCHED_CORR_SCI_WAVE=WAVE, STITCHED_CORR_SCI_VAR=np.full(6000, 2.5e-5),
        STITCHED_CORR_TRACE1_FLUX=0 * flux + 7, STITCHED_CORR_TRACE1_WAVE=WAVE,
    )  # fmt: skip


def eprv_level_2() -> bytes:
    other = np.full_like(ORDER_FLUX, 3.0)
    arrays = {}
    for i, flux in enumerate((other, ORDER_FLUX, other), 1):
        arrays |= {
            f"TRACE{i}_FLUX": flux,
            f"TRACE{i}_WAVE": ORDER_WAVE,
            f"TRACE{i}_VAR": ORDER_ERROR**2,
            f"TRACE{i}_BLAZE": other,
        }
    cards = {"TRACE1": "CAL", "TRACE2": "SCI", "TRACE3": "SKY", "VOCLASS": "EPRVSTANDARDv1.1.0"}
    return images(cards, CUSTOM1_TRACE2_FLUX=other, CUSTOM1_TRACE2_WAVE=ORDER_WAVE, **arrays)


def espresso_s2d() -> bytes:
    vacuum = ORDER_WAVE * 1.00028
    return images(
        {"INSTRUME": "ESPRESSO"}, SCIDATA=ORDER_FLUX, ERRDATA=ORDER_ERROR, QUALDATA=np.zeros((ORDERS, N), np.int16),
        WAVEDATA_VAC_BARY=vacuum, WAVEDATA_AIR_BARY=ORDER_WAVE, DLLDATA_VAC_BARY=np.full((ORDERS, N), 0.05),
    )  # fmt: skip


def rows_of_one_image() -> bytes:
    return fits_bytes(fits.PrimaryHDU(np.stack([WAVE, noisy(WAVE), np.full(6000, 0.005)])))


def columns_of_one_image() -> bytes:
    return fits_bytes(fits.PrimaryHDU(np.stack([WAVE, noisy(WAVE)], 1)))


def rows_under_a_raw_header() -> bytes:
    hdu = fits.PrimaryHDU(np.stack([WAVE, noisy(WAVE), np.full(6000, 0.005)]).astype(np.float32))
    hdu.header.update({"CRVAL1": 4000.0, "CDELT1": 0.03, "CRPIX1": 1.0})
    return fits_bytes(hdu)


def chiron() -> bytes:
    return fits_bytes(fits.PrimaryHDU(np.stack([ORDER_WAVE, ORDER_FLUX], -1)))


def ceres() -> bytes:
    other = np.full_like(ORDER_FLUX, 3.0)
    ivar = ORDER_ERROR**-2.0
    planes = [ORDER_WAVE, ORDER_FLUX, ivar, ORDER_FLUX, ivar, ORDER_FLUX / 1e4, ivar, other, other, other, other]
    return fits_bytes(fits.PrimaryHDU(np.stack(planes)))


def song() -> bytes:
    return fits_bytes(fits.PrimaryHDU(np.stack([ORDER_FLUX, ORDER_FLUX, 0 * ORDER_FLUX + 3, ORDER_WAVE])))


def named_rows() -> bytes:
    hdu = fits.PrimaryHDU(np.stack([WAVE / 10, noisy(WAVE), np.full(6000, 0.005)] * 2))
    hdu.header.update({f"COL{i + 1}": ("Wavelength", "Intensity", "ErrorBar")[i % 3] for i in range(6)})
    return fits_bytes(hdu)


def popler() -> bytes:
    wave = 10 ** (np.log10(5140.0) + 4.2e-6 * np.arange(6000))
    hdu = fits.PrimaryHDU(np.stack([noisy(wave), np.full(6000, 0.005), np.full(6000, 3e3), np.ones(6000)]))
    names = ("Normalized flux spectrum", "Normalized error", "Continuum by which data are normalized", "Status")
    hdu.header.update(
        {f"ARRAY{i + 1}": n for i, n in enumerate(names)} | {f"UP_ARR{i + 1:02d}": n for i, n in enumerate(names)}
    )
    hdu.header.update({"CRVAL1": np.log10(5140.0), "CD1_1": 4.2e-6, "CRPIX1": 1, "DC-FLAG": 1})
    return fits_bytes(hdu)


def makee() -> bytes:
    hdu = fits.PrimaryHDU(ORDER_FLUX)
    hdu.header.update({"CRVAL1": 23, "CDELT1": 1, "CRPIX1": 1})
    for i in range(ORDERS):
        hdu.header[f"WV_0_{i + 1:02d}"] = (
            f"{ORDER_WAVE[i, 0] - 23 * 0.05:.9E} 5.000000000E-02 0.000000000E+00 0.000000000E+00"
        )
        hdu.header[f"WV_4_{i + 1:02d}"] = "0.0E+00 0.0E+00 0.0E+00 0.0E+00"
    return fits_bytes(hdu)


def two_arms_red_to_blue() -> bytes:
    arms = [np.arange(low + 300, low, -0.05) for low in (5130.0, 6100.0)]
    return text(np.concatenate(arms), np.concatenate([noisy(a) for a in arms]))


def orders_red_to_blue() -> bytes:
    return table({k: ("D", v[::-1].ravel()) for k, v in (("wave", ORDER_WAVE), ("flux", ORDER_FLUX))})


def decimal_commas() -> bytes:
    return text(WAVE, noisy(WAVE), above="Wellenlaenge;Intensitaet\n", sep=";").replace(b".", b",")


def index_and_names_of_its_own() -> bytes:
    rows = [f"{i},{w:.3f},{f:.5f}" for i, (w, f) in enumerate(zip(WAVE, noisy(WAVE), strict=True))]
    return (",WL (A),Flux (norm.)\n" + "\n".join(rows) + "\n").encode()


def index_without_names() -> bytes:
    return text(np.arange(6000.0), WAVE, noisy(WAVE), fmt="%.5f")


def flux_by_its_name() -> bytes:
    return text(WAVE, np.abs(RNG.normal(0.05, 0.03, 6000)), noisy(WAVE), above="# lambda sky flux_cal\n")


def d_exponents() -> bytes:
    return text(WAVE, noisy(WAVE), fmt="%.9E").replace(b"E+", b"D+").replace(b"E-", b"D-")


def indef() -> bytes:
    return text(WAVE, np.where(np.arange(6000) % 900 == 5, np.nan, noisy(WAVE))).replace(b"nan", b"INDEF")


def ipac() -> bytes:
    above = "\\char Comment = made\n| order|   col|        wave|        Flux|\n|   int|   int|      double|      double|\n|      |   pix|    Angstrom|    electron|\n"
    columns = [
        np.repeat(np.arange(1.0, ORDERS + 1), N),
        np.tile(np.arange(float(N)), ORDERS),
        ORDER_WAVE.ravel(),
        ORDER_FLUX.ravel(),
    ]
    return text(*columns, above=above)


def wavenumbers() -> bytes:
    return text((1e8 / WAVE)[::-1], noisy(WAVE)[::-1], above="# wavenumber (cm-1), relative intensity\n")


def wide_characters() -> bytes:
    return text(WAVE, noisy(WAVE)).decode().encode("utf-16")


def votable() -> bytes:
    rows = "".join(f"<TR><TD>{w}</TD><TD>{f}</TD></TR>" for w, f in zip(WAVE / 10, noisy(WAVE), strict=True))
    fields = (
        '<FIELD ID="a" name="wavelength" datatype="double" unit="nm"/><FIELD ID="b" name="flux" datatype="double"/>'
    )
    body = f"<RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE>"
    return f'<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">{body}</VOTABLE>'.encode()


def moog() -> bytes:
    depth = 1 - star(5140.0 + 0.05 * np.arange(6001))
    rows = "\n".join(" ".join(f"{d:.4f}" for d in depth[i : i + 10]) for i in range(0, depth.size, 10))
    return f"ALL abundances NOT listed below differ from solar by  -2.00\nMODEL: sun\n 5140.000 5440.000 0.050 1.000\n{rows}\n".encode()


LAYOUTS: tuple[Callable[[], bytes], ...] = (
    one_row_a_pixel, cells_of_two_dimensions, variable_lengths, fibres, a_table_an_order, merged_beside_orders, carmenes, kpf_slices,
    eprv_level_3, eprv_level_2, espresso_s2d, rows_of_one_image, columns_of_one_image, rows_under_a_raw_header, chiron, ceres, song,
    named_rows, popler, makee, two_arms_red_to_blue, orders_red_to_blue, decimal_commas, index_and_names_of_its_own,
    index_without_names, flux_by_its_name, d_exponents, indef, ipac, wavenumbers, wide_characters, votable, moog,
)  # fmt: skip


@pytest.mark.parametrize("made", LAYOUTS, ids=lambda made: made.__name__)
def test_layout_gives_the_star_at_its_wavelengths(made):
    assert_star(read(made(), "star"), high=5370.0)


def test_order_without_wavelengths_is_left_out_of_a_neid_file():
    spectrum = read(neid(), "neidL2.fits")
    assert_star(spectrum, low=5200.0, high=5370.0)
    assert spectrum.medium is Medium.VACUUM
    assert spectrum.wavelength[0] > 5180


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


def test_shuffled_lines_are_refused_in_time_and_memory_that_grow_with_the_file():
    order = np.random.default_rng(0).permutation(200_000)
    wave = 5000.0 + 0.01 * order
    with pytest.raises(SpectrumError, match="turn back"):
        read(text(wave, np.ones(order.size) + 1e-3 * (order % 7), fmt="%.4f"), "shuffled.txt")
