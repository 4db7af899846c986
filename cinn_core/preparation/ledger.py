"""What a preparation writes down on its way: its steps, its warnings, and the spectrum as it stood in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..stages import Snapshot, Spectrum, Step
from .native import Window


@dataclass
class Ledger:
    """Steps in their order, flags and snapshots; begins with what the reader of the file wrote."""

    steps: list[Step]
    flags: set[str] = field(default_factory=set)
    snapshots: list[Snapshot] = field(default_factory=list)

    def note(self, steps: Iterable[Step], flags: Iterable[str] = ()) -> None:
        """Writes down the steps of one stage, and what it warns of."""
        self.steps += steps
        self.flags |= set(flags)


def as_in_the_file(spectrum: Spectrum, windows: list[Window]) -> Snapshot:
    """The file's own pixels near the arms, with the coarse continuum that divides them."""
    ends = [np.searchsorted(spectrum.wavelength, w.wavelength[[0, -1]]) for w in windows]
    near = np.concatenate([np.arange(first, last + 1) for first, last in ends])
    level = np.concatenate([w.continuum for w in windows])
    frame = f"{spectrum.medium.value}, as in the file"
    return Snapshot("format", frame, spectrum.wavelength[near], spectrum.flux[near], spectrum.good[near], level)


def once_divided(windows: list[Window], after: str) -> Snapshot:
    """The native pixels over their coarse continuum."""
    wavelength, flux, good = (np.concatenate([getattr(w, n) for w in windows]) for n in ("wavelength", "flux", "good"))
    return Snapshot(after, "as in the file", wavelength, flux, good)
