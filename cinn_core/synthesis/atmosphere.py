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


_TEFF_WITHIN, _LOGG_WITHIN, _METALLICITY_WITHIN = 1.0, 0.006, 0.25
"""How far the labels may be from the model: its own rounding; in [M/H] what hardly changes the structure."""
_ONE_CM = 1.0  # the radius that stands for a plane-parallel model
_MARCS_DEPTH, _MARCS_TEMPERATURE, _MARCS_ELECTRON_PRESSURE, _MARCS_GAS_PRESSURE = (
    3,
    4,
    5,
    6,
)  # columns of the first table
_OPACITY, _COLUMN_MASS = 2, 7  # columns of the second
_ALPHA_SHARE = 0.638  # of the metals by number, as in targets.effective_metallicity
_BOLTZMANN = 1.380649e-16  # erg/K


@dataclass(frozen=True, eq=False)
class MarcsModel:
    """One model and the text of its file, which Turbospectrum reads itself; stands in for a whole grid of atmospheres."""

    atmosphere: Atmosphere
    text: str

    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        """The model, whose Teff [K], log g [cgs] and [M/H] these must be. Raises SynthesisError where they are not."""
        has = self.atmosphere
        near = (
            abs(teff - has.teff) <= _TEFF_WITHIN
            and abs(logg - has.logg) <= _LOGG_WITHIN
            and abs(metallicity - has.metallicity) <= _METALLICITY_WITHIN
        )
        if not near:
            raise SynthesisError(
                f"The model atmosphere is one of Teff {has.teff:.0f} K, log g {has.logg:.2f}, [M/H] {has.metallicity:+.2f}, "
                f"the star has {teff:.0f} K, {logg:.2f}, {metallicity:+.2f}; give it a model of its own."
            )
        return has


def read_marcs(path: Path) -> MarcsModel:
    """The model of a .mod file as marcs.astro.uu.se gives it. Raises DataError for what is none."""
    try:
        text = path.read_text(encoding="latin-1")
        return MarcsModel(_atmosphere(text), text)
    except OSError as error:
        raise DataError(f"The model atmosphere {path} cannot be read: {error.strerror}.") from error
    except (ValueError, IndexError) as error:
        raise DataError(f"{path.name} is no model atmosphere in MARCS's format (.mod): {error}.") from error


def parameters_of(model: MarcsModel) -> dict[str, float]:
    """Teff [K], log g [cgs] and [Fe/H] of a model by the names of labels; [alpha/Fe] goes into O, Mg, Si, Ca and Ti."""
    feh, alpha = _value(model.text, "Metallicity")
    alphas = dict.fromkeys(("o_fe", "mg_fe", "si_fe", "ca_fe", "ti_fe"), alpha)
    return {"teff": model.atmosphere.teff, "logg": model.atmosphere.logg, "feh": feh, **alphas}


def _atmosphere(text: str) -> Atmosphere:
    teff, gravity = (_value(text, name)[0] for name in ("Teff [K]", "Surface gravity"))
    radius = _value(text, "Radius [cm]", "1 cm radius")[0]
    feh, alpha = _value(text, "Metallicity")
    n = int(_value(text, "Number of depth points")[0])
    first, second = (_table(text, heading, n) for heading in ("lgTau5", "KappaRoss"))
    temperature = first[:, _MARCS_TEMPERATURE]
    electrons = first[:, _MARCS_ELECTRON_PRESSURE] / (_BOLTZMANN * temperature)
    columns = (second[:, _COLUMN_MASS], temperature, first[:, _MARCS_GAS_PRESSURE], electrons, second[:, _OPACITY])
    metallicity = feh + np.log10(_ALPHA_SHARE * 10**alpha + 1 - _ALPHA_SHARE)
    sphere = Sphere(radius, -first[:, _MARCS_DEPTH]) if radius > _ONE_CM else None
    return Atmosphere(teff, float(np.log10(gravity)), float(metallicity), first[:, 1], np.stack(columns, 1), sphere)


def _value(text: str, *names: str) -> list[float]:
    """The numbers before one of some names in the head of the file."""
    for line in text.splitlines():
        for name in names:
            before, found, _ = line.partition(name)
            if found:
                return [float(word) for word in before.split()]
    raise ValueError(f"it does not say its {names[0]}")


def _table(text: str, heading: str, n: int) -> NDArray:
    """The n rows (n, columns) below the line that holds a heading."""
    rows = text[text.index(heading) :].splitlines()[1 : n + 1]
    if len(rows) < n:
        raise ValueError(f"its table of {heading} has {len(rows)} rows, not {n}")
    return np.array([[float(word) for word in row.split()] for row in rows])
