"""Exact resimulation: the MAP and the quantile models by full synthesis, beside the emulator's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import asset_path, data_directory
from ..forward_model.nlte_change import elements_in_nlte
from ..forward_model.physics_change import PhysicsChange
from ..inference.model import Model
from ..inference.predictive import match_continuum, model_flux, quantile_labels, with_nuisances_of_z
from ..stages import FluxVector, PosteriorSamples
from ..synthesis.departure_files import read_table
from ..synthesis.engine import Engine
from ..synthesis.observed import observed_flux
from ..synthesis.star_physics import StarPhysics, open_engines
from ..synthesis.turbospectrum import find_programs, open_turbospectrum
from ..synthesis.turbospectrum_nlte import NlteElement
from ..targets import PHYSICS_COLUMNS

NAMES = ("MAP", "2.5 %", "16 %", "84 %", "97.5 %")


@dataclass(frozen=True, eq=False)
class Exact:
    """One model synthesised: flux (N_PIXELS,), the emulator's of the same labels, and how far they are apart."""

    name: str
    flux: NDArray
    emulated: NDArray

    @property
    def rms(self) -> float:
        """Root mean square of synthesised - emulated flux, as a fraction of the continuum."""
        return float(np.sqrt(np.mean((self.flux - self.emulated) ** 2)))

    @property
    def largest(self) -> float:
        """Largest difference of one pixel."""
        return float(np.abs(self.flux - self.emulated).max())


def can_synthesise() -> bool:
    """Whether Turbospectrum and its input are on this machine."""
    try:
        find_programs()
        data = data_directory()
    except DataError:
        return False
    return data is not None and (data / "synthesis").is_dir()


def resimulate_exactly(
    vector: FluxVector, posterior: PosteriorSamples, weights: NDArray | None, model: Model
) -> Iterator[Exact]:
    """The MAP, then the four quantile models, one after the other, some 7 s each.

    Raises DataError where Turbospectrum or its input is missing, SynthesisError where it gives no spectrum.
    """
    labels = np.concatenate([with_nuisances_of_z(posterior.map_z[None]), quantile_labels(posterior, weights)])
    data = data_directory()
    if data is None:
        raise DataError("There is no data folder with synthesis/; set KIEL_DATA.")
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as scratch:
        engine_for = engines_of(model, find_programs(), data, Path(scratch))
        for name, star in zip(NAMES, labels, strict=True):
            synthesised = observed_flux(engine_for(star), model.forward, star[None])
            flux = match_continuum(synthesised, vector, model.projection)[0]
            yield Exact(name, flux, model_flux(star[None], vector, model)[0])


def shipped_element(symbol: str) -> NlteElement:
    """An element with the departures of its shipped table; DataError where there is none."""
    return NlteElement(symbol, read_table(asset_path("nlte", f"{symbol}.npz")).grid())


def engines_of(model: Model, programs: Path, data: Path, scratch: Path) -> Callable[[NDArray], Engine]:
    """Turbospectrum as it made what the model's emulator learned, for a star of labels (29,).

    In LTE, or with the change's elements in NLTE, or on the star's own structure with departures on it. Calibrated log gf
    are shifted as the emulator's card says. Raises DataError for missing files.
    """
    change, card = model.forward.emulator.change, model.cards["emulator"]
    shifts = {(species, wavelength): shift for species, wavelength, shift in card.get("log_gf_shifts", ())}
    if isinstance(change, PhysicsChange):
        tabled = (symbol for symbol in elements_in_nlte(change.physics) if symbol != "Li")  # of lithium the line alone
        tables = [asset_path("nlte", f"{symbol}.npz") for symbol in tabled]
        engines = open_engines(tables, programs, data, shifts, scratch)
        return lambda labels: engines.at(StarPhysics(*labels[PHYSICS_COLUMNS].tolist()))
    elements = [shipped_element(symbol) for symbol in change.blocks] if change else []
    engine = open_turbospectrum(programs, data, scratch, nlte=elements, log_gf_shift=shifts)
    return lambda labels: engine
