"""The whole path for one spectrum: read, 4MOST-ify, infer, summarise, resimulate, saliency, with timings and provenance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

from . import __version__
from .explanation.resimulate import misfit, resimulate
from .explanation.saliency import saliency
from .inference.importance import weigh
from .inference.infer import infer, observe
from .inference.judge import answer_flags, reliability
from .inference.model import Model, load_model
from .inference.projection import mask_projection
from .inference.summary import summarise
from .overrides import NOTHING_GIVEN, Overrides
from .preparation.fourmost import prepare
from .preparation.templates import Templates
from .readers import read
from .stages import Analysis, FluxVector, Importance, Spectrum

__all__ = ["Model", "analyse", "analyse_spectrum", "load_model", "weigh_analysis"]


Progress = Callable[[str], None]
Prepare = Callable[[Spectrum, Templates, Overrides], FluxVector]


def analyse(
    source: Path | bytes,
    model: Model,
    *,
    name: str | None = None,
    overrides: Overrides = NOTHING_GIVEN,
    n_samples: int = 4096,
    seed: int = 0,
    hdu: int | None = None,
    row: int | None = None,
    with_importance: bool = False,
    preparing: Prepare = prepare,
    progress: Progress | None = None,
) -> Analysis:
    """Posterior of the star whose spectrum is in `source` (a path, or the bytes of a file called `name`).

    `overrides` replace what the data and the file say; hdu and row choose among several spectra in the file;
    `with_importance` weighs the samples against the likelihood (some ten seconds); `preparing` is `prepare`, or that of a
    `Rerun`, which remembers what a change of overrides does not touch. Raises SpectrumError for what cannot
    be used.
    """
    timings: dict[str, float] = {}
    with _timed(timings, "read", "Reading the file", progress):
        spectrum = read(source, name, hdu=hdu, row=row)
    return analyse_spectrum(
        spectrum,
        model,
        overrides=overrides,
        n_samples=n_samples,
        seed=seed,
        with_importance=with_importance,
        preparing=preparing,
        progress=progress,
        timings=timings,
    )


def analyse_spectrum(
    spectrum: Spectrum,
    model: Model,
    *,
    overrides: Overrides = NOTHING_GIVEN,
    n_samples: int = 4096,
    seed: int = 0,
    with_importance: bool = False,
    preparing: Prepare = prepare,
    progress: Progress | None = None,
    timings: dict[str, float] | None = None,
) -> Analysis:
    """The same for a spectrum that was read already; `timings` [s] of earlier stages are carried along."""
    timings = {} if timings is None else timings
    with _timed(timings, "prepare", "Bringing the spectrum to the 4MOST spectrograph", progress):
        vector = preparing(spectrum, model.templates, overrides)
    with _timed(timings, "infer", f"Drawing {n_samples} samples of the posterior", progress):
        masked = mask_projection(model.projection, vector.good)
        seen = observe(vector, model, masked=masked)
        posterior = infer(seen, model, n_samples, seed)
    with _timed(timings, "summarise", "Summarising", progress):
        summary = summarise(posterior)
    with _timed(timings, "resimulate", "Resimulating the spectrum", progress):
        resimulation = resimulate(vector, posterior, model)
    with _timed(timings, "reliability", "Judging the answer", progress):
        trust = reliability(vector, seen, posterior, model)
    with _timed(timings, "saliency", "Finding the pixels that decided", progress):
        pixels = saliency(seen, posterior, model, masked)
    weighted = None
    if with_importance:
        with _timed(timings, "importance", "Weighing the samples against the likelihood", progress):
            weighted = weigh(seen, masked, posterior, model, seed)
    timings["total"] = round(sum(timings.values()), 4)
    provenance = _provenance(vector, model, n_samples, seed, overrides)
    flags = answer_flags(vector, posterior, misfit(vector, resimulation), trust.is_far)
    return Analysis(vector, posterior, summary, resimulation, pixels, flags, timings, provenance, trust, weighted)


def weigh_analysis(analysis: Analysis, model: Model) -> Importance:
    """What `with_importance` adds to an analysis, afterwards; the same numbers."""
    vector = analysis.flux_vector
    masked = mask_projection(model.projection, vector.good)
    seen = observe(vector, model, masked=masked)
    return weigh(seen, masked, analysis.posterior, model, analysis.posterior.seed)


@contextmanager
def _timed(timings: dict[str, float], stage: str, text: str, progress: Progress | None) -> Iterator[None]:
    if progress is not None:
        progress(text)
    began = time.perf_counter()
    yield
    timings[stage] = round(time.perf_counter() - began, 4)


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
