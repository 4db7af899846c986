"""The diagnostic lines of Ksoll et al. (2026): Mg I, Ca I, Li I, Fe I and Fe II, from the table in assets."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .files import asset_path
from .instrument import WAVELENGTH


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
        """Name of the line in reports and figures, say "Mg I 5183.604"."""
        return f"{self.species} {self.wavelength:.3f}"

    @property
    def target(self) -> str:
        """Name of the target that the line tells of."""
        return "feh" if self.element == "Fe" else f"{self.element.lower()}_fe"


@cache
def diagnostic_lines() -> tuple[Line, ...]:
    """Diagnostic lines in the order of the table: Mg, Ca, Li, Fe, each species by wavelength."""
    with asset_path("lines.ecsv").open(
        newline="", encoding="utf-8"
    ) as file:  # astropy's reader takes a second to import
        rows = csv.DictReader((line for line in file if not line.startswith("#")), delimiter=" ")
        return tuple(
            Line(r["species"], float(r["wavelength_air"]), r["element"], r["isotope"], float(r["excitation"]))
            for r in rows
        )


CORE_ANGSTROM = 1.0
"""Half-width around a line over which it is judged, and left out."""
_BLEND_ANGSTROM = 0.5
"""Components of one species closer than this are one line at R = 20 000: the four of lithium."""

FIVE = ("Mg I 5183.6", "Ca I 6162.2", "Li I 6707.8", "Fe I 5379.6", "Fe II 6456.4")
"""One line of each species."""


@dataclass(frozen=True)
class LineWindow:
    """One line, or a multiplet that the instrument does not resolve, by its species and air wavelength [Angstrom].

    `excitation` of the lower level in eV.
    """

    species: str
    wavelength: float
    target: str
    excitation: float = float("nan")

    @property
    def name(self) -> str:
        """Name of the line on the page and in its URL, say "Mg I 5183.6"."""
        return f"{self.species} {self.wavelength:.1f}"

    def pixels(self, half_width: float = CORE_ANGSTROM) -> NDArray:
        """The pixels (N_PIXELS,) bool within `half_width` [Angstrom] of the line."""
        return np.abs(WAVELENGTH - self.wavelength) < half_width


@cache
def line_windows() -> tuple[LineWindow, ...]:
    """One window a diagnostic line, in the order of the table; a blended multiplet at its strongest, the first."""
    windows: list[LineWindow] = []
    for line in diagnostic_lines():
        near = (
            w for w in windows if w.species == line.species and abs(w.wavelength - line.wavelength) < _BLEND_ANGSTROM
        )
        if next(near, None) is None:
            windows.append(LineWindow(line.species, line.wavelength, line.target, line.excitation))
    return tuple(windows)


def is_observed(target: str, good: NDArray) -> bool:
    """Whether a diagnostic line of a target lies in the good pixels (N_PIXELS,); True for a target without such lines."""
    windows = [window for window in line_windows() if window.target == target]
    return not windows or any(bool(good[window.pixels()].all()) for window in windows)


def find_window(text: str) -> LineWindow | None:
    """Find the window of a line by what a URL or a person writes: its name, "Mg I", "Li" or a wavelength; None where none fits."""
    name = text.strip().lower()
    for fits in (
        lambda w: w.name.lower() == name,
        lambda w: w.species.lower() == name,
        lambda w: w.species.split()[0].lower() == name,
        lambda w: name != "" and f"{w.wavelength:.3f}".startswith(name),
    ):
        window = next(filter(fits, line_windows()), None)
        if window is not None:
            return window
    return None


def five() -> tuple[LineWindow, ...]:
    """The windows of FIVE."""
    return tuple(window for name in FIVE if (window := find_window(name)) is not None)
