#!/usr/bin/env bash
# specutils 2.4.0.
# Expected: the reader "iraf" evaluates multispec functions as IRAF defines them (help specwcs): the sum of weight *
# (offset + polynomial) over all functions of an order, over 1 + z. Found: it takes the first polynomial alone. z is
# obeyed, but an offset of 2 Angstrom changes nothing, and of two functions with weights of a half only the first is used.
# Nothing is raised or warned of: the axis is simply shifted.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from astropy.io import fits
from specutils import SpectrumCollection

CHEBYSHEV = "1 2 1. 100. 5005. 5."  # 5000 to 5010 Angstrom over 100 pixels


def first_pixel(z, functions):
    image = fits.PrimaryHDU(np.ones((2, 100), np.float32))
    image.header.update(WCSDIM=2, CTYPE1="MULTISPE", CTYPE2="MULTISPE", CD1_1=1.0, CD2_2=1.0, LTM1_1=1.0, LTM2_2=1.0)
    image.header["WAT0_001"] = "system=multispec"
    image.header["WAT1_001"] = "wtype=multispec label=Wavelength units=angstroms"
    text = "wtype=multispec " + " ".join(
        f'spec{n} = "{n} {n} 2 5000. 0.1 100 {z} 1. 5. {functions}"' for n in (1, 2)
    )
    for start in range(0, len(text), 68):
        image.header[f"WAT2_{start // 68 + 1:03d}"] = text[start : start + 68]
    image.writeto("star.fits", overwrite=True)
    return float(SpectrumCollection.read("star.fits", format="iraf").spectral_axis[0, 0].value)


plain = first_pixel("0.", f"1. 0. {CHEBYSHEV}")
redshifted = first_pixel("1e-4", f"1. 0. {CHEBYSHEV}")
offset = first_pixel("0.", f"1. 2. {CHEBYSHEV}")
two = first_pixel("0.", f"0.5 0. {CHEBYSHEV} 0.5 4. {CHEBYSHEV}")
print(f"first pixel: {plain:.3f}; z = 1e-4: {redshifted:.3f}; offset of 2, where IRAF has 5002: {offset:.3f}")
print(f"mean of two functions, one 4 Angstrom higher, where IRAF has 5002: {two:.3f}")
assert abs(plain - 5000) < 1e-6 and abs(redshifted - 5000 / 1.0001) < 1e-6
assert abs(offset - 5000) < 1e-6 and abs(two - 5000) < 1e-6, "offsets and weights are obeyed now"
print("holds")
PYTHON
