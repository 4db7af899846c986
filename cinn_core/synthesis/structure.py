"""Structure of a model atmosphere as a number s: 0 for ATLAS9, 1 for the mean of STAGGER's three-dimensional models.

    T(tau) = T_ATLAS9(tau) + s dT(tau) + a second(tau),    tau at 500 nm by the code of `gas.py`, on both sides

dT(tau; Teff, log g, [M/H]) and the share of turbulent pressure of STAGGER (Magic et al. 2013, A&A 557, A26) are one smooth
function, learned by `cinn_core/training/structures.py`; what ships are its coefficients, no models. `second` is the main
shape of what dT does not say and of what separates two 1D codes; a = 1 is its rms. Pressure and electrons are solved
again on tau: column mass m = int dtau / kappa, P_gas = g m (1 - s x turbulent share); electrons by Saha's equations.
Everything enters as a ratio to the same code's answer for the ATLAS9 model, so that s = a = 0 is that model exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..files import asset_path, write_arrays
from ..prior import STRUCTURE_RANGE
from .atmosphere import Atmosphere, AtmosphereSource, load_atmospheres, read_marcs
from .engine import OwnInputs
from .gas import gas

SECOND_RANGE = (-3.0, 3.0)
_RHOX, _TEMPERATURE, _PRESSURE, _ELECTRONS, _ROSSELAND = range(5)
_LEAST_TEMPERATURE = 1500.0
_MOST_TURBULENT = 0.7  # of the pressure
_ITERATIONS, _CONVERGED, _DAMPING = 100, 1e-6, 0.5
_FIRM_TEFF, _FIRM_LOGG = 4950.0, 2.95
"""Below these STAGGER has three models of giants and two of dwarfs, which cannot check one another."""
_ARRAYS = ("log_tau", "anchors", "centre", "scale", "lengths", "weights", "mean", "temperature", "turbulence", "second")


@dataclass(frozen=True, eq=False)
class Structure3D:
    """The learned function: depths log_tau (n,) at 500 nm, and coefficients of k components as a kernel regression.

    anchors (m, 3) in Teff, log g, [M/H] scaled by centre (3,) and scale (3,), lengths (3,), weights (m, k), mean (4, k)
    of 1 and the three; temperature (k, n) [K] and turbulence (k, n) are what a component means; second (n,) [K].
    """

    log_tau: NDArray
    anchors: NDArray
    centre: NDArray
    scale: NDArray
    lengths: NDArray
    weights: NDArray
    mean: NDArray
    temperature: NDArray
    turbulence: NDArray
    second: NDArray

    def at(self, teff: float, logg: float, metallicity: float) -> tuple[NDArray, NDArray]:
        """STAGGER - ATLAS9 in temperature (n,) [K] and the share of turbulent in total pressure (n,).

        Outside the box of the models Teff [K], log g [cgs] and [M/H] are held at its edge.
        """
        x = (np.array([teff, logg, metallicity]) - self.centre) / self.scale
        x = np.clip(x, self.anchors.min(0), self.anchors.max(0))
        components = squared_exponential(x[None], self.anchors, self.lengths)[0] @ self.weights
        components = components + np.append(1.0, x) @ self.mean
        return components @ self.temperature, np.clip(components @ self.turbulence, 0.0, _MOST_TURBULENT)


def squared_exponential(a: NDArray, b: NDArray, lengths: NDArray) -> NDArray:
    """Kernel (p, q) between points (p, d) and (q, d) with a length (d,) in each coordinate."""
    return np.exp(-0.5 * (((a[:, None] - b[None]) / lengths) ** 2).sum(-1))


def is_firm(teff: float, logg: float) -> bool:
    """Whether STAGGER's models are dense enough at Teff [K] and log g [cgs] for dT to be checked; else it is extrapolation."""
    return teff >= _FIRM_TEFF and logg >= _FIRM_LOGG


def load_structure(path: Path | None = None) -> Structure3D:
    """The function that ships, or that of a file. Raises DataError where the file is none."""
    path = path or asset_path("structure.npz")
    try:
        with np.load(path, allow_pickle=False) as file:
            return Structure3D(*(file[name].astype(float) for name in _ARRAYS))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} does not hold the function of the structure: {error}.") from error


def save_structure(structure: Structure3D, path: Path) -> None:
    """Write the function, in single precision, whole or not at all."""
    arrays = {name: getattr(structure, name).astype(np.float32) for name in _ARRAYS}
    write_arrays(path, arrays, compressed=True)


@dataclass(frozen=True, eq=False)
class StructuredAtmospheres:
    """Atmospheres between ATLAS9 (s = 0) and STAGGER's mean (s = 1), with an amplitude of the second shape.

    They take the place of the grid `source`. Raises DataError for an s or an amplitude outside their ranges.
    """

    source: AtmosphereSource
    structure: Structure3D
    s: float
    second: float = 0.0

    def __post_init__(self) -> None:
        for name, value, (low, high) in (("s", self.s, STRUCTURE_RANGE), ("second shape", self.second, SECOND_RANGE)):
            if not low <= value <= high:
                raise DataError(f"The structure's {name} is {value:g}; it lies between {low:g} and {high:g}.")

    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        """The model at Teff [K], log g [cgs] and [M/H]. Raises SynthesisError where `source` has none or nothing converges."""
        model = self.source.at(teff, logg, metallicity)
        if self.s == 0 and self.second == 0:
            return model
        log_tau = np.log10(optical_depth(model))
        warmer, turbulent = self.structure.at(teff, logg, model.metallicity)
        change = self.s * warmer + self.second * self.structure.second
        temperature = model.columns[:, _TEMPERATURE] + np.interp(log_tau, self.structure.log_tau, change)
        share = np.interp(log_tau, self.structure.log_tau, self.s * turbulent)
        return in_equilibrium(model, np.maximum(temperature, _LEAST_TEMPERATURE), share)


def open_atmospheres(folder: Path, inputs: OwnInputs) -> AtmosphereSource:
    """The atmospheres in the folder `synthesis`, with the structure of `inputs`, or its MARCS model.

    Raises DataError for missing files, an s outside its range, or a structure for a MARCS model.
    """
    changed = inputs.s != 0 or inputs.second != 0
    if inputs.atmosphere is None:
        grid = load_atmospheres(folder)
        return StructuredAtmospheres(grid, load_structure(), inputs.s, inputs.second) if changed else grid
    if changed:
        raise DataError("The structure s changes ATLAS9 models; leave it out where a MARCS model is given.")
    return read_marcs(inputs.atmosphere)


def optical_depth(model: Atmosphere) -> NDArray:
    """Optical depth (n,) at 500 nm of a model's layers, by the opacity of `gas`."""
    opacity = gas(model.columns[:, _TEMPERATURE], model.columns[:, _PRESSURE], model.metallicity).opacity
    return integrated(opacity * model.columns[:, _RHOX], model.columns[:, _RHOX])


def integrated(per_log: NDArray, x: NDArray) -> NDArray:
    """Integral (n,) of a function (n,) given per ln x, from 0 to each x (n,): trapezoids; above the first x it goes as x."""
    steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(np.log(x))
    return per_log[0] + np.concatenate([[0.0], np.cumsum(steps)])


def in_equilibrium(model: Atmosphere, temperature: NDArray, turbulent: NDArray) -> Atmosphere:
    """The model with another temperature (n,) [K] and share of turbulent pressure (n,) at the same optical depths at 500 nm.

    Column mass, gas pressure, electron density and opacity in hydrostatic equilibrium. Raises SynthesisError where the
    iteration does not converge.
    """
    rhox, pressure, electrons = (model.columns[:, i] for i in (_RHOX, _PRESSURE, _ELECTRONS))
    before = gas(model.columns[:, _TEMPERATURE], pressure, model.metallicity)
    tau = optical_depth(model)
    reference = integrated(tau / before.opacity, tau)
    log_ratio = np.zeros_like(tau)  # of the new to the old column mass
    for _ in range(_ITERATIONS):
        after = gas(temperature, pressure * np.exp(log_ratio) * (1 - turbulent), model.metallicity)
        step = np.log(integrated(tau / after.opacity, tau) / reference) - log_ratio
        log_ratio = log_ratio + _DAMPING * step
        if np.abs(step).max() < _CONVERGED:
            break
    else:
        raise SynthesisError(
            f"Hydrostatic equilibrium does not converge at Teff {model.teff:.0f} K, log g {model.logg:.2f}, "
            f"[M/H] {model.metallicity:+.2f}; choose an s nearer to 0."
        )
    columns = np.empty_like(model.columns)
    columns[:, _RHOX] = rhox * np.exp(log_ratio)
    columns[:, _TEMPERATURE] = temperature
    columns[:, _PRESSURE] = pressure * np.exp(log_ratio) * (1 - turbulent)
    columns[:, _ELECTRONS] = electrons * after.electrons / before.electrons
    columns[:, _ROSSELAND] = model.columns[:, _ROSSELAND] * after.opacity / before.opacity
    return replace(model, columns=columns)
