"""Line profiles and equivalent widths from a solution of statistical equilibrium: formal solution, in NLTE and in LTE.

With x = h nu / k T and levels l, u (Rutten 2003, Radiative Transfer in Stellar Atmospheres, eqs 2.105-2.110):
alpha = alpha_LTE b_l (1 - (b_u/b_l) e^-x) / (1 - e^-x),  S = B (e^x - 1) / ((b_l/b_u) e^x - 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma as gamma_function
from scipy.special import wofz

from .equilibrium import Solution
from .lines import MASSES, LineData
from .opacity import layer_means

_LIGHT, _PLANCK, _BOLTZMANN, _ATOMIC_MASS = 2.99792458e8, 6.62607015e-34, 1.380649e-23, 1.66053907e-27
_CLASSICAL = 2.6540089e-6  # m2 Hz: pi e^2 / (4 pi eps0 m c)
_BOHR_SQUARED = 2.8002852e-21  # m2
_HELIUM_AS_HYDROGEN = 1.0 + 0.0871 * 0.41  # N(He)/N(H) x ratio of polarisabilities and speeds to the 0.3, 0.4
_REFERENCE_SPEED = 1e4  # m/s, of the cross-sections of Barklem et al.
_COSINES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_HALF_WIDTH_ANGSTROM, _N_WAVELENGTHS = 12.0, 161
_LEAST_STIMULATED = 1e-3  # of 1 - (b_u/b_l) e^-x; negative values would be laser amplification


def wavelengths_about(lines: Sequence[LineData]) -> NDArray:
    """Air wavelengths (161,) [Angstrom] around the mean wavelength of some lines, in steps that grow from 0.005 to 1 Angstrom."""
    centre = float(np.mean([data.line.wavelength for data in lines]))
    t = np.linspace(-1, 1, _N_WAVELENGTHS)
    return centre + _HALF_WIDTH_ANGSTROM * np.sinh(6.5 * t) / np.sinh(6.5)


def profile(
    solution: Solution,
    lines: Sequence[LineData],
    wavelength: NDArray,
    vmic: float,
    in_lte: bool = False,
    enhancement: float = 0.0,
) -> NDArray:
    """Flux over continuum (m,) at air wavelengths (m,) [Angstrom] with these lines, at vmic [km/s].

    `in_lte` sets all departure coefficients to 1; `enhancement` [dex] raises the abundance at fixed departures. The
    continuum is thermal: at these wavelengths scattering is a few per cent of its opacity at most.
    """
    nearest = int(np.argmin(np.abs(solution.wavelength - lines[0].line.wavelength)))
    continuum = solution.opacity[nearest]
    frequency = _LIGHT / (lines[0].line.wavelength * 1e-10)
    x = _PLANCK * frequency / (_BOLTZMANN * solution.temperature)
    planck = 1.0 / np.expm1(x)  # in units that cancel
    opacity = np.tile(continuum, (wavelength.size, 1))
    emission = np.tile(continuum * planck, (wavelength.size, 1))
    for data in lines:
        b_lower, b_upper = (solution.departures.of(label) for label in (data.line.lower, data.line.upper))
        if in_lte:
            b_lower, b_upper = np.ones_like(b_lower), np.ones_like(b_upper)
        alpha = 10.0**enhancement * _lte_opacity(solution, data, wavelength, vmic, x)
        alpha = alpha * opacity_over_lte(b_lower, b_upper, x)
        opacity += alpha
        emission += alpha * planck * source_over_planck(b_lower, b_upper, x)
    flux = emergent_flux(opacity, emission / opacity, solution.height)
    return flux / emergent_flux(continuum[None], planck[None], solution.height)


def equivalent_width(wavelength: NDArray, flux: NDArray) -> float:
    """Equivalent width [Angstrom] of a profile (m,) over continuum at wavelengths (m,) [Angstrom]."""
    return float(np.trapezoid(1.0 - flux, wavelength))


def _lte_opacity(solution: Solution, data: LineData, wavelength: NDArray, vmic: float, x: NDArray) -> NDArray:
    """Line opacity (m, n) [1/m] in LTE with stimulated emission; the population of a level is divided by its weight."""
    line, t = data.line, solution.temperature
    labels = [level.label for level in solution.departures.levels]
    i = labels.index(line.lower)
    per_state = solution.lte[i] / solution.departures.levels[i].weight
    centre = line.wavelength * 1e-10
    mass = MASSES[line.element] * _ATOMIC_MASS
    doppler = np.sqrt(2 * _BOLTZMANN * t / mass + (1e3 * vmic) ** 2) / centre  # Hz
    damping = (_damping(solution, data, mass) + 10.0**data.radiative) / (4 * np.pi * doppler)
    offset = _LIGHT / (wavelength * 1e-10) - _LIGHT / centre
    voigt = wofz(offset[:, None] / doppler + 1j * damping).real / (np.sqrt(np.pi) * doppler)
    return _CLASSICAL * 10.0**data.log_gf * per_state * -np.expm1(-x) * voigt


def _damping(solution: Solution, data: LineData, mass: float) -> NDArray:
    """Full width (n,) [1/s] by collisions with hydrogen (Anstee & O'Mara 1995 where listed, else log gamma_6) and electrons."""
    t = solution.temperature
    hydrogen = _HELIUM_AS_HYDROGEN * solution.hydrogen
    if data.waals > 20:
        sigma, alpha = np.floor(data.waals) * _BOHR_SQUARED, data.waals % 1
        reduced = mass * _ATOMIC_MASS * 1.008 / (mass + _ATOMIC_MASS * 1.008)
        speed = np.sqrt(8 * _BOLTZMANN * t / (np.pi * reduced))
        shape = (4 / np.pi) ** (alpha / 2) * gamma_function(2 - alpha / 2)
        waals = 2 * shape * _REFERENCE_SPEED * sigma * (speed / _REFERENCE_SPEED) ** (1 - alpha) * hydrogen
    else:
        waals = 10.0**data.waals * 1e-6 * hydrogen * (t / 1e4) ** 0.3 if data.waals < 0 else np.zeros_like(t)
    stark = 10.0**data.stark * 1e-6 * solution.electrons * (t / 1e4) ** (1 / 6) if data.stark < 0 else 0.0
    return waals + stark


def emergent_flux(opacity: NDArray, source: NDArray, height: NDArray) -> NDArray:
    """Flux (m,) at the surface, over 2 pi, from opacity (m, n) [1/m] and source function (m, n) on heights (n,) [m], downwards.

    Four angles; source linear in optical depth between the depths, opacity exponential in height.
    """
    step = height[:-1] - height[1:]
    tau = np.concatenate([np.zeros((len(opacity), 1)), np.cumsum(layer_means(opacity) * step, 1)], 1)
    tau += opacity[:, :1] * step[0]
    total = np.zeros(len(opacity))
    for cosine, weight in zip(0.5 * (_COSINES + 1), 0.5 * _WEIGHTS, strict=True):
        path = tau / cosine
        delta = np.diff(path, axis=1)
        absorbed = -np.expm1(-delta)
        lower = np.where(delta > 1e-4, absorbed / np.where(delta > 0, delta, 1) - (1 - absorbed), 0.5 * delta)
        layers = np.exp(-path[:, :-1]) * (source[:, :-1] * (absorbed - lower) + source[:, 1:] * lower)
        top = source[:, 0] * -np.expm1(-path[:, 0])
        total += weight * cosine * (top + layers.sum(1) + source[:, -1] * np.exp(-path[:, -1]))
    return total


def opacity_over_lte(b_lower: NDArray, b_upper: NDArray, x: NDArray) -> NDArray:
    """Line opacity over that in LTE (n,) from departure coefficients (n,) of the two levels and x (n,) = h nu / k T."""
    stimulated = np.maximum(1.0 - b_upper / b_lower * np.exp(-x), _LEAST_STIMULATED)
    return b_lower * stimulated / -np.expm1(-x)


def source_over_planck(b_lower: NDArray, b_upper: NDArray, x: NDArray) -> NDArray:
    """Line source function over the Planck function (n,) from departure coefficients (n,) of the two levels and x (n,)."""
    stimulated = np.maximum(1.0 - b_upper / b_lower * np.exp(-x), _LEAST_STIMULATED)
    return b_upper / b_lower * -np.expm1(-x) / stimulated
