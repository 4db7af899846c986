"""A star's physics: structure and second shape of its atmosphere, strength of iron's departures; and the engine for any of them.

Iron, magnesium and calcium are in NLTE on the structure, lithium in 3D NLTE, and log gf are those that give the Sun at s = 1
and n = 1 the spectrum it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from ..files import asset_path
from .atmosphere import AtmosphereSource, load_atmospheres
from .departure_files import DepartureTable, read_table
from .lithium import WINDOW, LithiumIn3D, load_correction
from .solar_log_gf import Shifts
from .structure import Structure3D, StructuredAtmospheres, load_structure
from .turbospectrum import Turbospectrum, open_turbospectrum
from .turbospectrum_nlte import NlteElement

_STRENGTH_OF = "Fe"


@dataclass(frozen=True)
class StarPhysics:
    """The physics of a star: structure s, amplitude of the second shape, strength n of iron's departures."""

    s: float
    second: float
    strength: float


SOLAR_PHYSICS = StarPhysics(1.0, 0.0, 1.0)
"""The physics in which the Sun's spectrum fixes log gf."""


@dataclass(frozen=True, eq=False)
class PhysicsEngines:
    """Turbospectrum opened for stars of any physics: `at` gives the engine of one."""

    tables: tuple[DepartureTable, ...]
    numbered: Turbospectrum
    line: LithiumIn3D
    atmospheres: AtmosphereSource
    structure: Structure3D

    def at(self, physics: StarPhysics) -> LithiumIn3D:
        """The engine of a physics, an `Engine`."""
        atmospheres = StructuredAtmospheres(self.atmospheres, self.structure, physics.s, physics.second)
        elements = tuple(
            NlteElement(x.element, x.grid(physics.s, physics.strength if x.element == _STRENGTH_OF else 1.0))
            for x in self.tables
        )
        return replace(self.line, engine=replace(self.numbered, atmospheres=atmospheres, nlte=elements))


def open_engines(paths: Sequence[Path], programs: Path, data: Path, shifts: Shifts, scratch: Path) -> PhysicsEngines:
    """Open the engines with tables of departures at `paths`; line lists go to the folder `scratch`.

    Raises DataError for missing files or two tables of one element.
    """
    tables = tuple(read_table(path) for path in paths)
    symbols = [table.element for table in tables]
    if len(set(symbols)) < len(symbols) or "Li" in symbols:
        raise DataError(f"The tables are of {', '.join(symbols)}; needed is one of each element, without lithium.")
    elements = tuple(NlteElement(table.element, table.grid(1.0)) for table in tables)
    folders = [scratch / name for name in ("stars", "lithium-lte", "lithium-nlte")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    numbered = open_turbospectrum(programs, data, folders[0], nlte=elements, log_gf_shift=shifts)
    own_lithium = (NlteElement("Li", read_table(asset_path("nlte", "Li.npz")).grid()),)
    plain = open_turbospectrum(programs, data, folders[1])
    outside = open_turbospectrum(programs, data, folders[2], nlte=own_lithium)
    plain, outside = (replace(engine, windows=(WINDOW,)) for engine in (plain, outside))
    line = LithiumIn3D(numbered, plain, outside, load_correction(), same_structure=False)
    return PhysicsEngines(tables, numbered, line, load_atmospheres(data / "synthesis"), load_structure())
