"""The same made-up observation written in every format that Kiel reads: what the property-based test draws from."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass

import h5py
import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from synthetic import POWER, fits_bytes, image_hdu, labels_of, observed

from cinn_core.stages import Medium

SNR = 3000.0
ORDER_ANGSTROM, OVERLAP_ANGSTROM = 75.0, 15.0
STARS = (
    labels_of(),
    labels_of(4650, 2.4, -0.3, 1.5, 4.0, mg_fe=0.15),
    labels_of(6300, 4.2, -0.2, 1.4, 18.0),
    labels_of(5400, 3.6, -1.4, 1.3, 5.0, mg_fe=0.3, ca_fe=0.3),
)


@dataclass(frozen=True)
class Observation:
    """A star (index of STARS) at a velocity [km/s], in air or vacuum, with the coefficients of a smooth response."""

    star: int
    rv: float
    medium: Medium
    response: tuple[float, float, float]

    def flux(self, wavelength: np.ndarray) -> np.ndarray:
        """Normalised flux (n,) times the response: a polynomial over 5100-6860 Angstrom, in counts."""
        x = (wavelength - 5980.0) / 880.0
        a, b, c = self.response
        return (
            4e4 * observed(STARS[self.star], wavelength, self.rv, SNR, self.medium) * (1 + a * x + b * x**2 + c * x**3)
        )

    @property
    def ctype(self) -> str:
        return "AWAV" if self.medium is Medium.AIR else "WAVE"


Format = Callable[[Observation], tuple[bytes, str]]
LINEAR = 5100.0 + 0.03 * np.arange(58_600)
LOG10 = np.log10(5100.0) + 2.2e-6 * np.arange(58_600)


def noise(flux: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    return np.median(flux) / (SNR * np.sqrt(np.gradient(wavelength)))


def vectors(columns: dict[str, np.ndarray], one_row: bool = True, **cards) -> fits.BinTableHDU:
    made = [
        fits.Column(name=name, format=f"{v.size}D" if one_row else "D", array=v[None] if one_row else v)
        for name, v in columns.items()
    ]
    hdu = fits.BinTableHDU.from_columns(made)
    hdu.header.update(cards)
    return hdu


def primary(**cards) -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU()
    hdu.header.update({"SPEC_RES": POWER} | cards)
    return hdu


def eso_phase3(o: Observation) -> tuple[bytes, str]:
    flux = o.flux(LINEAR)
    columns = {"WAVE": LINEAR / 10, "FLUX": flux, "ERR": noise(flux, LINEAR)}
    types = ("spec:Data.SpectralAxis.Value", "spec:Data.FluxAxis.Value", "spec:Data.FluxAxis.Accuracy.StatError")
    cards = {f"TUTYP{i + 1}": t for i, t in enumerate(types)}
    cards |= {"TUNIT1": "nm", "TUCD1": "em.wl;obs.atmos" if o.medium is Medium.AIR else "em.wl"}
    return fits_bytes(primary(), vectors(columns, **cards)), "ADP.fits"


def fourmost_level1(o: Observation) -> tuple[bytes, str]:
    inside = ((LINEAR > 5130) & (LINEAR < 5760)) | ((LINEAR > 6070) & (LINEAR < 6820))
    wave = LINEAR[inside]
    flux = o.flux(wave)
    columns = {"WAVE": wave, "FLUX": flux, "ERR_FLUX": noise(flux, wave), "QUAL": np.zeros(wave.size)}
    ucd = "em.wl;obs.atmos" if o.medium is Medium.AIR else "em.wl"
    return fits_bytes(primary(), vectors(columns, TUCD1=ucd, EXTNAME="PHASE3SPECTRUM")), "4most_LJ1.fits"


def linear_image(o: Observation) -> tuple[bytes, str]:
    cards = {
        "CRVAL1": 5100.0,
        "CDELT1": 0.03,
        "CRPIX1": 1.0,
        "CTYPE1": o.ctype,
        "CUNIT1": "Angstrom",
        "INSTRUME": "HIRES",
    }
    return fits_bytes(image_hdu(o.flux(LINEAR), **cards)), "linear.fits"


def nm_image_with_sigma(o: Observation) -> tuple[bytes, str]:
    flux = o.flux(LINEAR)
    axis = {"CRVAL1": 510.0, "CDELT1": 0.003, "CRPIX1": 1, "CUNIT1": "nm", "CTYPE1": o.ctype, "INSTRUME": "HIRES"}
    sigma = fits.ImageHDU(noise(flux, LINEAR), name="SIGMA")
    sigma.header.update(axis)
    return fits_bytes(image_hdu(flux, **axis), sigma), "nm.fits"


def log10_image(o: Observation) -> tuple[bytes, str]:
    cards = {
        "CRVAL1": LOG10[0],
        "CDELT1": 2.2e-6,
        "CRPIX1": 1.0,
        "DC_FLAG": 1,
        "INSTRUME": "HIRES",
        "AIRORVAC": o.medium.value,
    }
    return fits_bytes(image_hdu(o.flux(10**LOG10), **cards)), "log10.fits"


def natural_log_image(o: Observation) -> tuple[bytes, str]:
    wave = 5100.0 * np.exp(0.03 * np.arange(50_500) / 5100.0)
    cards = {"CRVAL1": 5100.0, "CDELT1": 0.03, "CRPIX1": 1.0, "CTYPE1": f"{o.ctype}-LOG", "INSTRUME": "HIRES"}
    return fits_bytes(image_hdu(o.flux(wave), **cards)), "ln.fits"


def column_table(o: Observation) -> tuple[bytes, str]:
    flux = o.flux(LINEAR)
    columns = {f"wave_{o.medium.value[:3]}": LINEAR, "flux": flux, "uflux": noise(flux, LINEAR)}
    return fits_bytes(primary(), vectors(columns, one_row=False)), "columns.fits"


def inverse_variance(o: Observation) -> tuple[bytes, str]:
    flux = o.flux(LINEAR)
    columns = {"LAMBDA": LINEAR, "SPEC": flux, "IVAR": noise(flux, LINEAR) ** -2}
    return fits_bytes(primary(AIRORVAC=o.medium.value), vectors(columns)), "deimos.fits.gz"


def text_columns(o: Observation) -> tuple[bytes, str]:
    flux = o.flux(LINEAR)
    return _text(LINEAR, flux, noise(flux, LINEAR)), "HIRES_star.txt"


def ispec_text(o: Observation) -> tuple[bytes, str]:
    o = Observation(o.star, o.rv, Medium.AIR, o.response)  # it knows nothing else
    flux = o.flux(LINEAR)
    return b"waveobs\tflux\terr\n" + _text(LINEAR / 10, flux, noise(flux, LINEAR)), "HIRES_ispec.txt"


def comma_separated(o: Observation) -> tuple[bytes, str]:
    return b"wavelength,flux\n" + _text(LINEAR, o.flux(LINEAR)).replace(b" ", b","), "HIRES_star.csv"


def narval_text(o: Observation) -> tuple[bytes, str]:
    flux = o.flux(LINEAR)
    title = f"***Reduced spectrum of 'star'\n {LINEAR.size} 2\n".encode()
    return title + _text(LINEAR / 10, flux, noise(flux, LINEAR)), "narval_star.s"


def ecsv(o: Observation) -> tuple[bytes, str]:
    flux = o.flux(LINEAR)
    units = {
        "wave_air" if o.medium is Medium.AIR else "wave_vac": LINEAR * u.AA,
        "flux": flux,
        "error": noise(flux, LINEAR),
    }
    buffer = io.StringIO()
    Table(units).write(buffer, format="ascii.ecsv")
    return buffer.getvalue().encode(), "HIRES_star.ecsv"


def hdf5_groups(o: Observation) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update({"AIRORVAC": o.medium.value, "SPEC_RES": POWER})
        for i, (wave, flux) in enumerate(_orders(o)):
            file[f"order{i:02d}/wave"], file[f"order{i:02d}/flux"] = wave, flux
    return buffer.getvalue(), "orders.h5"


def arms_in_extensions(o: Observation) -> tuple[bytes, str]:
    hdus: list[fits.PrimaryHDU] = []
    for low, high, level in ((5120.0, 5780.0, 1.0), (6060.0, 6840.0, 3.0), (7500.0, 7900.0, 2.0)):
        wave = np.arange(low, high, 0.03)
        cards = {"CRVAL1": low, "CDELT1": 0.03, "CRPIX1": 1.0, "INSTRUME": "HIRES", "AIRORVAC": o.medium.value}
        hdu = image_hdu(level * o.flux(wave), **cards)
        hdus.append(hdu if not hdus else fits.ImageHDU(hdu.data, hdu.header))
    return fits_bytes(*hdus), "arms.fits"


def order_text(o: Observation) -> tuple[bytes, str]:
    parts = [np.stack([np.full(w.size, i), w, f], 1) for i, (w, f) in enumerate(_orders(o))]
    return _text(*np.concatenate(parts).T), "HIRES_orders.txt"


def order_extensions(o: Observation) -> tuple[bytes, str]:
    hdus: list[fits.PrimaryHDU] = []
    for wave, flux in _orders(o):
        cards = {"CRVAL1": wave[0], "CDELT1": 0.03, "CRPIX1": 1.0, "INSTRUME": "HIRES", "AIRORVAC": o.medium.value}
        hdu = image_hdu(flux, **cards)
        hdus.append(hdu if not hdus else fits.ImageHDU(hdu.data, hdu.header))
    return fits_bytes(*hdus), "extensions.fits"


def order_image(o: Observation) -> tuple[bytes, str]:
    wave, flux = (np.stack(a) for a in zip(*_orders(o), strict=True))
    first = image_hdu(flux, INSTRUME="HIRES", AIRORVAC=o.medium.value)
    return fits_bytes(first, fits.ImageHDU(np.sqrt(flux)), fits.ImageHDU(wave)), "cps.fits"


def iraf_multispec(o: Observation) -> tuple[bytes, str]:
    orders = _orders(o)
    hdu = image_hdu(
        np.stack([f for _, f in orders]),
        WAT0_001="system=multispec",
        CTYPE1="MULTISPE",
        INSTRUME="HIRES",
        AIRORVAC=o.medium.value,
    )
    specs = [f'spec{i + 1} = "{i + 1} {i + 1} 0 {w[0]:.6f} 0.03 {w.size} 0. 1. 2."' for i, (w, _) in enumerate(orders)]
    words = "wtype=multispec " + " ".join(specs)
    for i in range(0, len(words), 68):
        hdu.header[f"WAT2_{i // 68 + 1:03d}"] = words[i : i + 68]
    return fits_bytes(hdu), "multispec.fits"


def _orders(o: Observation) -> list[tuple[np.ndarray, np.ndarray]]:
    """Overlapping orders (wavelength, flux) under a blaze whose depth the response draws."""
    step = ORDER_ANGSTROM - OVERLAP_ANGSTROM
    n = round(ORDER_ANGSTROM / 0.03)
    x = np.linspace(-1, 1, n)
    blaze = np.sinc(x * (0.55 + 0.15 * abs(o.response[0]))) ** 2
    starts = 5100.0 + step * np.arange(29)
    return [(w := s + 0.03 * np.arange(n), o.flux(w) * blaze) for s in starts]


def _text(*columns: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savetxt(buffer, np.stack(columns, 1), fmt=["%.6f", "%.5f", "%.5f"][: len(columns)])
    return buffer.getvalue()


FORMATS: dict[str, Format] = {
    f.__name__: f
    for f in (eso_phase3, fourmost_level1, linear_image, nm_image_with_sigma, log10_image, natural_log_image, column_table,
              inverse_variance, text_columns, ispec_text, narval_text, comma_separated, ecsv, arms_in_extensions, order_text, hdf5_groups,
              order_extensions, order_image, iraf_multispec)
}  # fmt: skip


def compressed(data: bytes, wanted: bool) -> bytes:
    return gzip.compress(data, 1) if wanted else data
