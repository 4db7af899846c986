"""Choice of one spectrum in a file that holds several, and the refusal where no choice was made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError

_SAME_RANGE = 0.8
"""Share of a wavelength range beyond which two spectra repeat each other, instead of being orders or arms."""


_NAMED = 4  # choices that an error spells out


@dataclass(frozen=True)
class Choice:
    """One spectrum of a file: the extension (HDF5: group) and row that `read` takes, and what to call it."""

    hdu: int | None
    row: int | None
    label: str


def require_choice(choices: tuple[Choice, ...], name: str) -> None:
    """Raise SpectrumError, with a list of the spectra, where there are several and none was chosen."""
    if len(choices) < 2:
        return
    option, values = ("--row", [c.row for c in choices])
    if choices[0].row is None:
        option, values = "--hdu", [c.hdu for c in choices]
    listed = "; ".join(c.label for c in choices[:_NAMED]) + (" and more" if len(choices) > _NAMED else "")
    range_of = f"{values[0]} to {values[-1]}" if len(values) > _NAMED else ", ".join(map(str, values))
    raise SpectrumError(f"{name} holds {len(choices)} spectra ({listed}); choose one with {option} {range_of}.")


def wavelength_range(values: NDArray) -> tuple[float, float]:
    """Least and largest positive finite wavelength of an array (n,), in its own unit; (0, 0) where there is none."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def repeats(ranges: list[tuple[float, float]]) -> bool:
    """Whether any two successive wavelength ranges are nearly the same: spectra, not orders or arms."""
    for (a, b), (c, d) in pairwise(ranges):
        shorter = min(b - a, d - c)
        if shorter > 0 and min(b, d) - max(a, c) > _SAME_RANGE * shorter:
            return True
    return False
