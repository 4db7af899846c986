"""Many spectra brought to the instrument's pixels."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import KielError, SpectrumError
from ..fourmost import prepare
from ..stages import FluxVector
from ..templates import Templates
from .load import Loaded


def prepare_many(loaded: Sequence[Loaded], templates: Templates) -> list[FluxVector | KielError]:
    """Each spectrum as a flux vector, or why it cannot be one; prepared ones and errors pass as they are."""
    out: list[FluxVector | KielError] = []
    for one in loaded:
        if isinstance(one, FluxVector | KielError):
            out.append(one)
            continue
        try:
            out.append(prepare(one, templates))
        except SpectrumError as problem:
            out.append(problem)
    return out
