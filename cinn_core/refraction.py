"""Wavelengths in air and in vacuum (Morton 2000, ApJS 130, 403)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .stages import Medium


def air(wavelength: NDArray, medium: Medium) -> NDArray:
    """Wavelengths [Angstrom] in air."""
    return wavelength / _index(wavelength) if medium is Medium.VACUUM else wavelength


def vacuum(wavelength: NDArray, medium: Medium) -> NDArray:
    """Wavelengths [Angstrom] in vacuum."""
    return wavelength if medium is Medium.VACUUM else wavelength * _index(wavelength)


def _index(wavelength: NDArray) -> NDArray:
    """Refractive index of air at vacuum wavelengths (n,) [Angstrom], Morton (2000), Eq. 8; at those in air it is the same to 3e-9."""
    s2 = (1e4 / np.asarray(wavelength)) ** 2
    return 1 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2)


def air_to_vacuum_nm(wavelength: NDArray) -> NDArray:
    """Vacuum wavelengths (n,) [nm] of air wavelengths (n,) [Angstrom] (Morton 2000)."""
    return 0.1 * vacuum(wavelength, Medium.AIR)
