"""One spectrum measured for the benchmark: the answer at its own S/N and, where wanted, with noise added to a lower one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, KielError
from ..explanation.line_fits import LineFits, fit_lines
from ..forward_model.model_error import shipped_model_error
from ..inference.bias import BiasCorrection, KnownAnswer
from ..inference.infer import infer, observe
from ..inference.judge import judge
from ..inference.label_fit import fit_labels, pixel_noise
from ..inference.model import Model
from ..inference.predictive import QUANTILES, model_flux, noise_of, with_nuisances
from ..inference.projection import mask_projection
from ..inference.summary import summarise
from ..inference.weighted import representatives
from ..lines import line_windows
from ..literature import KnownStar
from ..preparation.fourmost import prepare
from ..preparation.snr import degraded
from ..prior import N_LABELS, N_TARGETS, from_z
from ..readers import read
from ..stages import FluxVector, PosteriorSamples, Status, Summary
from ..targets import COLUMN, a_li

_KEPT_SAMPLES = 512
WARNINGS: tuple[str, ...] = (
    "out_of_domain",
    "extrapolated",
    "composite",
    "arms_disagree",
    "chi2_high",
    "rv_uncertain",
    "metal_poor",
)
"""Flags that say an answer may not be believed."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Result for one spectrum: the summary in use, uncorrected MAP (13,) and samples (n, 13), and the checks on it.

    fitted: labels (26,) of the maximum-likelihood fit of the forward model, where it was wanted.
    """

    summary: Summary
    map: NDArray
    samples: NDArray
    snr: tuple[float, ...]
    coverage: tuple[float, ...]
    rejected_fraction: float
    flags: tuple[str, ...]
    check: ResimulationCheck
    lines: LineFits
    fitted: NDArray | None = None

    @property
    def a_li(self) -> float:
        """A(Li) at the MAP in use."""
        targets = self.summary.targets
        return float(a_li(np.array(targets["li_fe"].map), np.array(targets["feh"].map)))

    @property
    def lithium(self) -> str:
        """A(Li) in words: the value with half its 68 % interval, or the limit where it is one."""
        abundance = self.summary.derived["a_li"]
        if self.summary.targets["li_fe"].status is not Status.MEASURED:
            return f"< {abundance.hi95:.2f}"
        return f"{self.a_li:.2f} ± {(abundance.hi68 - abundance.lo68) / 2:.2f}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """The flags that warn of the answer as a whole."""
        return tuple(flag for flag in self.flags if flag in WARNINGS)

    @property
    def minus_lines(self) -> dict[str, float]:
        """MAP - line fit of feh, mg_fe, ca_fe and a_li, where both are measured."""
        references = self.lines.references()
        off = {name: self.summary.targets[name].map - references[name] for name in references if name != "li_fe"}
        line = self.lines.abundances["Li"].value
        if np.isfinite(line) and self.summary.targets["li_fe"].status is Status.MEASURED:
            off["a_li"] = self.a_li - line
        return off


@dataclass(frozen=True, eq=False)
class BenchmarkRow:
    """One entry: its answer at the S/N of the data, the one with noise added if wanted, or why the file was refused."""

    entry: KnownStar
    native: Answer | None
    degraded: Answer | None = None
    refusal: str | None = None


def fit_differences(entry: KnownStar, answer: Answer | None) -> dict[str, float]:
    """Maximum-likelihood fit - literature of the compared targets; without those where either is missing."""
    if answer is None or answer.fitted is None:
        return {}
    return {name: float(answer.fitted[COLUMN[name]]) - value for name, value in entry.values.items()}


def run_benchmark(
    entries: Iterable[KnownStar], directory: Path, measure: Callable[[Path], tuple[Answer, Answer | None]]
) -> Iterator[BenchmarkRow]:
    """Measure the file of each entry and yield its row; a refused file becomes a row with the reason."""
    for entry in entries:
        path = directory / entry.file
        try:
            if not path.is_file():
                raise DataError(f"the file is not in {directory}.")
            native, noisy = measure(path)
        except KielError as error:
            yield BenchmarkRow(entry, None, refusal=str(error))
        else:
            yield BenchmarkRow(entry, native, noisy)


def measure(
    path: Path,
    model: Model,
    *,
    n_samples: int = 4096,
    seed: int = 0,
    degrade_to: float | None = None,
    bias: BiasCorrection | None = None,
    with_fit: bool = False,
) -> tuple[Answer, Answer | None]:
    """The answer for a file, and the one once white noise brought it down to S/N `degrade_to` per Angstrom.

    `with_fit`: the forward model is fitted, too. Raises KielError for a file that cannot be used.
    """
    vector = prepare(read(path), model.templates)
    posterior, flags = judged(vector, model, n_samples, seed)
    native = answer_of(vector, posterior, model, bias, flags)
    if with_fit:
        native = replace(native, fitted=fit_labels(vector, model.forward, shipped_model_error(), {}).labels)
    if degrade_to is None:
        return native, None
    flux, snr, step = degraded(np.nan_to_num(vector.flux), vector.snr, vector.noise_fwhm_kms, degrade_to, seed)
    noisy = replace(vector, flux=flux, snr=snr, steps=(*vector.steps, step))
    posterior, flags = judged(noisy, model, n_samples, seed)
    white = any(name.startswith("sigma_added") for name in step.numbers)
    return native, answer_of(noisy, posterior, model, bias, flags, white=white)


def posterior_of(vector: FluxVector, model: Model, n_samples: int, seed: int) -> PosteriorSamples:
    """Posterior of a prepared spectrum."""
    observation = observe(vector, model, masked=mask_projection(model.projection, vector.good))
    return infer(observation, model, n_samples, seed)


def judged(vector: FluxVector, model: Model, n_samples: int, seed: int) -> tuple[PosteriorSamples, tuple[str, ...]]:
    """Posterior and flags of a prepared spectrum, those that `analyse` gives, without what only the page shows."""
    observation = observe(vector, model, masked=mask_projection(model.projection, vector.good))
    posterior = infer(observation, model, n_samples, seed)
    return posterior, judge(vector, observation, posterior, model).flags


def answer_of(
    vector: FluxVector,
    posterior: PosteriorSamples,
    model: Model,
    bias: BiasCorrection | None = None,
    flags: tuple[str, ...] = (),
    *,
    white: bool = False,
) -> Answer:
    """Summary, checks and line fits of one posterior; the line fits stand at its uncorrected MAP."""
    z = np.concatenate([posterior.map_z, np.zeros(N_LABELS - N_TARGETS)])
    return Answer(
        summary=summarise(posterior) if bias is None else bias.summarise(posterior),
        map=from_z(posterior.map_z[None])[0],
        samples=posterior.labels[representatives(None, len(posterior.labels), _KEPT_SAMPLES)],
        snr=vector.snr,
        coverage=vector.coverage,
        rejected_fraction=posterior.rejected_fraction,
        flags=flags,
        check=check_resimulation(vector, posterior, model, bias, white),
        lines=fit_lines(vector, z, model.forward, shipped_model_error()),
    )


def known_answer(row: BenchmarkRow) -> KnownAnswer | None:
    """Known values of a row that the bias correction may learn from: literature for Teff, log g, [Fe/H], line fits for Mg, Ca, Li."""
    if row.native is None or not row.entry.corrects:
        return None
    lines = row.native.lines.references()
    reference = {**lines, **row.entry.values}
    return KnownAnswer(row.entry.star, row.native.map, row.native.samples, reference)


VARIED: tuple[str, ...] = ("feh", "mg_fe", "ca_fe", "li_fe")
"""The abundances that stand at their quantiles, all else at the MAP; those that a bias correction moves."""
MODELS: tuple[str, ...] = ("map", *(f"q{100 * level:g}" for level in QUANTILES))
_MEAN_OF_GAUSSIAN = float(np.sqrt(2 / np.pi))


@dataclass(frozen=True, eq=False)
class ResimulationCheck:
    """Mean |observed - model| as fractions of the continuum, over the pixels in use and over those of each line seen.

    mean[model] and lines[line][model] for the five MODELS; noise: what the noise alone would leave; residual
    (N_PIXELS,) float32 observed - model at the MAP, NaN where nothing was used.
    """

    mean: dict[str, float]
    lines: dict[str, dict[str, float]]
    noise: float
    residual: NDArray


def check_resimulation(
    vector: FluxVector, posterior: PosteriorSamples, model: Model, bias: BiasCorrection | None, white: bool
) -> ResimulationCheck:
    """Lay the five models over the observation; `white`: its noise was added to the pixels, not smoothed with them.

    A bias correction moves abundances alone: the stellar parameters shape the continuum (Ksoll et al. 2026).
    """
    targets = np.repeat(from_z(posterior.map_z[None]), len(MODELS), 0)
    samples = posterior.labels
    if bias is not None:
        targets, samples = (bias.corrected(x, only=VARIED) for x in (targets, samples))
    for name in VARIED:
        targets[1:, COLUMN[name]] = np.quantile(samples[:, COLUMN[name]], QUANTILES)
    flux = model_flux(with_nuisances(targets), vector, model)
    off = vector.flux - flux
    used = vector.good
    mean = {name: float(np.abs(row[used]).mean()) for name, row in zip(MODELS, off, strict=True)}
    lines = {}
    for window in line_windows():
        near = window.pixels() & used
        if near.sum() > 0.5 * window.pixels().sum():
            lines[window.name] = {n: float(np.abs(row[near]).mean()) for n, row in zip(MODELS, off, strict=True)}
    noise = noise_of(vector) if white else pixel_noise(vector)
    return ResimulationCheck(mean, lines, _MEAN_OF_GAUSSIAN * float(noise[used].mean()), off[0].astype(np.float32))
