#!/usr/bin/env bash
# specutils 2.4.0.
# Expected: a spectrum that IRAF rebinned in log wavelength (dispcor log=yes: DC-FLAG 1, CRVAL1 3.7) is read at 10**3.7 =
# 5012 Angstrom, as specutils' own reader for IRAF does. Found: Spectrum.read chooses the reader wcs1d-fits by itself,
# which does not look at DC-FLAG: the axis is 3.70000 to 3.70019 "Angstrom", without a warning of it. format="iraf" reads
# the same file rightly.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from astropy.io import fits
from specutils import Spectrum

image = fits.PrimaryHDU(np.ones(20, np.float32))
image.header.update(CTYPE1="LINEAR", CRVAL1=3.7, CDELT1=1e-5, CD1_1=1e-5, CRPIX1=1.0, LTM1_1=1.0, WCSDIM=1)
image.header["DC-FLAG"] = 1
image.header["WAT0_001"] = "system=equispec"
image.header["WAT1_001"] = "wtype=linear label=Wavelength units=angstroms"
image.writeto("star.fits")
chosen = Spectrum.read("star.fits").spectral_axis
told = Spectrum.read("star.fits", format="iraf").spectral_axis
print("Spectrum.read(file):", chosen[0], chosen[-1])
print('Spectrum.read(file, format="iraf"):', told[0], told[-1])
assert abs(chosen[0].value - 3.7) < 1e-6, "DC-FLAG is obeyed now"
assert abs(told[0].value - 10**3.7) < 0.1
print("holds")
PYTHON
