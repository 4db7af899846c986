#!/usr/bin/env bash
# specutils 2.4.0.
# Expected: specutils reads a one-dimensional ESO science product (HARPS, UVES, FEROS, GIRAFFE, X-shooter of the archive:
# one table row whose cells hold the arrays WAVE, FLUX, ERR), one of the commonest spectra there are. Found: there is no
# reader for it; the one that offers itself, tabular-fits, takes the row for a spectrum of shape (1, n) and raises a
# ValueError about a lookup table. The same arrays as columns are read.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from astropy.io import fits
from specutils import Spectrum

UNITS = {"WAVE": "angstrom", "FLUX": "erg cm**(-2) s**(-1) angstrom**(-1)", "ERR": "erg cm**(-2) s**(-1) angstrom**(-1)"}
ARRAYS = {"WAVE": np.linspace(5000, 5010, 100), "FLUX": np.full(100, 1e-13), "ERR": np.full(100, 1e-15)}


def outcome(one_row):
    columns = [
        fits.Column(name, "100D" if one_row else "D", unit=UNITS[name], array=array[None] if one_row else array)
        for name, array in ARRAYS.items()
    ]
    primary = fits.PrimaryHDU()
    primary.header.update(PRODCATG="SCIENCE.SPECTRUM", ORIGIN="ESO", SPECSYS="BARYCENT")
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns, name="SPECTRUM")]).writeto("star.fits", overwrite=True)
    try:
        return f"flux of shape {Spectrum.read('star.fits').flux.shape}"
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"


rows = {one_row: outcome(one_row) for one_row in (True, False)}
print("one row of arrays, as ESO writes it:", rows[True])
print("one row a pixel:", rows[False])
assert "Error" in rows[True], "ESO's products are read now"
assert rows[False] == "flux of shape (100,)"
print("holds")
PYTHON
