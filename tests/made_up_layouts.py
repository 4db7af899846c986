"""Layouts of pipelines and people, written in code: the same made-up star in each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from astropy.io import fits
from synthetic import fits_bytes

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
        "SIG": (f"{ORDERS * N}D", 100 + 0 * ORDER_FLUX.reshape(1, -1)), "WAVE_MERG": (f"{WAVE.size}D", WAVE[None]),
        "SPEC_MERG": (f"{WAVE.size}D", noisy(WAVE)[None]), "F_SPEC_MERG": (f"{WAVE.size}D", np.full((1, WAVE.size), 0.005)),
    }  # fmt: skip
    return table(columns)


def carmenes() -> bytes:
    continuum = 1e4 * BLAZE * np.ones((ORDERS, 1))
    cards = {"INSTRUME": "CARMENES", "OBJECT": "HD 1"}
    return images(cards, SPEC=ORDER_FLUX, CONT=continuum, SIG=ORDER_ERROR, WAVE=ORDER_WAVE)


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
        {"INSTRUME": "NEID"}, STITCHED_CORR_SCI_FLUX=flux, STITCHED_CORR_SCI_WAVE=WAVE, STITCHED_CORR_SCI_VAR=np.full(WAVE.size, 2.5e-5),
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
    return fits_bytes(fits.PrimaryHDU(np.stack([WAVE, noisy(WAVE), np.full(WAVE.size, 0.005)])))


def columns_of_one_image() -> bytes:
    return fits_bytes(fits.PrimaryHDU(np.stack([WAVE, noisy(WAVE)], 1)))


def rows_under_a_raw_header() -> bytes:
    hdu = fits.PrimaryHDU(np.stack([WAVE, noisy(WAVE), np.full(WAVE.size, 0.005)]).astype(np.float32))
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
    hdu = fits.PrimaryHDU(np.stack([WAVE / 10, noisy(WAVE), np.full(WAVE.size, 0.005)] * 2))
    hdu.header.update({f"COL{i + 1}": ("Wavelength", "Intensity", "ErrorBar")[i % 3] for i in range(6)})
    return fits_bytes(hdu)


def popler() -> bytes:
    wave = 10 ** (np.log10(5140.0) + 4.2e-6 * np.arange(WAVE.size))
    hdu = fits.PrimaryHDU(
        np.stack([noisy(wave), np.full(WAVE.size, 0.005), np.full(WAVE.size, 3e3), np.ones(WAVE.size)])
    )
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
    arms = [np.arange(low + 0.05 * WAVE.size, low, -0.05) for low in (5130.0, 6100.0)]
    return text(np.concatenate(arms), np.concatenate([noisy(a) for a in arms]))


def orders_red_to_blue() -> bytes:
    return table({k: ("D", v[::-1].ravel()) for k, v in (("wave", ORDER_WAVE), ("flux", ORDER_FLUX))})


def decimal_commas() -> bytes:
    return text(WAVE, noisy(WAVE), above="Wellenlaenge;Intensitaet\n", sep=";").replace(b".", b",")


def index_and_names_of_its_own() -> bytes:
    rows = [f"{i},{w:.3f},{f:.5f}" for i, (w, f) in enumerate(zip(WAVE, noisy(WAVE), strict=True))]
    return (",WL (A),Flux (norm.)\n" + "\n".join(rows) + "\n").encode()


def index_without_names() -> bytes:
    return text(np.arange(float(WAVE.size)), WAVE, noisy(WAVE), fmt="%.5f")


def flux_by_its_name() -> bytes:
    return text(WAVE, np.abs(RNG.normal(0.05, 0.03, WAVE.size)), noisy(WAVE), above="# lambda sky flux_cal\n")


def d_exponents() -> bytes:
    return text(WAVE, noisy(WAVE), fmt="%.9E").replace(b"E+", b"D+").replace(b"E-", b"D-")


def indef() -> bytes:
    return text(WAVE, np.where(np.arange(WAVE.size) % 900 == 5, np.nan, noisy(WAVE))).replace(b"nan", b"INDEF")


def ipac() -> bytes:
    above = "\\char Comment = made\n"
    above += "| order|   col|        wave|        Flux|\n"
    above += "|   int|   int|      double|      double|\n|      |   pix|    Angstrom|    electron|\n"
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
    depth = 1 - star(5140.0 + 0.05 * np.arange(WAVE.size + 1))
    rows = "\n".join(" ".join(f"{d:.4f}" for d in depth[i : i + 10]) for i in range(0, depth.size, 10))
    model = f"MODEL: sun\n 5140.000 {5140 + 0.05 * WAVE.size:.3f} 0.050 1.000\n"
    return f"ALL abundances NOT listed below differ from solar by  -2.00\n{model}{rows}\n".encode()


LAYOUTS: tuple[Callable[[], bytes], ...] = (
    one_row_a_pixel, cells_of_two_dimensions, variable_lengths, fibres, a_table_an_order, merged_beside_orders, carmenes, kpf_slices,
    eprv_level_3, eprv_level_2, espresso_s2d, rows_of_one_image, columns_of_one_image, rows_under_a_raw_header, chiron, ceres, song,
    named_rows, popler, makee, two_arms_red_to_blue, orders_red_to_blue, decimal_commas, index_and_names_of_its_own,
    index_without_names, flux_by_its_name, d_exponents, indef, ipac, wavenumbers, wide_characters, votable, moog,
)  # fmt: skip
