"""The diagnostic lines of Ksoll et al. (2026): Mg I, Ca I, Li I, Fe I and Fe II, from the table in assets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from astropy.io import ascii as ascii_tables

from .assets import asset_path


@dataclass(frozen=True)
class Line:
    """One absorption line; `wavelength` in air Angstrom, `excitation` of its lower level in eV.

    `isotope` is empty where the table does not split the element.
    """

    species: str
    wavelength: float
    element: str
    isotope: str = ""
    excitation: float = float("nan")

    @property
    def name(self) -> str:
        """How reports and figures call the line, say "Mg I 5183.604"."""
        return f"{self.species} {self.wavelength:.3f}"

    @property
    def target(self) -> str:
        """Name of the target that the line tells of."""
        return "feh" if self.element == "Fe" else f"{self.element.lower()}_fe"


@cache
def diagnostic_lines() -> tuple[Line, ...]:
    """All diagnostic lines in the order of the table: Mg, Ca, Li, Fe, each species by wavelength."""
    table = ascii_tables.read(asset_path("lines.ecsv"), format="ecsv")
    columns = (table[name] for name in ("species", "wavelength_air", "element", "isotope", "excitation"))
    return tuple(
        Line(str(species), float(wavelength), str(element), str(isotope) if isotope else "", float(excitation))
        for species, wavelength, element, isotope, excitation in zip(*columns, strict=True)
    )
