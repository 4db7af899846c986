"""A model atmosphere in MARCS's own format (.mod; Gustafsson et al. 2008), plane-parallel or spherical."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from .atmosphere import Atmosphere, Sphere

_TEFF_WITHIN, _LOGG_WITHIN, _METALLICITY_WITHIN = 1.0, 0.006, 0.25
"""How far the labels may be from the model: its own rounding; in [M/H] what hardly changes the structure."""
_ONE_CM = 1.0  # the radius that stands for a plane-parallel model
_DEPTH, _TEMPERATURE, _ELECTRON_PRESSURE, _GAS_PRESSURE = 3, 4, 5, 6  # columns of the first table
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
    temperature = first[:, _TEMPERATURE]
    electrons = first[:, _ELECTRON_PRESSURE] / (_BOLTZMANN * temperature)
    columns = (second[:, _COLUMN_MASS], temperature, first[:, _GAS_PRESSURE], electrons, second[:, _OPACITY])
    metallicity = feh + np.log10(_ALPHA_SHARE * 10**alpha + 1 - _ALPHA_SHARE)
    sphere = Sphere(radius, -first[:, _DEPTH]) if radius > _ONE_CM else None
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
