"""Caches of the page: the model and the first example's analysis for all sessions of a process, steps of preparations for one.

A module of its own, because the page's script is emptied when its session ends, while a job of the session may still run.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import panel as pn
from numpy.typing import NDArray

from cinn_core.analyse import Model, analyse, load_model
from cinn_core.errors import ParametersError
from cinn_core.inference.bias import BiasCorrection, bias_path, load_bias
from cinn_core.inference.model import Device, shipped_network_path
from cinn_core.overrides import Overrides
from cinn_core.parameters import card_path
from cinn_core.preparation.combine import combine
from cinn_core.preparation.fourmost import Native, begin, finish, fit, measure_frame, to_rest
from cinn_core.preparation.medium import Frame
from cinn_core.preparation.orders import Continuum
from cinn_core.preparation.templates import Templates
from cinn_core.readers import read
from cinn_core.stages import Analysis, Answer, FluxVector, Spectrum

from .visit import Request, Source

_REMEMBERED = 32
_T = TypeVar("_T")


def shared_model(device: str = "auto") -> Model:
    """The model that this process loads once a device."""
    return pn.state.as_cached(MODEL_KEY, load_model, device=Device(device).resolve().type)


def shipped_bias() -> BiasCorrection | None:
    """The correction of the shipped network; None where it has none."""
    try:
        path = shipped_network_path()
        card = json.loads(card_path(path).read_text(encoding="utf-8"))
        return load_bias(bias_path(path), card["sha256"])
    except ParametersError:
        return None


def devices() -> tuple[str, ...]:
    """Devices that the network can run on, on this machine."""
    import torch

    return ("auto", "cpu", "cuda") if torch.cuda.is_available() else ("auto", "cpu")


def shipped_example(path: Path) -> Analysis:
    """An example's analysis under the settings that a session begins with, which this process makes once.

    Every session begins with one, a whole class at the same time; asked for before the first visitor, nobody waits for
    the model and what is derived from it at first use.
    """
    return pn.state.as_cached("kiel-example", lambda path: analyse(path, shared_model(), name=path.name), path=path)


def analyse_request(preparations: Preparations, request: Request, report: Callable[[str | Answer], None]) -> Analysis:
    """Analyse one request, on the worker; `preparations` are those of its session."""
    report("Loading the model")
    source, settings = request.source, request.settings
    if isinstance(source.data, Path) and request == Request(Source(source.data, source.data.name)):
        return replace(shipped_example(source.data))  # a star of this session's own
    preparing = partial(_combined, source.others) if source.others else preparations.prepare
    return analyse(
        source.data, shared_model(settings.device), name=source.name, overrides=request.overrides, hdu=source.hdu,
        row=source.row, naming=source.naming, preparing=preparing, n_samples=settings.n_samples, seed=settings.seed,
        progress=report, answered=report,
    )  # fmt: skip


def _combined(others: tuple[Source, ...], spectrum: Spectrum, templates: Templates, overrides: Overrides) -> FluxVector:
    """Sum of a spectrum and further exposures of its star."""
    exposures = [read(one.data, one.name, hdu=one.hdu, row=one.row, naming=one.naming) for one in others]
    return combine([spectrum, *exposures], templates, overrides)


MODEL_KEY = "kiel-model"
"""Key of the model in the process's cache, once it is loaded."""


class Preparations:
    """The preparations of one session: a change of overrides does not measure again what it does not touch.

    Frame (medium and velocity) and continuum are remembered by what they were computed from, so that the flux vector is
    that of `fourmost.prepare` to the last bit. A change of the mask fits the continuum alone anew, one of the S/N neither.
    """

    def __init__(self) -> None:
        self.frames: Memory[Frame] = Memory()
        self.continua: Memory[Continuum | None] = Memory()

    def prepare(self, spectrum: Spectrum, templates: Templates, overrides: Overrides) -> FluxVector:
        """Prepare a spectrum as `fourmost.prepare` does; raises SpectrumError as that does."""
        native = begin(spectrum, overrides)
        frame = self.frames.get(_frame_key(native), partial(measure_frame, native, templates))
        at_rest = to_rest(native, frame, templates)
        key = _digest(overrides.continuum.name, at_rest.flux, at_rest.good)
        return finish(at_rest, self.continua.get(key, partial(fit, at_rest, templates)), templates)


class Memory(Generic[_T]):
    """The last 32 results of a costly step, by a hash of what they were computed from; how many were computed."""

    def __init__(self) -> None:
        self._results: OrderedDict[bytes, _T] = OrderedDict()
        self.computed = 0

    def get(self, key: bytes, compute: Callable[[], _T]) -> _T:
        """The result under a key, computed where it is not remembered."""
        if key not in self._results:
            self._results[key] = compute()
            self.computed += 1
            if len(self._results) > _REMEMBERED:
                self._results.popitem(last=False)
        return self._results[key]


def _frame_key(native: Native) -> bytes:
    arrays = [x for w in native.windows for x in (w.wavelength, w.flux, w.error, w.good)]
    return _digest(f"{native.spectrum.sha256} {native.power!r} {native.overrides.medium!r}", *arrays)


def _digest(text: str, *arrays: NDArray | None) -> bytes:
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.digest()
