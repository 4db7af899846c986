"""The tables of departures that ship with Kiel, and the engine that synthesises in the physics of a model."""

from __future__ import annotations

from pathlib import Path

from ..assets import asset_path
from ..model import Model
from ..synthesis.turbospectrum import Turbospectrum, open_turbospectrum
from ..synthesis.turbospectrum_nlte import NlteElement
from .table import read_table


def shipped_element(symbol: str) -> NlteElement:
    """An element with the departures of its shipped table; DataError where there is none."""
    return NlteElement(symbol, read_table(asset_path("nlte", f"{symbol}.npz")).grid())


def engine_of(model: Model, programs: Path, data: Path, scratch: Path) -> Turbospectrum:
    """Turbospectrum as it made what the model's emulator learned: in LTE, or the change's elements in NLTE.

    Calibrated log gf are shifted as the emulator's card says. Raises DataError for missing files.
    """
    change, card = model.forward.emulator.change, model.cards["emulator"]
    if change is None:
        return open_turbospectrum(programs, data, scratch)
    shifts = {(species, wavelength): shift for species, wavelength, shift in card.get("log_gf_shifts", ())}
    elements = [shipped_element(symbol) for symbol in change.blocks]
    return open_turbospectrum(programs, data, scratch, nlte=elements, log_gf_shift=shifts)
