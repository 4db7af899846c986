#!/usr/bin/env bash
# PyAstronomy 0.25.0.
# Expected: instrBroadGaussFast(wavelength, flux, resolution=20000) brings a spectrum to R = 20000 throughout. Found: one
# Gaussian, as wide as the mean wavelength needs, is used everywhere: over 4000 to 8000 Angstrom lines at 4200 come
# out at R = 14000 and lines at 7800 at R = 26000. It is right for one order only.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh PyAstronomy==0.25.0 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from PyAstronomy import pyasl

wavelength = np.arange(4000, 8000.01, 0.05)
centres, narrow = (4200.0, 6000.0, 7800.0), 0.1
flux = 1 - sum(0.9 * np.exp(-0.5 * ((wavelength - centre) / narrow) ** 2) for centre in centres)
broad = pyasl.instrBroadGaussFast(wavelength, flux, 20000, edgeHandling="firstlast", maxsig=6)
found = {}
for centre in centres:
    near = abs(wavelength - centre) < 5
    depth, distance = 1 - broad[near], wavelength[near] - centre
    added = np.sqrt((depth * distance**2).sum() / depth.sum() - narrow**2)
    found[centre] = centre / (2.3548 * added)
    print(f"asked for R = 20000; at {centre:.0f} Angstrom: {found[centre]:.0f}")
assert found[4200.0] < 15000 and found[7800.0] > 25000, "the resolving power is constant now"
assert abs(found[6000.0] - 20000) < 300
print("holds")
PYTHON
