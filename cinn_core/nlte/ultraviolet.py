"""Blue and ultraviolet irradiance of the Sun: model with and without lines of the background, and observation.

The background of iron (`iron.fence`) is fitted to it here, with iron itself active: what its own lines do not absorb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..synthesis.atmosphere import load_atmospheres
from ..synthesis.engine import labels_from
from .equilibrium import Physics, solve
from .iron import FENCE, IronPhysics, carriers, fence, solved_context
from .line_profile import emergent_flux
from .opacity import Blanketing, planck

OBSERVED = {
    215.0: 0.0361, 225.0: 0.0490, 235.0: 0.0475, 245.0: 0.0546, 255.0: 0.0794, 265.0: 0.1930, 275.0: 0.1915,
    285.0: 0.2712, 295.0: 0.5389, 305.0: 0.5644, 315.0: 0.6910, 325.0: 0.8566, 335.0: 0.9597, 345.0: 0.9557,
    355.0: 0.9865, 365.0: 1.1178, 375.0: 1.1426, 385.0: 1.0125, 395.0: 1.1472, 405.0: 1.7276, 415.0: 1.7305,
    425.0: 1.6887, 435.0: 1.6125,
}  # fmt: skip
"""Mean solar irradiance [W m-2 nm-1] at 1 au over 10 nm about wavelengths [nm], extraterrestrial.

Below 280 nm ASTM E490-00a, whose values are 1 to 3 % lower where both exist, above it ASTM G173-03.
"""
_LIGHT = 2.99792458e8
_NEIGHBOUR_ROUNDS, _HALVINGS = 3, 18
_SUN = {"teff": 5777.0, "logg": 4.44}
_DILUTION = (6.957e8 / 1.495979e11) ** 2  # flux at 1 au over flux at the surface
_C1, _C2 = 1.1910429e-16, 1.438777e-2  # of the Planck function per wavelength, SI


@dataclass(frozen=True, eq=False)
class SolarUltraviolet:
    """Irradiance (n,) of the Sun [W m-2 nm-1] at wavelengths (n,) [nm]: observed, of the model without and with the haze."""

    wavelength: NDArray
    observed: NDArray
    without: NDArray
    with_haze: NDArray


def solar_ultraviolet(data: Path) -> SolarUltraviolet:
    """Compute the irradiance of the Sun without and with the haze; `data` is the data folder with synthesis/ and nlte/.

    The emission of the model is thermal. Raises DataError for missing files, KielError without Lightweaver.
    """
    wavelength = np.array(list(OBSERVED))
    model = [_irradiance(wavelength, data, haze) for haze in (Blanketing.OFF, Blanketing.SOLAR)]
    return SolarUltraviolet(wavelength, np.array(list(OBSERVED.values())), *model)


def _irradiance(wavelength_nm: NDArray, data: Path, haze: Blanketing) -> NDArray:
    atmospheres = load_atmospheres(data / "synthesis")
    further = (10.0 * wavelength_nm).tolist()
    solution = solve("Li", labels_from(_SUN), atmospheres, data / "nlte", Physics(blanketing=haze), further)
    opacity = solution.opacity[-wavelength_nm.size :]
    metres = wavelength_nm[:, None] * 1e-9
    planck = _C1 / metres**5 / np.expm1(_C2 / (metres * solution.temperature)) * 1e-9
    return 2 * np.pi * _DILUTION * emergent_flux(opacity, planck, solution.height)


def iron_irradiance(data: Path, medians: Sequence[float] = FENCE) -> tuple[NDArray, NDArray]:
    """Irradiance (23,) [W m-2 nm-1] of the Sun with iron in equilibrium, in means over 10 nm, and the medians (23,) that would fit it.

    `medians` are those of `iron.fence`; the new ones, log10 [m2], are fitted with the populations of iron as they are:
    two or three rounds of this function converge. Raises DataError for missing files, KielError without Lightweaver.
    """
    model = load_atmospheres(data / "synthesis").at(_SUN["teff"], _SUN["logg"], 0.0)
    context, _ = solved_context(
        labels_from(_SUN), model, data / "nlte", IronPhysics(fence=tuple(medians)), np.array([500.0])
    )
    context.depthData.fill = True
    context.formal_sol_gamma_matrices()
    wavelength, atmosphere = np.asarray(context.spect.wavelength), context.kwargs["atmos"]
    temperature, height = np.asarray(atmosphere.temperature), np.asarray(atmosphere.z)
    number = carriers(context.kwargs["eqPops"].atomicPops, temperature)
    chi, eta = (np.asarray(x)[:, -1, 1] for x in (context.depthData.chi, context.depthData.eta))
    eta = eta + np.asarray(context.background.sca) * np.asarray(context.spect.J)
    thermal, old = planck(wavelength, temperature), fence(wavelength, medians)

    def mean(inside: NDArray, new: NDArray) -> float:
        more = (fence(wavelength[inside], new) - old[inside])[:, None] * number
        opacity = chi[inside] + more
        flux = emergent_flux(opacity, (eta[inside] + more * thermal[inside]) / opacity, height)
        per_nm = flux * _LIGHT / (wavelength[inside] * 1e-9) ** 2 * 1e-9
        width = wavelength[inside][-1] - wavelength[inside][0]
        return float(2 * np.pi * _DILUTION * np.trapezoid(per_nm, wavelength[inside]) / width)

    bins = [np.flatnonzero(np.abs(wavelength - centre) < 5.0) for centre in OBSERVED]
    found = np.array([mean(inside, np.array(medians)) for inside in bins])
    new = np.array(medians, float)
    for _ in range(_NEIGHBOUR_ROUNDS):  # neighbours meet where they are interpolated
        for k, (inside, observed) in enumerate(zip(bins, OBSERVED.values(), strict=True)):
            low, high = new[k] - 3.0, new[k] + 3.0
            for _ in range(_HALVINGS):
                new[k] = 0.5 * (low + high)
                low, high = (new[k], high) if mean(inside, new) > observed else (low, new[k])
    return found, new[: len(bins)]
