"""Statistical equilibrium of iron in one model atmosphere, in the ultraviolet that its own lines and those of others leave.

Background of lines. What iron's own lines do not absorb is a fence of lines, not a haze: within 10 nm their opacity varies
over orders of magnitude, and ionising photons come through the gaps. It is drawn, cell by cell of `CELL_EDGES_NM`, from a
log-normal distribution of a cross-section per neutral iron atom, `FENCE_WIDTH` wide, whose medians give the model of the
Sun the observed irradiance in means over 10 nm (`ultraviolet.OBSERVED`). Its carriers are taken to be neutral metals 2.5 eV
above the ground, in LTE: their number follows from the model at every depth, so that there is no rule for other stars, and
no exponent for saturation: deep lines saturate by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ..errors import SynthesisError
from ..synthesis.abundances import abundances
from ..synthesis.atmosphere import Atmosphere
from ..synthesis.engine import describe
from . import load_lightweaver
from .equilibrium import _OPACITY_ATOMS, Solution, _atmosphere, solution_of, wavelengths_nm
from .iron_atom import BETWEEN_CORES, CELL_EDGES_NM, read_iron
from .opacity import missing_opacity, planck
from .rate_equations import iterate

_MOST_ITERATIONS, _LARGEST_CHANGE = 120, 3e-3
_BOLTZMANN_EV = 8.617333e-5
_GOLDEN = (np.sqrt(5) - 1) / 2  # its multiples fill the unit interval evenly
_RAREST = 1e-3
_DEPTHS, _TOP, _BOTTOM = 44, -5.0, 1.8
FENCE_WIDTH = 1.0
"""Standard deviation [dex] of the opacity of lines within 10 nm."""
CARRIER_EV = 2.5
"""Excitation energy [eV] of the lower levels of the lines of the background."""
FENCE_NM = np.concatenate([np.arange(215.0, 436.0, 10.0), [480.0, 2000.0]])
FENCE = (
    -20.3, -20.92, -19.7, -20.03, -18.9, -20.19, -19.22, -19.75, -20.63, -20.44, -20.33, -20.83,
    -20.43, -20.5, -21.29, -20.62, -20.81, -20.41, -20.67, -21.27, -21.27, -21.62, -20.42, -27.0, -32.0,
)  # fmt: skip
"""log10 of the median cross-section [m2] per carrier, at FENCE_NM; from the Sun."""
_IRON = 26


@dataclass(frozen=True)
class IronPhysics:
    """Choices of the physics of iron: with hydrogen collisions or not, strength of the background [dex] over the Sun's, its medians.

    `background` -99 leaves the lines of the background out; `between_cores` as in `read_iron`.
    """

    hydrogen: bool = True
    background: float = 0.0
    fence: tuple[float, ...] = FENCE
    between_cores: float = BETWEEN_CORES


def fence(wavelength_nm: NDArray, medians: Sequence[float] | NDArray = FENCE) -> NDArray:
    """Cross-section (m,) [m2] of the lines of the background per carrier at wavelengths (m,) [nm]."""
    cells = CELL_EDGES_NM.size - 1
    deviate = ndtri(np.clip((0.5 + _GOLDEN * np.arange(cells)) % 1, _RAREST, 1 - _RAREST))
    cell = np.clip(np.searchsorted(CELL_EDGES_NM, wavelength_nm) - 1, 0, cells - 1)
    median = np.interp(wavelength_nm, FENCE_NM, medians)
    return 10.0 ** (median + FENCE_WIDTH * deviate[cell])


def carriers(pops: Any, temperature: NDArray) -> NDArray:
    """Density (n,) [1/m3] of neutral iron in LTE times exp(-E / kT): it stands for all carriers of the background's lines."""
    state = pops["Fe"]
    neutral = np.array([level.stage == 0 for level in state.model.levels])
    return np.asarray(state.nStar)[neutral].sum(0) * np.exp(-CARRIER_EV / (_BOLTZMANN_EV * temperature))


def solve_iron(
    labels: NDArray,
    model: Atmosphere,
    data: Path,
    physics: IronPhysics | None = None,
    further: NDArray | tuple[float, ...] = (),
    in_lte: bool = False,
) -> Solution:
    """Solve the statistical equilibrium of iron for labels (25,) in a model atmosphere of any origin.

    `data` is the folder nlte/ with Fe_Mashonkina2011/ and hydrogen_rates/; `further` are air wavelengths [Angstrom] at
    which the solution has the opacity of the continuum. `in_lte` leaves all b at 1. Raises SynthesisError where the
    iteration does not converge, DataError for missing files, KielError without Lightweaver.
    """
    lines = np.asarray(further, float)
    context, iterations = solved_context(labels, model, data, physics or IronPhysics(), wavelengths_nm(lines), in_lte)
    return solution_of(context, "Fe", abundances(labels)[_IRON], float(labels[3]), lines, iterations)


def solved_context(
    labels: NDArray, model: Atmosphere, data: Path, physics: IronPhysics, wavelength_nm: NDArray, in_lte: bool = False
) -> tuple[Any, int]:
    """Lightweaver's Context of a model with iron in equilibrium, with these wavelengths too, and the number of iterations."""
    lw = load_lightweaver()
    abundance = lw.AtomicAbundance({lw.PeriodicTable[z]: value for z, value in abundances(labels).items()})
    atmosphere = _atmosphere(lw, resampled(model), abundance, float(labels[3]))
    others = [getattr(lw.rh_atoms, f"{name}_atom")() for name in _OPACITY_ATOMS if name != "Fe"]
    atoms = lw.RadiativeSet([*others, _atom(data, physics.hydrogen, physics.between_cores)], abundance)
    atoms.set_active("Fe")
    spectrum = atoms.compute_wavelength_grid(extraWavelengths=wavelength_nm)
    pops = atoms.compute_eq_pops(atmosphere)
    context = lw.Context(atmosphere, spectrum, pops, backgroundProvider=_background(physics))
    iterations, converged = (0, True) if in_lte else iterate(context, _MOST_ITERATIONS, _LARGEST_CHANGE)
    if not converged:
        raise SynthesisError(f"The statistical equilibrium of iron does not converge for {describe(labels)}.")
    return context, iterations


def resampled(model: Atmosphere) -> Atmosphere:
    """The model on _DEPTHS depths, evenly in log tau of its own scale from -5 to 1.8."""
    log_tau = np.linspace(max(model.log_tau[0], _TOP), min(model.log_tau[-1], _BOTTOM), _DEPTHS)
    columns = np.exp(np.stack([np.interp(log_tau, model.log_tau, x) for x in np.log(model.columns).T], 1))
    return replace(model, log_tau=log_tau, columns=columns)


@cache
def _atom(data: Path, hydrogen: bool, between_cores: float) -> Any:
    return read_iron(data, hydrogen, between_cores)


def _background(physics: IronPhysics) -> Any:
    """Class of the opacity of everything but iron for Lightweaver: its continuum, colliding hydrogen, the fence of lines."""
    from lightweaver.LwCompiled import BasicBackground

    class FencedBackground(BasicBackground):
        def __init__(self, eqPops: Any, radSet: Any, wavelength: NDArray) -> None:
            super().__init__(eqPops, radSet, wavelength)
            self.wavelength_nm, self.populations = np.asarray(wavelength), eqPops

        def compute_background(self, atmos: Any, chi: NDArray, eta: NDArray, sca: NDArray) -> None:
            super().compute_background(atmos, chi, eta, sca)
            temperature, levels = np.asarray(atmos.temperature), np.asarray(self.populations["H"])
            more = missing_opacity(self.wavelength_nm, temperature, levels[0], levels[-1])
            number = carriers(self.populations.atomicPops, temperature)
            more += 10.0**physics.background * fence(self.wavelength_nm, physics.fence)[:, None] * number
            chi[:] = np.asarray(chi) + more
            eta[:] = np.asarray(eta) + more * planck(self.wavelength_nm, temperature)

    return FencedBackground
