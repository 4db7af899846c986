"""Ablation: the effect of each step towards real stars, from fits with one step more each time, errors from other stars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..forward_model.forward import ForwardModel
from ..forward_model.model_error import ModelError, halpha_core, halpha_wings, uniform_model_error
from ..inference.bias import KnownAnswer, cross_validated, groups_of
from ..inference.label_fit import fit_labels
from ..literature import COMPARED, KnownStar
from ..prior import N_TARGETS
from ..stages import FluxVector
from ..targets import COLUMN
from .error_floor import leftovers, model_error_of
from .figures import BiasAndScatter, over_stars

_FIRST_EPSILON, _LITTLE = 0.03, 0.002
NOISE, EQUAL, SPECTRUM, MASK, HALPHA, BUMPS, LINE = (
    "noise alone",
    "3 % of every line's depth",
    "measured error of every pixel",
    "and pixels masked",
    "and Halpha's wings",
    "and bumps there",
    "and the bias line",
)


@dataclass(frozen=True)
class Effect:
    """One step: fitted - literature by star and target, and over the stars."""

    name: str
    stars: dict[str, dict[str, float]]
    overall: dict[str, BiasAndScatter]


def steps(
    vectors: Sequence[tuple[KnownStar, FluxVector]],
    forward: ForwardModel,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[Effect, ...]:
    """The steps in their order, each with all before it; labels are free, fitted by maximum likelihood.

    The stars are dealt into three groups; a star's error spectrum, mask and bias line come from the two that it is not in.
    """
    literature = {star.star: star.values for star, _ in vectors}
    report("Fitting the stars at their literature parameters")
    left = leftovers(vectors, forward, uniform_model_error(_FIRST_EPSILON))
    found: dict[str, dict[str, NDArray]] = {}
    for group in groups_of(literature):
        error = model_error_of([one for one in left if one.star not in group])
        for star, vector in vectors:
            if star.star in group:
                report(f"Fitting {star.star} with what other stars taught")
                for name, (one, used, bumps) in _settings(error).items():
                    fit = fit_labels(vector, forward, one, {}, used, bumps)
                    found.setdefault(name, {})[star.star] = fit.labels[:N_TARGETS]
    effects = [_effect(name, labels, literature) for name, labels in found.items()]
    corrected = cross_validated([KnownAnswer(star, x, x[None], literature[star]) for star, x in found[BUMPS].items()])
    after = {
        star: {name: corrected[name][star][1] for name in COMPARED if star in corrected.get(name, {})}
        for star in literature
    }
    return (*effects, Effect(LINE, after, over_stars(after)))


def _settings(error: ModelError) -> dict[str, tuple[ModelError, NDArray, bool]]:
    """Model error, pixels in use and whether the continuum may have bumps at Halpha, of each step before the bias line."""
    plain = ~(halpha_wings() | halpha_core())
    return {
        NOISE: (uniform_model_error(0.0, _LITTLE), plain, False),
        EQUAL: (uniform_model_error(_FIRST_EPSILON), plain, False),
        SPECTRUM: (replace(error, masked=halpha_core()), plain, False),
        MASK: (error, plain, False),
        HALPHA: (error, ~halpha_core(), False),
        BUMPS: (error, ~halpha_core(), True),
    }


def _effect(name: str, labels: Mapping[str, NDArray], literature: Mapping[str, Mapping[str, float]]) -> Effect:
    off = {
        star: {target: float(x[COLUMN[target]] - literature[star][target]) for target in COMPARED}
        for star, x in labels.items()
    }
    return Effect(name, off, over_stars(off))


def one_a_star(vectors: Sequence[tuple[KnownStar, FluxVector]]) -> list[tuple[KnownStar, FluxVector]]:
    """The spectrum of highest S/N of each star."""
    best: dict[str, tuple[KnownStar, FluxVector]] = {}
    for star, vector in vectors:
        if star.star not in best or np.nanmin(vector.snr) > np.nanmin(best[star.star][1].snr):
            best[star.star] = star, vector
    return list(best.values())
