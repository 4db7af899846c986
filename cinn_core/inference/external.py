"""Log g from what observers bring beside a spectrum: nu_max of its oscillations, or its parallax with a magnitude.

Both give log g for the Teff of each sample, so that a sample is judged by its own temperature. Solar values: log g 4.438 and
Teff 5772 K (IAU 2015 B3); nu_max 3090 microhertz (Huber et al. 2011, ApJ 743, 143) at 5777 K, the pair of that calibration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import KielError

SOLAR_LOGG, SOLAR_TEFF = 4.438, 5772.0
SOLAR_NU_MAX, SEISMIC_TEFF = 3090.0, 5777.0
"""Solar nu_max [microhertz] and the solar Teff [K] that goes with it."""
NU_MAX_RELATION = 0.02
"""Relative error of the scaling of nu_max itself: 1.5 % in dwarfs and subgiants (Coelho et al. 2015, MNRAS 451, 3011)."""
MASS, MASS_DEX = 1.0, 0.15
"""Mass [solar] and its scatter [dex] where none is given: 0.7 to 1.4 solar masses within one sigma."""
BC_ERROR = 0.07
"""Error [mag] of a bolometric correction by Teff alone: zero point, log g, [Fe/H]."""
LEAST_PARALLAX_SNR = 5.0
"""Parallax over its error below which it gives no distance without a prior on where stars are."""
_R_V = 3.1
_PER_A_V = {"G": 0.789, "V": 1.0}
"""A_band / A_V; G: Wang & Chen (2019), ApJ 877, 116, table 3."""
_SOLAR_M_BOL = {"G": 4.74, "V": 4.73}
"""The Sun's bolometric magnitude on the scale of each correction: Andrae et al. (2018); Torres (2010)."""
_BC_G_COOL = (1.749, 1.977e-3, 3.737e-7, -8.966e-11, -4.183e-14)
_BC_G = (6.000e-2, 6.731e-5, -6.647e-8, 2.859e-11, -7.197e-15)
_BC_V_COOL = (-0.190537291496456e5, 0.155144866764412e5, -0.421278819301717e4, 0.381476328422343e3)
_BC_V = (
    -0.370510203809015e5, 0.385672629965804e5, -0.150651486316025e5, 0.261724637119416e4, -0.170623810323864e3,
)  # fmt: skip
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PAIR = re.compile(rf"\s*({_NUMBER})(?:\s*(?:±|\+/?-|[,;]|\s)\s*({_NUMBER}))?\s*")


@dataclass(frozen=True)
class Photometry:
    """What turns a parallax into log g: band, magnitude and A_V with their errors [mag], a mass [solar] and its scatter [dex]."""

    band: str
    magnitude: float
    magnitude_error: float = 0.01
    a_v: float = 0.0
    a_v_error: float = 0.0
    mass: float = MASS
    mass_dex: float = MASS_DEX

    def __post_init__(self) -> None:
        if self.band not in _PER_A_V:
            raise KielError(f"No bolometric correction is known for the band {self.band!r}; give G (Gaia) or V.")
        numbers = (self.magnitude, self.magnitude_error, self.a_v, self.a_v_error, self.mass, self.mass_dex)
        if not np.isfinite(numbers).all():
            raise KielError("Magnitude, extinction and mass have to be finite numbers.")
        if min(self.magnitude_error, self.a_v, self.a_v_error, self.mass_dex) < 0 or self.mass <= 0:
            raise KielError("Extinction and errors cannot be negative, and a mass has to be above zero.")

    @property
    def text(self) -> str:
        """Band, extinction and mass in one line."""
        dust = f"A_V = {self.a_v:g}" if self.a_v else "no extinction"
        return f"{self.band} = {self.magnitude:g}, {dust}, {self.mass:g} M☉ ± {self.mass_dex:.2g} dex"


def nu_max_logg(nu_max: float, teff: NDArray) -> NDArray:
    """Log g (n,) [dex] of stars with nu_max [microhertz] at Teff (n,) [K]: nu_max goes as g / sqrt(Teff) (Brown et al. 1991)."""
    return SOLAR_LOGG + np.log10(nu_max / SOLAR_NU_MAX) + 0.5 * np.log10(teff / SEISMIC_TEFF)


def nu_max_error(nu_max: float, sigma: float) -> float:
    """Error [dex] of that log g: of the measurement and of the scaling, in quadrature."""
    return float(np.hypot(sigma / nu_max, NU_MAX_RELATION) / np.log(10))


def bolometric_correction(band: str, teff: NDArray) -> NDArray:
    """Bolometric correction (n,) [mag] of a band at Teff (n,) [K].

    G: Andrae et al. (2018), A&A 616, A8, table 4, for 3300 to 8000 K; V: Flower (1996) as Torres (2010), AJ 140, 1158,
    corrected it.
    """
    if band == "G":
        x = teff - 5772.0
        return np.where(teff < 4000, np.polyval(_BC_G_COOL[::-1], x), np.polyval(_BC_G[::-1], x))
    x = np.log10(teff)
    return np.where(x < 3.70, np.polyval(_BC_V_COOL[::-1], x), np.polyval(_BC_V[::-1], x))


def log_luminosity(parallax: float, photometry: Photometry, teff: NDArray) -> NDArray:
    """Log10 of the luminosity (n,) [solar] of a star of a parallax [mas], for each Teff (n,) [K]."""
    band = photometry.band
    absolute = photometry.magnitude + 5 * np.log10(parallax / 100) - _PER_A_V[band] * photometry.a_v
    return 0.4 * (_SOLAR_M_BOL[band] - absolute - bolometric_correction(band, teff))


def parallax_logg(parallax: float, photometry: Photometry, teff: NDArray) -> NDArray:
    """Log g (n,) [dex] of the mass in `photometry` at a parallax [mas], for each Teff (n,) [K]: g goes as M Teff^4 / L."""
    mass = np.log10(photometry.mass)
    return SOLAR_LOGG + mass + 4 * np.log10(teff / SOLAR_TEFF) - log_luminosity(parallax, photometry, teff)


def parallax_error(parallax: float, sigma: float, photometry: Photometry) -> float:
    """Error [dex] of that log g: mass, parallax, magnitude, extinction and bolometric correction in quadrature."""
    magnitudes = (photometry.magnitude_error, _PER_A_V[photometry.band] * photometry.a_v_error, BC_ERROR)
    parts = (photometry.mass_dex, 2 * sigma / (parallax * np.log(10)), *(0.4 * error for error in magnitudes))
    return float(np.linalg.norm(parts))


def read_pair(text: str, what: str, example: str) -> tuple[float, float | None]:
    """A value and its error from '3090±10', '3090+-10', '3090+/-10', '3090,10' or '3090 10'; None where there is no error.

    `what` and `example` are for the KielError that anything else raises.
    """
    plain = text.replace("\N{MINUS SIGN}", "-").strip()
    found = _PAIR.fullmatch(plain)
    if found is None:
        raise KielError(f"The {what} {text!r} cannot be read; write {example}.")
    value, error = found.groups()
    return float(value), None if error is None else float(error)


def read_photometry(magnitude: str, extinction: str | None = None, mass: str | None = None) -> Photometry:
    """What goes with a parallax, from texts: 'G=8.25±0.01' or 'V=8.4'; 'A_V=0.1±0.03' or 'E(B-V)=0.03'; '1.1±0.1'.

    Without extinction there is none; without a mass it is 1.0 solar within 0.15 dex. Raises KielError for what cannot be read.
    """
    band, equals, numbers = magnitude.partition("=")
    if not equals:
        raise KielError(f"The magnitude {magnitude!r} does not say its band; write G=8.25 or V=8.4.")
    value, error = read_pair(numbers, "magnitude", "G=8.25±0.01")
    dust, dust_error = _extinction(extinction) if extinction else (0.0, 0.0)
    solar, dex = _mass(mass) if mass else (MASS, MASS_DEX)
    return Photometry(band.strip().upper(), value, 0.01 if error is None else error, dust, dust_error, solar, dex)


def _extinction(text: str) -> tuple[float, float]:
    """A_V and its error [mag]."""
    kind, equals, numbers = text.partition("=")
    factor = {"av": 1.0, "ebv": _R_V}.get(re.sub(r"[^a-z]", "", kind.lower()))
    if not equals or factor is None:
        raise KielError(f"The extinction {text!r} does not say what it is; write A_V=0.10±0.03 or E(B-V)=0.03±0.01.")
    value, error = read_pair(numbers, "extinction", "A_V=0.10±0.03")
    return factor * value, factor * (error or 0.0)


def _mass(text: str) -> tuple[float, float]:
    """Mass [solar] and its scatter [dex]."""
    value, error = read_pair(text, "mass", "1.1±0.1")
    if value <= 0:
        raise KielError(f"The mass {text!r} is not above zero; write it in solar masses, such as 1.1±0.1.")
    return value, MASS_DEX if error is None else error / (value * float(np.log(10)))
