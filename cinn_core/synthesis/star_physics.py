"""A star's physics: structure and second shape of its atmosphere, strength of iron's departures; and the engine for any of them.

Iron, magnesium and calcium are in NLTE on the structure, lithium in 3D NLTE, and log gf are those that give the Sun at s = 1
and n = 1 the spectrum it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from .atmosphere import AtmosphereSource, load_atmospheres
from .departure_files import DepartureTable, read_table
from .lithium import LithiumIn3D, lithium_in_nlte, load_correction, open_line, without_line
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
        of_tables = (
            NlteElement(x.element, x.grid(physics.s, physics.strength if x.element == _STRENGTH_OF else 1.0))
            for x in self.tables
        )
        elements = (*of_tables, *(x for x in self.numbered.nlte if x.symbol == "Li"))
        return replace(self.line, engine=replace(self.numbered, atmospheres=atmospheres, nlte=elements))


def open_engines(paths: Sequence[Path], programs: Path, data: Path, shifts: Shifts, scratch: Path) -> PhysicsEngines:
    """Open the engines with tables of departures at `paths`; line lists go to the folder `scratch`.

    Raises DataError for missing files or two tables of one element.
    """
    tables = tuple(read_table(path) for path in paths)
    symbols = [table.element for table in tables]
    if len(set(symbols)) < len(symbols) or "Li" in symbols:
        raise DataError(f"The tables are of {', '.join(symbols)}; needed is one of each element, without lithium.")
    elements = (*(NlteElement(table.element, table.grid(1.0)) for table in tables), lithium_in_nlte())
    plain, outside = open_line(programs, data, scratch)
    stars = scratch / "stars"
    stars.mkdir(parents=True, exist_ok=True)
    shifts = {**shifts, **without_line(plain)}
    numbered = open_turbospectrum(programs, data, stars, nlte=elements, log_gf_shift=shifts)
    line = LithiumIn3D(numbered, plain, outside, load_correction())
    return PhysicsEngines(tables, numbered, line, load_atmospheres(data / "synthesis"), load_structure())
