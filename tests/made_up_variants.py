"""Variants of the layouts of pipelines and people, written in code: other axes, units, separators and places of the wavelengths."""

from __future__ import annotations

import io
from collections.abc import Callable

import h5py
import numpy as np
from astropy.io import fits
from made_up_layouts import (
    ORDER_ERROR,
    ORDER_FLUX,
    ORDER_WAVE,
    ORDERS,
    RNG,
    WAVE,
    N,
    bintable,
    images,
    noisy,
    star,
    text,
)
from synthetic import fits_bytes


def orders_along_the_second_axis() -> bytes:
    return images({}, FLUX=ORDER_FLUX.T, WAVE=ORDER_WAVE.T, ERR=ORDER_ERROR.T)


def cells_turned() -> bytes:
    columns = {k: (f"{ORDERS * N}D", v.T.reshape(1, -1)) for k, v in (("WAVE", ORDER_WAVE), ("FLUX", ORDER_FLUX))}
    return fits_bytes(fits.PrimaryHDU(), bintable(columns, **dict.fromkeys(columns, f"({ORDERS},{N})")))


def an_extension_of_two_rows_an_order() -> bytes:
    return fits_bytes(
        fits.PrimaryHDU(), *(fits.ImageHDU(np.stack(pair)) for pair in zip(ORDER_WAVE, ORDER_FLUX, strict=True))
    )


def an_extension_of_an_axis_an_order() -> bytes:
    made = [fits.ImageHDU(f, name=f"ORDER{i}") for i, f in enumerate(ORDER_FLUX)]
    for hdu, wave in zip(made, ORDER_WAVE, strict=True):
        hdu.header.update({"CRVAL1": wave[0], "CDELT1": 0.05, "CRPIX1": 1.0})
    return fits_bytes(fits.PrimaryHDU(), *made)


def two_extensions_an_order() -> bytes:
    arrays = {}
    for i, (wave, flux) in enumerate(zip(ORDER_WAVE, ORDER_FLUX, strict=True)):
        arrays |= {f"ORDER_{i:02d}_WAVE": wave, f"ORDER_{i:02d}_FLUX": flux}
    return images({}, **arrays)


def quantities_along_the_middle_axis() -> bytes:
    return fits_bytes(fits.PrimaryHDU(np.stack([ORDER_WAVE, ORDER_FLUX, ORDER_ERROR], 1)))


def wavelengths_in_a_table() -> bytes:
    return fits_bytes(fits.PrimaryHDU(ORDER_FLUX), bintable({"WAVELENGTH": (f"{N}D", ORDER_WAVE)}))


def lookup_of_wavelengths() -> bytes:
    hdu = fits.PrimaryHDU(noisy(WAVE))
    hdu.header.update(
        {"CTYPE1": "AWAV-TAB", "CRPIX1": 1.0, "CRVAL1": 1.0, "CDELT1": 1.0, "PS1_0": "LOOKUP", "PS1_1": "WAVELENGTH"}
    )
    return fits_bytes(hdu, bintable({"WAVELENGTH": (f"{WAVE.size}D", WAVE[None])}, "LOOKUP"))


def harps_orders() -> bytes:
    hdu = fits.PrimaryHDU(ORDER_FLUX)
    hdu.header["HIERARCH ESO DRS CAL TH DEG LL"] = 3
    for i in range(4 * ORDERS):
        hdu.header[f"HIERARCH ESO DRS CAL TH COEFF LL{i}"] = (float(ORDER_WAVE[i // 4, 0]), 0.05, 0.0, 0.0)[i % 4]
    return fits_bytes(hdu)


def one_aperture_of_iraf() -> bytes:
    hdu = fits.PrimaryHDU(noisy(WAVE))
    hdu.header.update(
        {
            "WCSDIM": 2,
            "CTYPE1": "MULTISPE",
            "WAT0_001": "system=multispec",
            "WAT1_001": "wtype=multispec units=angstroms",
        }
    )
    middle, half = 0.5 * (WAVE[0] + WAVE[-1]), 0.5 * (WAVE[-1] - WAVE[0])
    words = f'wtype=multispec spec1 = "1 1 2 5140. 0.05 {WAVE.size} 0. 1. 2. 1. 0. 1 2 1. {WAVE.size}. {middle:.6f} {half:.6f}"'
    hdu.header.update({f"WAT2_{i // 68 + 1:03d}": words[i : i + 68] for i in range(0, len(words), 68)})
    return fits_bytes(hdu)


def giraffe_fibres() -> bytes:
    hdu = fits.PrimaryHDU(np.stack([noisy(WAVE), np.abs(RNG.normal(0.02, 0.01, WAVE.size))], 1))
    hdu.header.update({"CRVAL1": 1.0, "CDELT1": 1.0, "CRVAL2": 514.0, "CDELT2": 0.005, "CRPIX2": 1.0, "CUNIT2": "nm"})
    return fits_bytes(hdu, bintable({"OBJECT": ("5A", np.array(["HD 1", "SKY"]))}, "FIBER_SETUP"))


def wavenumber_image() -> bytes:
    return images({}, FLUX=noisy(WAVE)[::-1], WAVENUMBER=1e8 / WAVE[::-1])


def compound_hdf5() -> bytes:
    rows = np.zeros(WAVE.size, dtype=[("wave", "f8"), ("flux", "f8")])
    rows["wave"], rows["flux"] = WAVE, noisy(WAVE)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["spectrum"] = rows
    return buffer.getvalue()


def sky_ahead_of_the_star() -> bytes:
    made = []
    for name, flux in (("SKY", 0.03 + 0 * WAVE), ("ERRS", 0.005 + 0 * WAVE), ("FLUX", noisy(WAVE))):
        made.append(fits.ImageHDU(flux + 1e-3 * RNG.random(WAVE.size) * (name != "FLUX"), name=name))
        made[-1].header.update({"CRVAL1": 5140.0, "CDELT1": 0.05, "CRPIX1": 1.0})
    return fits_bytes(fits.PrimaryHDU(), *made)


def points_of_thousands() -> bytes:
    rows = (f"{w:,.2f};{f:.5f}".translate(str.maketrans(",.", ".,")) for w, f in zip(WAVE, noisy(WAVE), strict=True))
    return ("Wellenlaenge;Fluss\n" + "\n".join(rows) + "\n").encode()


def quoted_numbers() -> bytes:
    rows = (f'"{i + 1}",{w:.3f},{f:.5f}' for i, (w, f) in enumerate(zip(WAVE, noisy(WAVE), strict=True)))
    return ('"","wave","flux"\n' + "\n".join(rows) + "\n").encode()


def bars_between() -> bytes:
    rows = (f"| {w:.3f} | {f:.5f} |" for w, f in zip(WAVE, noisy(WAVE), strict=True))
    return ("| wave | flux |\n|------|------|\n" + "\n".join(rows) + "\n").encode()


def a_word_in_each_line() -> bytes:
    rows = (f"HD 1,{w:.3f},{f:.5f}" for w, f in zip(WAVE, noisy(WAVE), strict=True))
    return ("star,wave,flux\n" + "\n".join(rows) + "\n").encode()


def metres() -> bytes:
    return text(WAVE * 1e-10, noisy(WAVE), fmt="%.9e")


def natural_logarithms() -> bytes:
    return text(np.log(WAVE), noisy(WAVE), fmt="%.9f")


def flux_ahead_of_wavelength() -> bytes:
    return text(noisy(WAVE), WAVE)


RED = WAVE + 960.0


def arms_in_columns() -> bytes:
    columns = {f"{k}_{a}": ("D", v) for a, w in (("b", WAVE), ("r", RED)) for k, v in (("wave", w), ("flux", noisy(w)))}
    return fits_bytes(fits.PrimaryHDU(), bintable(columns))


def arms_in_cells_of_their_own_length() -> bytes:
    arms = (("BLUE", WAVE), ("RED", RED[:-50]))
    columns = {f"{k}_{a}": (f"{w.size}D", v[None]) for a, w in arms for k, v in (("WAVE", w), ("FLUX", noisy(w)))}
    return fits_bytes(fits.PrimaryHDU(), bintable(columns))


def arms_in_columns_of_a_text() -> bytes:
    return text(WAVE, noisy(WAVE), RED, noisy(RED))


def arms_of_unequal_length_in_a_text() -> bytes:
    rows = [f"{w:.3f},{f:.5f}," for w, f in zip(WAVE, noisy(WAVE), strict=True)]
    rows = [f"{row}{w:.3f},{f:.5f}" for row, w, f in zip(rows, RED, noisy(RED), strict=True)]
    more = [f",,{w:.3f},{f:.5f}" for w, f in zip(RED[-1] + 0.05 * np.arange(1, 30), np.ones(29), strict=True)]
    return ("green_wave,green_flux,red_wave,red_flux\n" + "\n".join([*rows, *more]) + "\n").encode()


def arms_in_hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for arm, wave in (("b", WAVE), ("r", RED)):
            file[f"wave_{arm}"], file[f"flux_{arm}"] = wave, noisy(wave)
    return buffer.getvalue()


def orders_in_columns() -> bytes:
    """CRIRES+: SPEC, ERR and WL of each order in columns beside each other."""
    columns = {}
    for i, (w, f, e) in enumerate(zip(ORDER_WAVE, ORDER_FLUX, ORDER_ERROR, strict=True), 2):
        columns |= {f"{i:02d}_01_SPEC": ("D", f), f"{i:02d}_01_ERR": ("D", e), f"{i:02d}_01_WL": ("D", w / 10)}
    return fits_bytes(fits.PrimaryHDU(), bintable(columns, "CHIP1.INT1"))


def bands_of_iraf_with_the_sky_first() -> bytes:
    """MIKE as CarPy writes it: bands sky, object, noise, ... of all orders."""
    hdu = fits.PrimaryHDU(np.stack([0.03 * ORDER_FLUX[:, ::-1], ORDER_FLUX, ORDER_ERROR, ORDER_FLUX / ORDER_ERROR]))
    names = ("sky", "object", "noise (from photons)", "signal-to-noise")
    hdu.header.update(
        {"CTYPE1": "MULTISPE", "WAT0_001": "system=multispec"} | {f"BANDID{i + 1}": n for i, n in enumerate(names)}
    )
    words = "wtype=multispec " + " ".join(
        f'spec{i + 1} = "{i + 1} {90 - i} 0 {w[0]} 0.05 {N} 0. 1. 2."' for i, w in enumerate(ORDER_WAVE)
    )
    hdu.header.update({f"WAT2_{i // 68 + 1:03d}": words[i : i + 68] for i in range(0, len(words), 68)})
    return fits_bytes(hdu)


def spirou() -> bytes:
    """SPIRou as APERO writes it: A and B are halves of AB, C is the lamp."""
    lamp = 1e3 * (1 + 30.0 * (np.arange(N) % 50 == 0)) * np.ones((ORDERS, 1))
    fluxes = {"AB": ORDER_FLUX, "A": 0.5 * ORDER_FLUX, "B": 0.5 * ORDER_FLUX, "C": lamp}
    waves = {f"Wave{k}": ORDER_WAVE / 10 for k in fluxes}
    return images({"INSTRUME": "SPIRou"}, **{f"Flux{k}": v for k, v in fluxes.items()}, **waves)


def names_of_sme() -> bytes:
    model = star(WAVE + 0.01)
    columns = {
        "wave": WAVE,
        "sob": noisy(WAVE),
        "uob": np.full(WAVE.size, 0.005),
        "smod": model,
        "mob": np.ones(WAVE.size),
    }
    return fits_bytes(fits.PrimaryHDU(), bintable({k: ("D", v) for k, v in columns.items()}))


ARMS: tuple[Callable[[], bytes], ...] = (
    arms_in_columns, arms_in_cells_of_their_own_length, arms_in_columns_of_a_text, arms_of_unequal_length_in_a_text, arms_in_hdf5,
)  # fmt: skip
"""Two arms beside each other, of 300 Angstrom each."""


VARIANTS: tuple[Callable[[], bytes], ...] = (
    orders_along_the_second_axis, cells_turned, an_extension_of_two_rows_an_order, an_extension_of_an_axis_an_order,
    two_extensions_an_order,
    quantities_along_the_middle_axis,
    wavelengths_in_a_table, lookup_of_wavelengths, harps_orders, one_aperture_of_iraf, giraffe_fibres, wavenumber_image, compound_hdf5,
    sky_ahead_of_the_star, points_of_thousands, quoted_numbers, bars_between, a_word_in_each_line, metres, natural_logarithms,
    flux_ahead_of_wavelength, orders_in_columns, bands_of_iraf_with_the_sky_first, spirou, names_of_sme, *ARMS,
)  # fmt: skip
