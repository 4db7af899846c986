"""Made-up wavelengths and fluxes, and tables of them, as the tests of the readers write them into files."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

N = 4000
WAVE = 5200 + 0.05 * np.arange(N)
FLUX = (1 + 0.1 * np.sin(WAVE) + 0.01 * np.random.default_rng(5).normal(size=N)).astype(np.float32)
FLUXES = np.stack([k + 0.1 * np.sin(WAVE) for k in (1.0, 2.0, 3.0)])
"""Three spectra of different level."""


def rows_hdu(wave: np.ndarray, flux: np.ndarray) -> fits.BinTableHDU:
    columns = [fits.Column(name=n, format=f"{v.shape[1]}D", array=v) for n, v in (("WAVE", wave), ("FLUX", flux))]
    return fits.BinTableHDU.from_columns(columns)


def pixels_hdu(flux: np.ndarray, name: str) -> fits.BinTableHDU:
    columns = [fits.Column(name=n, format="D", array=v) for n, v in (("WAVE", WAVE), ("FLUX", flux))]
    return fits.BinTableHDU.from_columns(columns, name=name)
