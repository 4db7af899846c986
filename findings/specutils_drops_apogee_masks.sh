#!/usr/bin/env bash
# specutils 2.4.0.
# Expected: the reader of APOGEE's apStar files sets the mask of a Spectrum from the file's bit mask (extension 3), as the
# readers for SDSS, SDSS-V and DESI spectra of the same library do. Found: extension 3 is not read. The mask is None, and
# pixels that the pipeline flagged as bad count as good.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from astropy.io import fits
from astropy.table import Table
from specutils import Spectrum

size, bad = 8575, 100
primary = fits.PrimaryHDU()
primary.header["SFILE1"] = "apVisit-r12-1234-56789-001.fits"
primary.header["HISTORY"] = "APOGEE Reduction Pipeline"
flags = np.zeros((1, size), np.int32)
flags[0, bad] = 1  # BADPIX of APOGEE_PIXMASK
images = [np.ones((1, size), np.float32), np.full((1, size), 0.01, np.float32), flags]
parts = [fits.ImageHDU(image) for image in images]
for part in parts:
    part.header.update(CTYPE1="LOG-LINEAR", CRVAL1=4.179, CDELT1=6e-6, CRPIX1=1.0, DISPAXIS=1)
fits.HDUList([primary, *parts]).writeto("apStar-test.fits")

ivar, one = np.full(size, 1e4, np.float32), np.ones(size, np.float32)
sdss = Table({"flux": one, "loglam": np.linspace(3.6, 3.9, size), "ivar": ivar, "and_mask": flags[0]})
fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(sdss), fits.BinTableHDU(Table({"Z": [0.0]}))]).writeto("spec-0001-55555-0001.fits")
apogee = Spectrum.read("apStar-test.fits", format="APOGEE apStar")
other = Spectrum.read("spec-0001-55555-0001.fits", format="SDSS-III/IV spec")
print("masked pixels of the SDSS spectrum:", int(other.mask.sum()), "; mask of the APOGEE spectrum:", apogee.mask)
assert apogee.flux.shape == (size,) and apogee.mask is None, "the mask is read now"
assert other.mask[bad]
print("holds")
PYTHON
