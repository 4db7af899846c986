"""Wavelengths in air and in vacuum (Morton 2000, ApJS 130, 403)."""

from __future__ import annotations

from astropy import units as u
from numpy.typing import NDArray

from .stages import Medium


def air(wavelength: NDArray, medium: Medium) -> NDArray:
    """Wavelengths [Angstrom] in air (Morton 2000)."""
    if medium is not Medium.VACUUM:
        return wavelength
    from specutils.utils.wcs_utils import vac_to_air  # late: it brings matplotlib along where that is installed

    return vac_to_air(wavelength * u.AA, method="Morton2000").to_value(u.AA)


def vacuum(wavelength: NDArray, medium: Medium) -> NDArray:
    """Wavelengths [Angstrom] in vacuum (Morton 2000)."""
    if medium is Medium.VACUUM:
        return wavelength
    from specutils.utils.wcs_utils import air_to_vac

    return air_to_vac(wavelength * u.AA, method="Morton2000").to_value(u.AA)


def air_to_vacuum_nm(wavelength: NDArray) -> NDArray:
    """Vacuum wavelengths (n,) [nm] of air wavelengths (n,) [Angstrom] (Morton 2000)."""
    return 0.1 * vacuum(wavelength, Medium.AIR)
