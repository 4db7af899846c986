"""Prepared spectrum as a FITS file: the pixels as the network sees them, and the ledger of all steps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from .. import __version__
from ..errors import printable
from ..files import written
from ..instrument import ARMS, PIXEL_ANGSTROM, RESOLVING_POWER, WAVELENGTH, arm_slices, pixel_sigma
from ..stages import FluxVector


def write_prepared(vector: FluxVector, path: Path) -> None:
    """Write a flux vector to `path`, whole or not at all; Kiel and any reader of ESO phase 3 columns can read it again.

    Table SPECTRUM, one row of vectors as in ESO phase 3: WAVE (air Angstrom, at rest), FLUX and ERR
    (continuum 1, NaN where nothing was observed),
    CONTINUUM (what the observation was divided by), QUAL (0 good, 1 missing). Table LEDGER: every step.
    """
    n = WAVELENGTH.size
    columns = [
        fits.Column(name, f"{n}{kind}", unit=unit, array=np.asarray(values)[None])
        for name, kind, unit, values in (
            ("WAVE", "D", "Angstrom", WAVELENGTH),
            ("FLUX", "D", "", vector.flux),
            ("ERR", "D", "", pixel_errors(vector)),
            ("CONTINUUM", "D", "", vector.continuum),
            ("QUAL", "J", "", (~vector.good).astype(int)),
        )
    ]
    spectrum = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    _describe(spectrum.header, vector)
    hdus = fits.HDUList([fits.PrimaryHDU(header=_header(vector)), spectrum, _ledger(vector)])
    with written(path) as beside:
        hdus.writeto(beside, overwrite=True, checksum=True, output_verify="exception")


_DESCRIBED: tuple[tuple[str, str], ...] = (
    ("Spectrum.Data.SpectralAxis.Value", "em.wl;obs.atmos"),
    ("Spectrum.Data.FluxAxis.Value", "phot.flux.density;em.wl;arith.ratio;meta.main"),
    ("Spectrum.Data.FluxAxis.Accuracy.StatError", "stat.error;phot.flux.density;em.wl"),
    ("", "spect.continuum"),
    ("Spectrum.Data.FluxAxis.Accuracy.QualityStatus", "meta.code.qual;meta.main"),
)
"""Utype and UCD of each column."""


def _describe(header: fits.Header, vector: FluxVector) -> None:
    """Write the keywords by which phase 3 and the VO know a spectrum table; limits in nm."""
    for i, (utype, ucd) in enumerate(_DESCRIBED, 1):
        header[f"TUTYP{i}"], header[f"TUCD{i}"] = utype, ucd
    low, high = (0.1 * float(w) for w in (WAVELENGTH[0], WAVELENGTH[-1]))
    for key, value, comment in (
        ("VOCLASS", "SPECTRUM V2.0", "VO data model"),
        ("VOPUB", "none", "not published"),
        ("TITLE", f"{plain_ascii(vector.star)} as seen by 4MOST"[:60], ""),
        ("OBJECT", plain_ascii(vector.star), ""),
        ("NELEM", WAVELENGTH.size, "elements of each vector"),
        ("TDMIN1", float(WAVELENGTH[0]), "[Angstrom]"),
        ("TDMAX1", float(WAVELENGTH[-1]), "[Angstrom]"),
        ("SPEC_VAL", 0.5 * (low + high), "[nm] middle"),
        ("SPEC_BW", high - low, "[nm] extent"),
    ):
        header[key] = (value, comment)


def _header(vector: FluxVector) -> fits.Header:
    header = fits.Header()
    header["OBJECT"] = plain_ascii(vector.star)
    low, high = (0.1 * float(w) for w in (WAVELENGTH[0], WAVELENGTH[-1]))
    known = [s for s in vector.snr if np.isfinite(s)]
    for key, value, comment in (
        ("ORIGIN", "Kiel", "made by this software, not by an observatory"),
        ("PRODCATG", "SCIENCE.SPECTRUM", "kind of product"),
        ("OBSTECH", "ECHELLE", "technique of observation"),
        ("FLUXCAL", "UNCALIBRATED", ""),
        ("CONTNORM", True, "continuum is 1"),
        ("SPECSYS", "SOURCE", "rest frame of the star"),
        ("WAVELMIN", low, "[nm]"),
        ("WAVELMAX", high, "[nm]"),
        ("SPEC_BIN", 0.1 * PIXEL_ANGSTROM, "[nm] a pixel"),
        ("SNR", float(np.median(known)) if known else 0.0, "per Angstrom, median of the arms"),
    ):
        header[key] = (value, comment)
    header["SPEC_RES"] = (RESOLVING_POWER, "resolving power")
    header["AIRORVAC"] = ("air", "medium of the wavelengths")
    for name, value, comment in (
        ("RV", vector.rv_kms, "[km/s] velocity taken out"),
        ("E_RV", vector.rv_error_kms, "[km/s] its error"),
        ("NATIVE_R", vector.native_resolving_power, "resolving power of the file"),
        *((f"SNR_{arm.name[:3].upper()}", snr, "S/N per Angstrom") for arm, snr in zip(ARMS, vector.snr, strict=True)),
    ):
        header[name] = (value if np.isfinite(value) else "unknown", comment)
    header["ORIGFILE"] = plain_ascii(vector.file)
    header["SHA256"] = vector.sha256
    header["FLAGS"] = " ".join(vector.flags)
    header["CREATOR"] = f"kiel {__version__}"
    return header


def _ledger(vector: FluxVector) -> fits.BinTableHDU:
    texts = [
        [plain_ascii(step.name) for step in vector.steps],
        [plain_ascii(step.reason) for step in vector.steps],
        [plain_ascii(json.dumps(step.numbers, default=float, ensure_ascii=False)) for step in vector.steps],
    ]
    columns = [
        fits.Column(name, f"{max(map(len, column), default=1)}A", array=np.array(column))
        for name, column in zip(("STEP", "REASON", "NUMBERS"), texts, strict=True)
    ]
    return fits.BinTableHDU.from_columns(columns, name="LEDGER")


def pixel_errors(vector: FluxVector) -> NDArray:
    """1 sigma of each pixel (N_PIXELS,) by the S/N of its arm, continuum 1; NaN where nothing was observed."""
    error = np.full(WAVELENGTH.size, np.nan)
    for snr, part in zip(vector.snr, arm_slices(), strict=True):
        error[part] = pixel_sigma(snr)
    error[~vector.good] = np.nan
    return error


def plain_ascii(text: str) -> str:
    """Text in printable ASCII, which is all that FITS headers hold."""
    plain = text.replace("Å", "Angstrom").replace("−", "-").encode("ascii", "replace").decode()
    return printable(plain)
