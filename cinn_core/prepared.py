"""A 4MOST-ified spectrum as a FITS file: the pixels as the network sees them, and the ledger of how they came about."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from astropy.io import fits

from . import __version__
from .instrument import ARMS, RESOLVING_POWER, WAVELENGTH, arm_slices, pixel_sigma
from .stages import FluxVector


def write_prepared(vector: FluxVector, path: Path) -> None:
    """Writes `path`, whole or not at all; Kiel and any reader of ESO phase 3 columns can read it again.

    Table SPECTRUM: WAVE (air Angstrom, at rest), FLUX and ERR (continuum 1, NaN where nothing was observed),
    CONTINUUM (what the observation was divided by), QUAL (0 good, 1 missing). Table LEDGER: every step.
    """
    error = np.full(WAVELENGTH.size, np.nan)
    for snr, part in zip(vector.snr, arm_slices(), strict=True):
        error[part] = pixel_sigma(snr)
    error[~vector.good] = np.nan
    columns = [
        fits.Column("WAVE", "D", unit="Angstrom", array=WAVELENGTH),
        fits.Column("FLUX", "D", array=vector.flux),
        fits.Column("ERR", "D", array=error),
        fits.Column("CONTINUUM", "D", array=vector.continuum),
        fits.Column("QUAL", "J", array=(~vector.good).astype(int)),
    ]
    spectrum = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    spectrum.header["TUCD1"] = ("em.wl;obs.atmos", "air wavelengths")
    hdus = fits.HDUList([fits.PrimaryHDU(header=_header(vector)), spectrum, _ledger(vector)])
    beside = path.with_name(path.name + ".part")
    hdus.writeto(beside, overwrite=True)
    os.replace(beside, path)


def _header(vector: FluxVector) -> fits.Header:
    header = fits.Header()
    header["OBJECT"] = _ascii(vector.star)
    header["SPEC_RES"] = (RESOLVING_POWER, "resolving power")
    header["AIRORVAC"] = ("air", "medium of the wavelengths")
    for name, value, comment in (
        ("RV", vector.rv_kms, "[km/s] velocity taken out"),
        ("E_RV", vector.rv_error_kms, "[km/s] its error"),
        ("NATIVE_R", vector.native_resolving_power, "resolving power of the file"),
        *((f"SNR_{arm.name[:3].upper()}", snr, "S/N per Angstrom") for arm, snr in zip(ARMS, vector.snr, strict=True)),
    ):
        header[name] = (value if np.isfinite(value) else "unknown", comment)
    header["ORIGFILE"] = _ascii(vector.file)
    header["SHA256"] = vector.sha256
    header["FLAGS"] = " ".join(vector.flags)
    header["CREATOR"] = f"kiel {__version__}"
    return header


def _ledger(vector: FluxVector) -> fits.BinTableHDU:
    texts = [
        [_ascii(step.name) for step in vector.steps],
        [_ascii(step.reason) for step in vector.steps],
        [_ascii(json.dumps(step.numbers, default=float, ensure_ascii=False)) for step in vector.steps],
    ]
    columns = [
        fits.Column(name, f"{max(map(len, column), default=1)}A", array=np.array(column))
        for name, column in zip(("STEP", "REASON", "NUMBERS"), texts, strict=True)
    ]
    return fits.BinTableHDU.from_columns(columns, name="LEDGER")


def _ascii(text: str) -> str:
    """FITS holds printable ASCII alone."""
    plain = text.replace("Å", "Angstrom").replace("−", "-").encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in plain)
