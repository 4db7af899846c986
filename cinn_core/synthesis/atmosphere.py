"""Model atmospheres: interpolated in the ATLAS9 grids, or a single MARCS model from its file.

ATLAS9: Castelli & Kurucz (ODFNEW); Kurucz (1993) for the metal-poor end.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError

MAIN_FILE = "atlas9_odfnew.npz"
METAL_POOR_FILE = "atlas9_kurucz1993_metalpoor.npz"
_TOP, _BOTTOM = -5.6, 1.95
"""Layers with log tau_Ross between these are used."""
_ATLAS_TEMPERATURE = 1  # column of the ATLAS9 tables; the main file holds T, the other one log10 T
_TEFF_WITHIN, _LOGG_WITHIN, _METALLICITY_WITHIN = 1.0, 0.006, 0.25
"""Largest difference of a star from its MARCS model: the rounding of its file; in [M/H] what hardly changes the structure."""
_ONE_CM = 1.0  # the radius that marks a plane-parallel MARCS model
_LOG_TAU, _DEPTH, _TEMPERATURE, _ELECTRON_PRESSURE, _GAS_PRESSURE = 1, 3, 4, 5, 6  # columns of the first MARCS table
_OPACITY, _COLUMN_MASS = 2, 7  # columns of the second
_ALPHA_SHARE = 0.638  # of the metals by number, as in targets.effective_metallicity
_BOLTZMANN = 1.380649e-16  # erg/K


@dataclass(frozen=True, eq=False)
class Sphere:
    """Geometry of a spherical model: its radius [cm] at Rosseland optical depth 1, and the heights (n,) [cm] above it."""

    radius: float
    height: NDArray


@dataclass(frozen=True, eq=False)
class Atmosphere:
    """A model atmosphere: log_tau (n,) and columns (n, 5): RHOX [g/cm2], T [K], Pgas [dyn/cm2], Ne [1/cm3], kappa [cm2/g].

    Columns are linear, not log10. Plane-parallel where `sphere` is None.
    """

    teff: float
    logg: float
    metallicity: float
    log_tau: NDArray
    columns: NDArray
    sphere: Sphere | None = None


class AtmosphereSource(Protocol):
    """What gives a model atmosphere for a star: a grid, one model, or a grid whose structure is changed."""

    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        """The model at Teff [K], log g [cgs] and [M/H]. Raises SynthesisError where there is none."""
        ...


@dataclass(frozen=True, eq=False)
class AtlasGrid:
    """An ATLAS9 grid: log10 of five columns of each model.

    values (n_feh, n_teff, n_logg, n_layers, 5): column mass RHOX [g/cm2], T [K], gas pressure [dyn/cm2], electron
    density [1/cm3], Rosseland opacity [cm2/g]; NaN where there is no model. log_tau (n_layers,) Rosseland.
    """

    feh: NDArray
    teff: NDArray
    logg: NDArray
    log_tau: NDArray
    values: NDArray


@dataclass(frozen=True, eq=False)
class Atmospheres:
    """The ATLAS9 grids: the main one down to [M/H] = -2.5, and one whose differences from there lead on to -5."""

    main: AtlasGrid
    metal_poor: AtlasGrid

    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        """The model at Teff [K], log g [cgs] and [M/H]; [M/H] is clipped to the range of the tables (-5 to 0.5).

        Each column is linear in log10 between the eight models around, at fixed log tau. Raises SynthesisError
        outside the tables in Teff and log g, and where one of the models around does not exist.
        """
        clipped = float(np.clip(metallicity, self.metal_poor.feh[0], self.main.feh[-1]))
        lowest = float(self.main.feh[0])
        columns = interpolate(self.main, teff, logg, max(clipped, lowest))
        if clipped < lowest:
            there = interpolate(self.metal_poor, teff, logg, clipped)
            difference = there - interpolate(self.metal_poor, teff, logg, lowest)
            log_tau = self.metal_poor.log_tau
            columns = columns + np.stack([np.interp(self.main.log_tau, log_tau, d) for d in difference.T], -1)
        used = (self.main.log_tau > _TOP) & (self.main.log_tau < _BOTTOM)
        return Atmosphere(teff, logg, clipped, self.main.log_tau[used], 10.0 ** columns[used])


def load_atmospheres(directory: Path) -> Atmospheres:
    """The ATLAS9 grids from the two files in `directory`.

    Raises DataError where one is missing or is not a grid of model atmospheres.
    """
    main, metal_poor = _read_atlas(directory / MAIN_FILE), _read_atlas(directory / METAL_POOR_FILE)
    main.values[..., _ATLAS_TEMPERATURE] = np.log10(main.values[..., _ATLAS_TEMPERATURE])
    return Atmospheres(main, metal_poor)


def _read_atlas(path: Path) -> AtlasGrid:
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
    return AtlasGrid(feh, teff, logg, log_tau, values)


def interpolate(tables: AtlasGrid, teff: float, logg: float, metallicity: float) -> NDArray:
    """Columns (n_layers, 5) in log10, linear in Teff [K], log g [cgs] and [M/H] between the models around.

    Raises SynthesisError outside the tables and where a model with weight does not exist.
    """
    axes = (("[M/H]", tables.feh, metallicity), ("Teff", tables.teff, teff), ("log g", tables.logg, logg))
    corners = [_corners(*axis) for axis in axes]
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
    """Indices of the points of an axis on both sides of a value, with weights; points without weight are left out."""
    if not axis[0] <= value <= axis[-1]:
        raise SynthesisError(
            f"{name} {value:g} is outside the model atmospheres, which cover {axis[0]:g} to {axis[-1]:g}."
        )
    i = int(np.clip(np.searchsorted(axis, value, side="right") - 1, 0, axis.size - 2))
    t = (value - axis[i]) / (axis[i + 1] - axis[i])
    return [(n, float(w)) for n, w in ((i, 1 - t), (i + 1, t)) if w > 0]


@dataclass(frozen=True, eq=False)
class MarcsModel:
    """A MARCS model (Gustafsson et al. 2008, A&A 486, 951) and the text of its file, which Turbospectrum reads itself.

    It takes the place of a grid of atmospheres.
    """

    atmosphere: Atmosphere
    text: str

    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        """The model itself. Raises SynthesisError where Teff [K], log g [cgs] and [M/H] are not those of the model."""
        own = self.atmosphere
        near = (
            abs(teff - own.teff) <= _TEFF_WITHIN
            and abs(logg - own.logg) <= _LOGG_WITHIN
            and abs(metallicity - own.metallicity) <= _METALLICITY_WITHIN
        )
        if not near:
            raise SynthesisError(
                f"The model atmosphere is one of Teff {own.teff:.0f} K, log g {own.logg:.2f}, [M/H] {own.metallicity:+.2f}, "
                f"the star has {teff:.0f} K, {logg:.2f}, {metallicity:+.2f}; give it a model of its own."
            )
        return own


def read_marcs(path: Path) -> MarcsModel:
    """The MARCS model of a .mod file as marcs.astro.uu.se gives it. Raises DataError for a missing or another file."""
    try:
        text = path.read_text(encoding="latin-1")
        return MarcsModel(_marcs_atmosphere(text), text)
    except OSError as error:
        raise DataError(f"The model atmosphere {path} cannot be read: {error.strerror}.") from error
    except (ValueError, IndexError) as error:
        raise DataError(f"{path.name} is not a model atmosphere in MARCS's format (.mod): {error}.") from error


def parameters_of(model: MarcsModel) -> dict[str, float]:
    """Labels of a MARCS model by name: Teff [K], log g [cgs], [Fe/H]; its [alpha/Fe] as [X/Fe] of O, Mg, Si, Ca and Ti."""
    feh, alpha = _marcs_numbers(model.text, "Metallicity")
    alphas = dict.fromkeys(("o_fe", "mg_fe", "si_fe", "ca_fe", "ti_fe"), alpha)
    return {"teff": model.atmosphere.teff, "logg": model.atmosphere.logg, "feh": feh, **alphas}


def _marcs_atmosphere(text: str) -> Atmosphere:
    teff, gravity = (_marcs_numbers(text, name)[0] for name in ("Teff [K]", "Surface gravity"))
    radius = _marcs_numbers(text, "Radius [cm]", "1 cm radius")[0]
    feh, alpha = _marcs_numbers(text, "Metallicity")
    n = int(_marcs_numbers(text, "Number of depth points")[0])
    first, second = (_marcs_table(text, heading, n) for heading in ("lgTau5", "KappaRoss"))
    temperature = first[:, _TEMPERATURE]
    electrons = first[:, _ELECTRON_PRESSURE] / (_BOLTZMANN * temperature)
    columns = (second[:, _COLUMN_MASS], temperature, first[:, _GAS_PRESSURE], electrons, second[:, _OPACITY])
    metallicity = feh + np.log10(_ALPHA_SHARE * 10**alpha + 1 - _ALPHA_SHARE)
    sphere = Sphere(radius, -first[:, _DEPTH]) if radius > _ONE_CM else None
    return Atmosphere(
        teff, float(np.log10(gravity)), float(metallicity), first[:, _LOG_TAU], np.stack(columns, 1), sphere
    )


def _marcs_numbers(text: str, *names: str) -> list[float]:
    """Numbers that precede one of some names in the head of a MARCS file."""
    for line in text.splitlines():
        for name in names:
            before, match, _ = line.partition(name)
            if match:
                return [float(word) for word in before.split()]
    raise ValueError(f"it does not say its {names[0]}")


def _marcs_table(text: str, heading: str, n: int) -> NDArray:
    """Rows (n, columns) below the line of a MARCS file that holds a heading."""
    rows = text[text.index(heading) :].splitlines()[1 : n + 1]
    if len(rows) < n:
        raise ValueError(f"its table of {heading} has {len(rows)} rows, not {n}")
    return np.array([[float(word) for word in row.split()] for row in rows])
