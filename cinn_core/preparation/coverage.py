"""How much of the model's windows a spectrum covers: too little is refused, less than all is flagged."""

from __future__ import annotations

from numpy.typing import NDArray

from ..errors import SpectrumError
from ..instrument import ARMS, PIXEL_ANGSTROM, arm_coverage
from ..stages import Spectrum
from .telluric import oxygen_pixels

PARTIAL_COVERAGE, MISSING_ARM = 0.9, 0.05
_FEWEST_NATIVE, _FEWEST_PIXELS = 200, 500


def require_overlap(spectrum: Spectrum) -> None:
    """Raises SpectrumError where no window holds more than 200 good native pixels."""
    wave = spectrum.wavelength[spectrum.good]
    if not any(((wave > arm.low) & (wave < arm.high)).sum() > _FEWEST_NATIVE for arm in ARMS):
        raise SpectrumError(
            f"This spectrum covers {wave[0]:.0f}-{wave[-1]:.0f} Angstrom; the model needs {_needed()}. "
            "Load a spectrum with at least one of them."
        )


def require_pixels(good: NDArray, spectrum: Spectrum) -> None:
    """Raises SpectrumError where fewer than 500 of the pixels (N_PIXELS,) are good once the star is at rest."""
    if good.sum() < _FEWEST_PIXELS:
        wave = spectrum.wavelength[spectrum.good]
        raise SpectrumError(
            f"At rest only {good.sum() * PIXEL_ANGSTROM:.0f} Angstrom of this spectrum ({wave[0]:.0f}-{wave[-1]:.0f} Angstrom) fall on "
            f"the model's windows ({_needed()}); at least {_FEWEST_PIXELS * PIXEL_ANGSTROM:.0f} are needed."
        )


def coverage_flags(good: NDArray) -> set[str]:
    """partial_coverage where an arm lacks a tenth beyond telluric oxygen, missing_arm where next to nothing is there."""
    share = arm_coverage(good) / arm_coverage(~oxygen_pixels(0.0))
    flags = {"partial_coverage"} if (share < PARTIAL_COVERAGE).any() else set[str]()
    return flags | ({"missing_arm"} if (share < MISSING_ARM).any() else set())


def _needed() -> str:
    return " and ".join(f"{arm.low:.0f}-{arm.high:.0f}" for arm in ARMS) + " Angstrom"
