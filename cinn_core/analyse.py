"""Analysis of one spectrum: read, prepare, infer, summarise, resimulate, judge, saliency, with timings and provenance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

from . import __version__
from .explanation.saliency import saliency
from .inference.importance import weigh
from .inference.infer import infer, observe
from .inference.judge import judge, reliability
from .inference.model import Model, load_model
from .inference.more_elements import more_elements
from .inference.network import Observation
from .inference.predictive import resimulate
from .inference.projection import MaskedProjection, mask_projection
from .inference.summary import summarise
from .overrides import NOTHING_GIVEN, Overrides
from .preparation.fourmost import prepare
from .preparation.templates import Templates
from .readers import Naming, read
from .stages import Analysis, Answer, FluxVector, Importance, MoreElements, Spectrum

__all__ = ["Model", "analyse", "load_model", "more_of_analysis", "weigh_analysis"]


Progress = Callable[[str], None]
Prepare = Callable[[Spectrum, Templates, Overrides], FluxVector]


def analyse(
    source: Path | bytes | Spectrum,
    model: Model,
    *,
    name: str | None = None,
    overrides: Overrides = NOTHING_GIVEN,
    n_samples: int = 4096,
    seed: int = 0,
    hdu: int | None = None,
    row: int | None = None,
    naming: Naming | None = None,
    with_importance: bool = False,
    with_more: bool = False,
    preparing: Prepare = prepare,
    progress: Progress | None = None,
    answered: Callable[[Answer], object] | None = None,
) -> Analysis:
    """Posterior of the star whose spectrum is `source`: a path, the bytes of a file called `name`, or one that was read already.

    `overrides` replace what the data and the file say; hdu and row choose among several spectra in the file, naming tells
    which of its arrays are wavelength and flux; `with_importance` weighs the samples against the likelihood (some ten seconds);
    `with_more` also draws the thirteen elements beside the targets (some seconds); `preparing` stands in for `prepare`, such as
    one that remembers what a change of overrides does not touch; `progress` is told of each stage, `answered` is given the
    numbers as soon as they are there, a third of the way. Raises SpectrumError for what cannot be used.
    """
    stage = _Timer(progress)
    spectrum = source
    if not isinstance(spectrum, Spectrum):
        with stage("read", "Reading the file"):
            spectrum = read(spectrum, name, hdu=hdu, row=row, naming=naming)
    with stage("prepare", "Bringing the spectrum to the 4MOST spectrograph"):
        vector = preparing(spectrum, model.templates, overrides)
    with stage("infer", f"Drawing {n_samples} samples of the posterior"):
        masked = mask_projection(model.projection, vector.good)
        observation = observe(vector, model, masked=masked)
        posterior = infer(observation, model, n_samples, seed)
    with stage("summarise", "Summarising"):
        summary = summarise(posterior)
    if answered is not None:
        answered(Answer(vector, posterior, summary))
    with stage("resimulate", "Resimulating the spectrum"):
        resimulation = resimulate(vector, posterior, model)
    with stage("reliability", "Judging the answer"):
        judgement = judge(vector, observation, posterior, model, resimulation.map_flux)
        trust = reliability(vector, posterior, model, judgement.distance)
    with stage("saliency", "Finding the pixels that decided"):
        pixels = saliency(observation, posterior, model, masked)
    weighted = None
    if with_importance:
        with stage("importance", "Weighing the samples against the likelihood"):
            weighted = weigh(observation, masked, posterior, model, seed)
    more = None
    if with_more:
        with stage("more", "Drawing thirteen more elements"):
            more = more_elements(observation, masked, posterior, model, seed)
    timings = stage.seconds | {"total": round(sum(stage.seconds.values()), 4)}
    provenance = _provenance(vector, model, n_samples, seed, overrides)
    return Analysis(
        vector, posterior, summary, resimulation, pixels, judgement.flags, timings, provenance, trust, weighted, more
    )


def weigh_analysis(analysis: Analysis, model: Model) -> Importance:
    """Weigh the samples of an analysis against the likelihood afterwards; the numbers are those of `with_importance`."""
    return weigh(*_observed_again(analysis, model), analysis.posterior, model, analysis.posterior.seed)


def more_of_analysis(analysis: Analysis, model: Model) -> MoreElements:
    """The thirteen elements beside the targets of an analysis afterwards; the numbers are those of `with_more`."""
    return more_elements(*_observed_again(analysis, model), analysis.posterior, model, analysis.posterior.seed)


def _observed_again(analysis: Analysis, model: Model) -> tuple[Observation, MaskedProjection]:
    """What the network was given of the star of an analysis, and the projection for its pixels."""
    vector = analysis.flux_vector
    masked = mask_projection(model.projection, vector.good)
    return observe(vector, model, masked=masked), masked


class _Timer:
    """Seconds of each stage of an analysis; `progress` is told of each as it begins."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str, text: str) -> Iterator[None]:
        if self.progress is not None:
            self.progress(text)
        began = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - began, 4)


def _provenance(vector: FluxVector, model: Model, n_samples: int, seed: int, overrides: Overrides) -> dict[str, object]:
    return {
        "kiel": __version__,
        "versions": {name: version(name) for name in ("torch", "FrEIA", "numpy", "astropy", "specutils")},
        "file_sha256": vector.sha256,
        "weights_sha256": {kind: card["sha256"] for kind, card in model.cards.items()},
        "physics": model.cards["emulator"]["physics"],
        "device": str(model.device),
        "samples": n_samples,
        "seed": seed,
        "given": overrides.given(),
        "rv_error_kms": vector.rv_error_kms,
        "snr_by_arm": [s if np.isfinite(s) else None for s in vector.snr],
        "coverage": list(vector.coverage),
        "native_resolving_power": vector.native_resolving_power,
        "steps": [{"name": s.name, "reason": s.reason, "numbers": s.numbers} for s in vector.steps],
    }
