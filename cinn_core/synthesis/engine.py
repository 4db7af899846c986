"""The interface of a synthesis code: labels and inputs of a star, and its spectrum on the wavelengths of the grids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..files import contents_sha256
from ..instrument import FWHM_PER_SIGMA, MODEL_FWHM_KMS, SPEED_OF_LIGHT_KMS
from ..targets import SYNTHESIS_NAMES
from .atmosphere import AtmosphereSource, MarcsModel

GRID_WINDOWS = ((5153.0, 5737.0), (6093.0, 6797.0))
"""Air wavelengths [Angstrom] of the grid files: the instrument's arms and 4-7 Angstrom more on each side."""
GRID_STEP_KMS = 2.0
MARGIN_ANGSTROM = 3.0
"""Margin [Angstrom] that a synthesis covers beyond each window, for the wings of the convolution."""
FINE_STEP_KMS = 0.5
_KERNEL_SIGMAS = 6.0
_LARGEST_STEP_ANGSTROM = 1.0
"""A larger step between neighbouring wavelengths separates two windows."""
_DEFAULTS = {"vmic": 1.0}
_NEEDED = ("teff", "logg")


class Engine(Protocol):
    """A synthesis code: `linelist` names its atomic line list; `provenance` describes code, physics and inputs, for files."""

    @property
    def linelist(self) -> str: ...

    @property
    def provenance(self) -> Mapping[str, str]: ...

    def synthesise(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Air wavelengths (m,) [Angstrom] of all windows with their margins, and flux over continuum (m,).

        labels (25,) in the order of SYNTHESIS_NAMES. Raises SynthesisError where the code gives no spectrum.
        """
        ...


@dataclass(frozen=True)
class OwnInputs:
    """Inputs of the user in place of the data folder's, all optional: line lists for all but hydrogen, a MARCS model (.mod).

    Line lists are in Turbospectrum's format or VALD's. `s` and `second` are the structure of ATLAS9 models as in
    `structure.StructuredAtmospheres`.
    """

    lines: tuple[Path, ...] = ()
    atmosphere: Path | None = None
    s: float = 0.0
    second: float = 0.0

    @property
    def line_names(self) -> str:
        """Names of the line lists, joined by +, for grid files."""
        return "+".join(path.name for path in self.lines)

    def digest(self) -> str:
        """SHA-256 of the line lists, one after the other."""
        return contents_sha256(self.lines)

    def describe_atmospheres(self, atmospheres: AtmosphereSource) -> str:
        """Geometry and origin of the atmospheres in words, for the provenance."""
        if not isinstance(atmospheres, MarcsModel):
            s = f" + {self.s:g} (<3D> STAGGER - ATLAS9)" if self.s else ""
            return f"plane-parallel, ATLAS9{s}" + (f" + {self.second:g} second shape" if self.second else "")
        geometry = "plane-parallel" if atmospheres.atmosphere.sphere is None else "spherical"
        return f"{geometry}, MARCS" + (f" ({self.atmosphere.name})" if self.atmosphere else "")


NO_INPUTS = OwnInputs()


def grid_wavelength() -> NDArray:
    """Air wavelengths (32483,) [Angstrom] of the grid files, in steps of 2 km/s in each window."""
    return np.concatenate([_steps(low, high, GRID_STEP_KMS) for low, high in GRID_WINDOWS])


def _steps(low: float, high: float, step_kms: float) -> NDArray:
    """Wavelengths from `low` to at most `high` in constant steps of log wavelength."""
    n = int(np.log(high / low) * SPEED_OF_LIGHT_KMS / step_kms) + 1
    return low * np.exp(step_kms * np.arange(n) / SPEED_OF_LIGHT_KMS)


def to_grid(wavelength: NDArray, flux: NDArray) -> NDArray:
    """Flux (32483,) on the wavelengths of the grid at R = 60 000 from a synthesised spectrum (m,), air [Angstrom].

    In each window: linear on to steps of 0.5 km/s, a Gaussian of FWHM 5 km/s, linear on to the grid.
    Raises SynthesisError where a window is not covered or the flux is not finite.
    """
    if not np.isfinite(flux).all():
        raise SynthesisError("The synthesised spectrum holds numbers that are not finite.")
    cuts = [0, *(np.flatnonzero(np.diff(wavelength) > _LARGEST_STEP_ANGSTROM) + 1), wavelength.size]
    parts = [slice(a, b) for a, b in pairwise(cuts)]
    on_grid = []
    for low, high in GRID_WINDOWS:
        covering = [p for p in parts if wavelength[p][0] <= low - 1 and wavelength[p][-1] >= high + 1]
        if not covering:
            raise SynthesisError(
                f"The synthesised spectrum does not cover {low:.0f}-{high:.0f} Å with 1 Å more on each side."
            )
        part = covering[0]
        on_grid.append(at_resolution(wavelength[part], flux[part], _steps(low, high, GRID_STEP_KMS)))
    return np.concatenate(on_grid)


def at_resolution(wavelength: NDArray, flux: NDArray, out_wavelength: NDArray) -> NDArray:
    """Flux (k,) at R = 60 000 at `out_wavelength` (k,) from a synthesised stretch (m,) without gaps around it [Angstrom]."""
    fine = _steps(wavelength[0], wavelength[-1], FINE_STEP_KMS)
    return np.interp(out_wavelength, fine, _smooth(np.interp(fine, wavelength, flux)))


def _smooth(flux: NDArray) -> NDArray:
    """Convolve flux (m,) on steps of 0.5 km/s with a Gaussian of FWHM 5 km/s; beyond its ends flux is constant."""
    sigma = MODEL_FWHM_KMS / FWHM_PER_SIGMA / FINE_STEP_KMS
    reach = int(np.ceil(_KERNEL_SIGMAS * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(flux, reach, mode="edge"), kernel / kernel.sum(), mode="valid")


def labels_from(values: Mapping[str, float]) -> NDArray:
    """Labels (25,) in the order of SYNTHESIS_NAMES from values by name; missing ones are 0, vmic 1 km/s.

    Teff [K] and log g [cgs] are required.

    Raises DataError for an unknown name, a missing one or a number that is not finite.
    """
    unknown = [name for name in values if name not in SYNTHESIS_NAMES]
    if unknown:
        raise DataError(f"{unknown[0]} is not a label of a synthesis; there are {', '.join(SYNTHESIS_NAMES)}.")
    missing = [name for name in _NEEDED if name not in values]
    if missing:
        raise DataError(f"A synthesis needs {' and '.join(_NEEDED)}; {' and '.join(missing)} is missing.")
    labels = np.array([values.get(name, _DEFAULTS.get(name, 0.0)) for name in SYNTHESIS_NAMES], float)
    if not np.isfinite(labels).all():
        raise DataError(f"{SYNTHESIS_NAMES[int(np.argmin(np.isfinite(labels)))]} is not a finite number.")
    return labels


def describe(labels: NDArray) -> str:
    """A star of labels (25,) in words, for messages."""
    teff, logg, feh, vmic = labels[:4]
    return f"Teff {teff:.0f} K, log g {logg:.2f}, [Fe/H] {feh:+.2f}, vmic {vmic:.2f} km/s"
