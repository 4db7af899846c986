"""A spectrum prepared again under other overrides: what a change does not touch is not computed a second time."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..overrides import Overrides
from ..stages import FluxVector, Spectrum
from .fourmost import Wanted, WantedVelocity, computed, follow, preparation
from .templates import Templates

_KEPT = 32


class Rerun:
    """Remembers the costly answers of preparations (velocity and medium, continuum) by what they were computed from.

    So the result is that of `fourmost.prepare` to the last bit, and a change of the mask re-runs from the continuum on,
    one of the S/N neither.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, Any] = OrderedDict()
        self.computed: list[str] = []

    def prepare(self, spectrum: Spectrum, templates: Templates, overrides: Overrides) -> FluxVector:
        """As `fourmost.prepare`; `computed` then names what was not remembered."""
        self.computed = []
        course = preparation(spectrum, templates, overrides, None)
        return follow(course, lambda wanted: self._answer(wanted, templates))

    def _answer(self, wanted: Wanted, templates: Templates) -> Any:
        key = _key(wanted)
        if key not in self._answers:
            self.computed.append("velocity" if isinstance(wanted, WantedVelocity) else "continuum")
            self._answers[key] = computed(wanted, templates)
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        return self._answers[key]


def _key(wanted: Wanted) -> bytes:
    digest = hashlib.sha256(type(wanted).__name__.encode())
    if isinstance(wanted, WantedVelocity):
        digest.update(f"{wanted.spectrum.sha256} {wanted.power!r} {wanted.medium!r}".encode())
        for window in wanted.windows:
            for array in (window.wavelength, window.flux, window.error, window.good):
                _update(digest, array)
    else:
        _update(digest, wanted.flux)
        _update(digest, wanted.good)
    return digest.digest()


def _update(digest: Any, array: NDArray | None) -> None:
    digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
