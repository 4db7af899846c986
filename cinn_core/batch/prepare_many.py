"""Many spectra brought to the instrument's pixels at once: the course of `fourmost.prepare`, its questions answered together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import KielError, SpectrumError
from ..forward_model.model_error import shipped_model_error
from ..overrides import NOTHING_GIVEN
from ..preparation.continuum import fit_continuum
from ..preparation.correlation import OnLog, to_log_many
from ..preparation.fourmost import Preparation, WantedContinuum, WantedVelocity, preparation
from ..preparation.medium import joined, settle_medium
from ..preparation.templates import Templates
from ..preparation.velocity import Velocity, velocities_on_log
from ..stages import FluxVector, Medium, Spectrum, Step

_AT_ONCE = 64

Settled = tuple[Medium, Velocity, list[Step]]
Answer = Settled | np.ndarray | SpectrumError


def prepare_many(
    loaded: Sequence[Spectrum | FluxVector | KielError], templates: Templates
) -> list[FluxVector | KielError]:
    """Each spectrum as a flux vector, or why it cannot be one; prepared ones and errors pass as they are.

    Velocities of spectra that tell their medium (4MOST level 1 does) and all continua are found for 64 at once.
    """
    out: list[FluxVector | KielError] = []
    for start in range(0, len(loaded), _AT_ONCE):
        out += _some(loaded[start : start + _AT_ONCE], templates)
    return out


def _some(loaded: Sequence[Spectrum | FluxVector | KielError], templates: Templates) -> list[FluxVector | KielError]:
    out: list[Any] = list(loaded)
    courses: dict[int, Preparation] = {}
    wanted: dict[int, Any] = {}

    def advance(i: int, answer: Any) -> None:
        """Sends an answer to a course and keeps what it wants next, or what it ends with."""
        try:
            if isinstance(answer, SpectrumError):
                raise answer
            wanted[i] = courses[i].send(answer)
        except StopIteration as done:
            out[i] = done.value
        except SpectrumError as problem:
            out[i] = problem

    for i, one in enumerate(loaded):
        if isinstance(one, Spectrum):
            courses[i] = preparation(one, templates, NOTHING_GIVEN, shipped_model_error())
            advance(i, None)
    while wanted:
        now, asked = list(wanted.items()), wanted
        wanted = {}
        answers = _velocities({i: w for i, w in now if isinstance(w, WantedVelocity)}, templates)
        answers |= _continua({i: w for i, w in now if isinstance(w, WantedContinuum)}, templates)
        for i in asked:
            advance(i, answers[i])
    return out


def _velocities(wanted: dict[int, WantedVelocity], templates: Templates) -> dict[int, Answer]:
    """Media and velocities; those of a known medium together, spectra on the same wavelengths rebinned together."""
    answers: dict[int, Answer] = {}
    grids: defaultdict[tuple[bytes, float], list[int]] = defaultdict(list)
    pixels: dict[int, tuple[NDArray, NDArray, NDArray]] = {}
    for i, w in wanted.items():
        try:
            if w.medium is None and w.spectrum.medium is not Medium.UNKNOWN:
                wavelength, flux, _, good = joined(w.windows, w.spectrum.medium)
                pixels[i] = wavelength, flux, good
                grids[wavelength.tobytes(), w.power].append(i)
            else:
                answers[i] = settle_medium(w.spectrum, w.windows, w.power, templates, w.medium)
        except SpectrumError as problem:
            answers[i] = problem
    on_log: dict[int, OnLog] = {}
    for (_, power), same in grids.items():
        flux, good = (np.stack([pixels[i][k] for i in same]) for k in (1, 2))
        on_log |= zip(same, to_log_many(pixels[same[0]][0], flux, good, power, templates), strict=True)
    for i, velocity in zip(on_log, velocities_on_log(list(on_log.values()), templates) if on_log else [], strict=True):
        answers[i] = wanted[i].spectrum.medium, velocity, []
    return answers


def _continua(wanted: dict[int, WantedContinuum], templates: Templates) -> dict[int, Answer]:
    if not wanted:
        return {}
    flux = np.stack([w.flux for w in wanted.values()]).astype(np.float32)
    good = np.stack([w.good for w in wanted.values()])
    return dict(zip(wanted, fit_continuum(flux, good, templates.flux), strict=True))
