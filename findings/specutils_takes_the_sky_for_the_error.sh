#!/usr/bin/env bash
# specutils 2.4.0.
# Expected: from a table with the columns wavelength, flux, sky, error specutils' reader takes `error` for the
# uncertainty, by its name. Found: names are never looked at. Flux is the first column with a unit of flux, the
# uncertainty the next one with the same unit: here the sky, as a standard deviation, and the column `error` is not used.
# Where the background stands first, that is the flux.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from astropy import units as u
from astropy.table import QTable
from specutils import Spectrum

LEVELS = {"flux": 1.0, "sky": 3.0, "error": 0.01}


def read(order):
    table = QTable({"wavelength": np.linspace(5000, 5010, 50) * u.AA})
    for name in order:
        table[name] = np.full(50, LEVELS[name]) * u.Unit("erg / (s cm2 Angstrom)")
    table.write("star.fits", overwrite=True)
    spectrum = Spectrum.read("star.fits")
    return float(spectrum.flux[0].value), float(spectrum.uncertainty.array[0])


usual, sky_first = read(["flux", "sky", "error"]), read(["sky", "flux", "error"])
print("flux 1, sky 3, error 0.01 are read as flux and uncertainty", usual, "; with the sky first as", sky_first)
assert usual == (1.0, 3.0), "names of columns count now"
assert sky_first == (3.0, 1.0)
print("holds")
PYTHON
