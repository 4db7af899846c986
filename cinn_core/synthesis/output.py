"""Files of one synthesised spectrum: a FITS table that Kiel and other programs read, or CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from .. import __version__
from ..errors import DataError
from ..files import written
from ..instrument import MODEL_FWHM_KMS, SPEED_OF_LIGHT_KMS
from ..targets import SYNTHESIS_NAMES

SUFFIXES = (".fits", ".csv")


def require_suffix(path: Path) -> None:
    """Check that a file name ends in .fits or .csv, before anything is computed. Raises DataError where it does not."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path.name} does not say its format; name a file that ends in {' or '.join(SUFFIXES)}.")


def write_synthesis(
    path: Path, labels: NDArray, wavelength: NDArray, flux: NDArray, provenance: Mapping[str, str]
) -> None:
    """Write wavelength (m,) [air Angstrom] and flux over continuum (m,), whole or not at all, as FITS or CSV by its suffix.

    labels (25,) go into the header of FITS; the spectrum is at R = 60 000, without rotation, at rest. Raises DataError
    for another suffix.
    """
    require_suffix(path)
    if path.suffix.lower() == ".csv":
        table = np.stack([wavelength, flux], 1)
        with written(path) as part:
            np.savetxt(part, table, fmt=("%.4f", "%.6f"), delimiter=",", header="wave_air,flux", comments="")
        return
    columns = [
        fits.Column("WAVE", "D", unit="Angstrom", array=wavelength),
        fits.Column("FLUX", "D", array=flux),
    ]
    table_hdu = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    table_hdu.header["TUCD1"] = ("em.wl;obs.atmos", "air wavelengths")
    hdus = fits.HDUList([fits.PrimaryHDU(header=_header(labels, provenance)), table_hdu])
    with written(path) as part:
        hdus.writeto(part, overwrite=True)


def _header(labels: NDArray, provenance: Mapping[str, str]) -> fits.Header:
    header = fits.Header()
    header["OBJECT"] = "synthetic star"
    header["SPEC_RES"] = (round(SPEED_OF_LIGHT_KMS / MODEL_FWHM_KMS), "resolving power")
    header["AIRORVAC"] = ("air", "medium of the wavelengths")
    for name, value in zip(SYNTHESIS_NAMES, labels.tolist(), strict=True):
        header[name.upper()[:8]] = value
    for name, text in provenance.items():
        header[name.upper()[:8]] = text
    header["CREATOR"] = f"kiel {__version__}"
    return header
