#!/usr/bin/env bash
# astropy 8.0.2 (WCSLIB), specutils 2.4.0.
# Expected: FITS tells air from vacuum (CTYPE1 AWAV or WAVE), so astropy's WCS and specutils' reader give vacuum
# wavelengths for an AWAV header, or mark them as air, since SpectralCoord is about Doppler shifts. Found: both give
# AWAV's numbers as they are, in the same class without any mark, equal to those of WAVE: a velocity taken from such axes
# is 83 km/s off.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from specutils import Spectrum


def axes(kind):
    image = fits.PrimaryHDU(np.ones(20, np.float32))
    image.header.update(CTYPE1=kind, CUNIT1="Angstrom", CRVAL1=5000.0, CDELT1=0.1, CRPIX1=1.0, BUNIT="Jy")
    image.writeto(f"{kind}.fits")
    return WCS(image.header).pixel_to_world(0), Spectrum.read(f"{kind}.fits").spectral_axis[0]


found = {kind: axes(kind) for kind in ("WAVE", "AWAV")}
for kind, pair in found.items():
    print(kind, *(f"{type(one).__name__} {one.to_value(u.AA):.4f} Angstrom" for one in pair))
for air, vacuum in zip(found["AWAV"], found["WAVE"]):
    assert type(air) is type(vacuum) and abs(air.to_value(u.AA) - vacuum.to_value(u.AA)) < 1e-6, "air is told from vacuum now"
    assert "air" not in repr(air).lower()
print("holds: in vacuum the first pixel of AWAV is 5001.395 Angstrom")
PYTHON
