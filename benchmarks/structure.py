"""What the shipped network reads in LTE spectra of STAGGER's averages and of the structure s = 1, minus ATLAS9's.

python benchmarks/structure.py                # six stars, half a minute each and spectrum; needs Turbospectrum and the data folder

"their Pe" has the electron pressure that the averages list, "Saha" that of their mean temperature and pressure.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinn_core.analyse import load_model
from cinn_core.files import data_directory
from cinn_core.inference.infer import infer, observe
from cinn_core.inference.model import Model
from cinn_core.instrument import N_PIXELS
from cinn_core.prior import from_z
from cinn_core.stages import FluxVector
from cinn_core.synthesis.atmosphere import Atmosphere, load_atmospheres
from cinn_core.synthesis.gas import BOLTZMANN, gas
from cinn_core.synthesis.observed import observed_flux
from cinn_core.synthesis.structure import StructuredAtmospheres, load_structure
from cinn_core.synthesis.turbospectrum import find_programs, open_turbospectrum
from cinn_core.targets import labels_of
from cinn_core.training.structures import StaggerAverage, read_stagger

STARS = ((4500, 2.0, 0), (5000, 4.5, 0), (6000, 4.5, 0), (4500, 2.0, -2), (5500, 3.5, -2), (6000, 4.0, -2))
SNR, VBROAD = 250.0, 5.0


@dataclass(frozen=True, eq=False)
class OneModel:
    """A single model in the place of a grid of atmospheres."""

    model: Atmosphere

    def at(self, teff: float, logg: float, metallicity: float) -> Atmosphere:
        """The model, whatever is asked for."""
        return self.model


def nearest(averages: list[StaggerAverage], teff: float, logg: float, feh: float) -> StaggerAverage:
    """The average nearest to nominal labels."""
    metallicity = feh + np.log10(0.638 * 10 ** (0.4 * (feh <= -1)) + 0.362)
    return min(
        averages,
        key=lambda a: abs(a.teff - teff) / 100 + 10 * abs(a.logg - logg) + 10 * abs(a.metallicity - metallicity),
    )


def atmosphere(average: StaggerAverage, saha: bool) -> Atmosphere:
    """An average as a model atmosphere."""
    state = gas(average.temperature, average.pressure, average.metallicity)
    electrons = state.electrons if saha else average.electron_pressure / (BOLTZMANN * average.temperature)
    columns = np.stack([average.rhox, average.temperature, average.pressure, electrons, state.opacity], 1)
    return Atmosphere(average.teff, average.logg, average.metallicity, np.linspace(-5, 1, len(columns)), columns)


def read(flux: NDArray, model: Model) -> NDArray:
    """MAP labels of a noiseless spectrum (N_PIXELS,), S/N said to be 250."""
    numbers = ((SNR, SNR), 0.0, 0.0, 20_000.0, 0.0, "star", "simulated", "", (), ())
    vector = FluxVector(flux, np.isfinite(flux), np.ones(N_PIXELS), *numbers)
    return from_z(infer(observe(vector, model), model, 2048, 0).map_z[None])[0]


def main() -> None:
    """Print the label shifts of each star."""
    data, model = data_directory(), load_model("cpu")
    if data is None:
        raise SystemExit("There is no data folder; set KIEL_DATA.")
    grid, structure, averages = load_atmospheres(data / "synthesis"), load_structure(), read_stagger(data / "nlte")
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as scratch:
        engine = open_turbospectrum(find_programs(), data, Path(scratch))
        for star in STARS:
            average, alpha = nearest(averages, *star), 0.4 * (star[2] <= -1)
            values = {"teff": average.teff, "logg": average.logg, "feh": star[2], "vmic": 1.5 if star[1] < 3 else 1.0}
            values |= dict.fromkeys(("o_fe", "mg_fe", "si_fe", "ca_fe", "ti_fe"), alpha) | {"vbroad": VBROAD}
            labels = labels_of(values)[None]
            sources = {
                "ATLAS9": grid,
                "their Pe": OneModel(atmosphere(average, saha=False)),
                "Saha": OneModel(atmosphere(average, saha=True)),
                "s = 1": StructuredAtmospheres(grid, structure, 1.0),
            }
            read_off = {
                name: read(observed_flux(replace(engine, atmospheres=source), model.forward, labels)[0], model)
                for name, source in sources.items()
            }
            for name in list(sources)[1:]:
                shift = read_off[name][:4] - read_off["ATLAS9"][:4]
                print(f"{star}  {name:9s} Teff {shift[0]:+5.0f} K  log g {shift[1]:+.2f}  [Fe/H] {shift[2]:+.2f}")


if __name__ == "__main__":
    main()
