"""NLTE - LTE abundance corrections: the abundance that LTE would need for the equivalent width of the NLTE line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import SynthesisError
from .equilibrium import Solution
from .line_profile import equivalent_width, profile, wavelengths_about
from .lines import LineData, measured_as_one

_ENHANCEMENTS = np.array([-0.8, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.8])


@dataclass(frozen=True)
class Correction:
    """A line (or blend of one multiplet): equivalent widths [mA] in NLTE and LTE, correction A_NLTE - A_LTE [dex]."""

    wavelength: float
    nlte: float
    lte: float
    correction: float


def correction(solution: Solution, lines: Sequence[LineData], vmic: float) -> Correction:
    """The correction of lines that are measured as one, at the solution's abundance and vmic [km/s].

    A_LTE is where the LTE curve of growth, departures left out, has the equivalent width of the NLTE profile.
    Raises SynthesisError where the line vanishes or is further than 0.8 dex away.
    """
    wavelength = wavelengths_about(lines)
    nlte = equivalent_width(wavelength, profile(solution, lines, wavelength, vmic))
    growth = np.array(
        [equivalent_width(wavelength, profile(solution, lines, wavelength, vmic, True, e)) for e in _ENHANCEMENTS]
    )
    centre = float(np.mean([data.line.wavelength for data in lines]))
    if not growth[0] <= nlte <= growth[-1] or nlte <= 0:
        raise SynthesisError(f"The NLTE correction at {centre:.2f} Å is beyond 0.8 dex, or the line vanishes.")
    shift = float(np.interp(np.log(nlte), np.log(growth), _ENHANCEMENTS))
    lte = float(np.interp(0.0, _ENHANCEMENTS, growth))
    return Correction(centre, 1e3 * nlte, 1e3 * lte, -shift)


def corrections_of(solution: Solution, lines: Sequence[LineData]) -> list[Correction]:
    """The corrections of all lines of an element at the solution's own vmic; lines that cannot be measured are left out."""
    out = []
    for together in measured_as_one(lines):
        try:
            out.append(correction(solution, together, solution.vmic))
        except SynthesisError:
            continue
    return out


def ground_level_b(solution: Solution, log_tau: float = -1.0) -> float:
    """b of the ground level at this log optical depth."""
    return float(solution.departures.on(np.array([log_tau]))[0, 0])
