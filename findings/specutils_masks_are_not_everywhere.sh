#!/usr/bin/env bash
# specutils 2.4.0.
# Expected: once a pixel of a Spectrum is masked, nothing of specutils.analysis counts it: line_flux and equivalent_width
# do not. Found: the moment of order 0, which is the same integral without the pixel width, counts it, and so do
# template_match (chi2), template_correlate and noise_region_uncertainty. One masked cosmic hit is enough for another
# redshift, another noise and another line.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from specutils import SpectralRegion, Spectrum
from specutils.analysis import equivalent_width, line_flux, moment, template_match
from specutils.manipulation import noise_region_uncertainty

wavelength = np.linspace(5000, 5010, 101)
line = 1 - 0.5 * np.exp(-0.5 * ((wavelength - 5005) / 0.5) ** 2)
noisy = line + np.random.default_rng(1).normal(0, 0.01, line.size)
hit = np.arange(line.size) == 20


def spectrum(flux, mask=None):
    return Spectrum(
        flux=flux * u.Jy, spectral_axis=wavelength * u.AA, uncertainty=StdDevUncertainty(np.full(line.size, 0.01)), mask=mask
    )


def quantities(seen):
    quiet = SpectralRegion(5000 * u.AA, 5003 * u.AA)
    return {
        "line_flux": line_flux(seen).value,
        "equivalent_width": equivalent_width(seen).value,
        "moment 0": moment(seen, order=0).value,
        "chi2 of template_match": template_match(seen, spectrum(line))[3],
        "noise": noise_region_uncertainty(seen, quiet).uncertainty.array[0],
    }


clean, masked = quantities(spectrum(noisy)), quantities(spectrum(np.where(hit, 1000.0, noisy), hit))
ratio = {name: float(np.ravel(masked[name])[0] / np.ravel(clean[name])[0]) for name in clean}
for name, value in ratio.items():
    print(f"{name}: with a masked pixel of 1000 it is {value:.4g} times what it is without the hit")
assert abs(ratio["line_flux"] - 1) < 0.02 and abs(ratio["equivalent_width"] - 1) < 0.05
assert min(ratio["moment 0"], ratio["chi2 of template_match"], ratio["noise"]) > 2, "masks count there now"
print("holds")
PYTHON
