"""Model atmospheres between those of the ATLAS9 grids (Castelli & Kurucz ODFNEW; Kurucz 1993 for the metal-poor end)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError

MAIN_FILE = "atlas9_odfnew.npz"
METAL_POOR_FILE = "atlas9_kurucz1993_metalpoor.npz"
_TOP, _BOTTOM = -5.6, 1.95
"""Layers with log tau_Ross between these are used."""
_TEMPERATURE = 1  # column that the main file holds linear


@dataclass(frozen=True, eq=False)
class Tables:
    """log10 of five columns on a grid of models.

    values (n_feh, n_teff, n_logg, n_layers, 5): column mass RHOX [g/cm2], T [K], gas pressure [dyn/cm2], electron
    density [1/cm3], Rosseland opacity [cm2/g]; NaN where there is no model. log_tau (n_layers,) Rosseland.
    """

    feh: NDArray
    teff: NDArray
    logg: NDArray
    log_tau: NDArray
    values: NDArray


@dataclass(frozen=True, eq=False)
class Sphere:
    """What makes a model spherical: its radius [cm] at Rosseland optical depth 1, and the heights (n,) [cm] above it."""

    radius: float
    height: NDArray


@dataclass(frozen=True, eq=False)
class Atmosphere:
    """One model: log_tau (n,) and columns (n, 5) linear: RHOX [g/cm2], T [K], Pgas [dyn/cm2], Ne [1/cm3], kappa [cm2/g].

    Plane-parallel where there is no sphere.
    """

    teff: float
    logg: float
    metallicity: float
    log_tau: NDArray
    columns: NDArray
    sphere: Sphere | None = None


@dataclass(frozen=True, eq=False)
class Atmospheres:
    """The main grid down to [M/H] = -2.5, and the grid whose differences from there lead on to -5."""

    main: Tables
    metal_poor: Tables

    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        """The model at Teff [K], log g [cgs] and [M/H], which is held inside the tables (-5 to 0.5).

        Each column is linear in log10 between the eight models around, at fixed log tau. Raises SynthesisError
        outside the tables in Teff and log g, and where one of the models around does not exist.
        """
        held = float(np.clip(metallicity, self.metal_poor.feh[0], self.main.feh[-1]))
        lowest = float(self.main.feh[0])
        columns = interpolate(self.main, teff, logg, max(held, lowest))
        if held < lowest:
            there = interpolate(self.metal_poor, teff, logg, held)
            difference = there - interpolate(self.metal_poor, teff, logg, lowest)
            log_tau = self.metal_poor.log_tau
            columns = columns + np.stack([np.interp(self.main.log_tau, log_tau, d) for d in difference.T], -1)
        used = (self.main.log_tau > _TOP) & (self.main.log_tau < _BOTTOM)
        return Atmosphere(teff, logg, held, self.main.log_tau[used], 10.0 ** columns[used])


def load_atmospheres(directory: Path) -> Atmospheres:
    """The tables of the two files in `directory`.

    Raises DataError when one is missing or is not what it should be.
    """
    main, metal_poor = _load(directory / MAIN_FILE), _load(directory / METAL_POOR_FILE)
    main.values[..., _TEMPERATURE] = np.log10(main.values[..., _TEMPERATURE])
    return Atmospheres(main, metal_poor)


def _load(path: Path) -> Tables:
    if not path.is_file():
        raise DataError(f"The model atmospheres {path} are missing; name the folder that holds synthesis/ with --data.")
    with np.load(path, allow_pickle=False) as arrays:
        needed = ("feh", "teff", "logg", "logtauR", "q")
        absent = [name for name in needed if name not in arrays]
        if absent:
            raise DataError(f"{path} holds no array {absent[0]}; it is not a grid of model atmospheres.")
        feh, teff, logg, log_tau, values = (arrays[name].astype(float) for name in needed)
    if values.shape != (feh.size, teff.size, logg.size, log_tau.size, 5):
        raise DataError(f"{path}: q has the shape {values.shape}, which is not that of its axes.")
    return Tables(feh, teff, logg, log_tau, values)


def interpolate(tables: Tables, teff: float, logg: float, metallicity: float) -> NDArray:
    """Columns (n_layers, 5) in log10, linear in Teff, log g and [M/H] between the models around.

    Raises SynthesisError outside the tables and where a model that counts does not exist.
    """
    wanted = (("[M/H]", tables.feh, metallicity), ("Teff", tables.teff, teff), ("log g", tables.logg, logg))
    corners = [_corners(*axis) for axis in wanted]
    total = np.zeros(tables.values.shape[-2:])
    for (i, a), (j, b), (k, c) in product(*corners):
        model = tables.values[i, j, k]
        if not np.isfinite(model).all():
            raise SynthesisError(
                f"There is no model atmosphere at Teff {tables.teff[j]:.0f} K, log g {tables.logg[k]:.1f}, needed for "
                f"Teff {teff:.0f} K, log g {logg:.2f}; choose a cooler star or a higher log g."
            )
        total += a * b * c * model
    return total


def _corners(name: str, axis: NDArray, value: float) -> list[tuple[int, float]]:
    """The points of an axis on both sides of a value with their weights; those without weight are left out."""
    if not axis[0] <= value <= axis[-1]:
        raise SynthesisError(
            f"{name} {value:g} is outside the model atmospheres, which cover {axis[0]:g} to {axis[-1]:g}."
        )
    i = int(np.clip(np.searchsorted(axis, value, side="right") - 1, 0, axis.size - 2))
    t = (value - axis[i]) / (axis[i + 1] - axis[i])
    return [(n, float(w)) for n, w in ((i, 1 - t), (i + 1, t)) if w > 0]
