"""One shard of a batch from its spectra to its partition, many stars at a time: what every way of running a batch calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor

from .. import __version__
from ..errors import KielError
from ..inference.infer import infer_many, log_snr_input, random_latents
from ..inference.judge import judge_many
from ..inference.model import Model, load_model
from ..inference.network import Observation
from ..inference.point_estimates import sobol_latents
from ..inference.projection import RIDGE_SIGMA, Projection
from ..inference.sampler import Precision, Sampler
from ..inference.summary import summarise_many
from ..instrument import N_PIXELS, coverage_input
from ..preparation.fourmost import prepare_many
from ..preparation.templates import Templates
from ..stages import FluxVector
from .items import load
from .plan import BatchSettings, BatchShard, Plan
from .rows import answer_row, refused_row, rows_table, samples_table, write_table

_AT_ONCE = 64  # stars whose samples are in memory together

Prepared = FluxVector | str
"""A star ready for the network, or the reason why there is none."""


@dataclass(frozen=True, eq=False)
class Work:
    """Equipment of a process for its shards: settings, the model on its device, sampler and latents (n, 13)."""

    settings: BatchSettings
    model: Model
    sampler: Sampler
    latent: Tensor


def make_work(settings: BatchSettings, device: str) -> Work:
    """Load the model and draw the latents, the same for every star and process."""
    model = load_model(device, None if settings.network is None else Path(settings.network))
    sampler = Sampler(model.network, Precision.REDUCED) if settings.reduced else model.sampler
    draw = sobol_latents if settings.sobol else random_latents
    return Work(settings, model, sampler, draw(settings.samples, settings.seed))


def process_shard(work: Work, plan: Plan, shard: BatchShard) -> int:
    """Read, prepare, sample and write one shard, and return the number of its spectra; done again, it gives the same file."""
    return finish_shard(work, plan, shard, prepare_shard(shard, work.model.templates))


def prepare_shard(shard: BatchShard, templates: Templates) -> list[Prepared]:
    """Prepare every spectrum of a shard; the reason stands for one that cannot be used."""
    return [
        str(one) if isinstance(one, KielError) else one
        for one in prepare_many(load(shard.items, shard.naming), templates)
    ]


def finish_shard(work: Work, plan: Plan, shard: BatchShard, prepared: Sequence[Prepared]) -> int:
    """Sample the posteriors of a prepared shard and write its partition, the samples first and the rows last.

    Returns the number of its spectra. Raises DataError where the folder cannot be written.
    """
    rows = [
        refused_row(shard.first + i, shard.items[i], reason)
        for i, reason in enumerate(prepared)
        if isinstance(reason, str)
    ]
    ready = [(i, vector) for i, vector in enumerate(prepared) if isinstance(vector, FluxVector)]
    samples = []
    for start in range(0, len(ready), _AT_ONCE):
        some = ready[start : start + _AT_ONCE]
        vectors = [vector for _, vector in some]
        observation = observe_many(vectors, work.model, work.settings.realism)
        posteriors = infer_many(observation, work.model, work.sampler, work.latent, work.settings.seed)
        judgements = judge_many(vectors, observation, posteriors, work.model)
        rows += [
            answer_row(shard.first + i, shard.items[i], vector, posterior, summary, judgement)
            for (i, vector), posterior, summary, judgement in zip(
                some, posteriors, summarise_many(posteriors), judgements, strict=True
            )
        ]
        if work.settings.keep_samples:
            samples.append(samples_table([shard.first + i for i, _ in some], posteriors))
    if samples:
        import pyarrow as pa

        write_table(pa.concat_tables(samples), plan.samples_path(shard.number))
    rows.sort(key=lambda row: row["item"])
    write_table(rows_table(rows, _common(work)), plan.rows_path(shard.number))
    return len(shard.items)


def _common(work: Work) -> dict[str, str]:
    """Metadata that all rows of a partition share."""
    weights = {f"weights_sha256_{kind}": str(card["sha256"]) for kind, card in work.model.cards.items()}
    settings = {key: str(value) for key, value in vars(work.settings).items()}
    return {"kiel": __version__, "precision": work.sampler.precision.value, **weights, **settings}


def observe_many(vectors: Sequence[FluxVector], model: Model, realism: float = 1.0) -> Observation:
    """Observation of all flux vectors together, the same as `infer.observe` gives for each."""
    flux = np.stack([np.nan_to_num(v.flux) for v in vectors])
    good = np.stack([v.good for v in vectors])
    numbers = (
        masked_coefficients(model.projection, flux, good),
        log_snr_input(np.array([v.snr for v in vectors])),
        coverage_input(good),
        np.full(len(vectors), realism),
    )
    return Observation(*(torch.as_tensor(x, dtype=torch.float32, device=model.device) for x in numbers))


def masked_coefficients(projection: Projection, flux: NDArray, good: NDArray) -> NDArray:
    """Coefficients (n, k) of spectra (n, N_PIXELS) with their own good pixels, those of `projection.mask_projection`.

    No star's projection matrix is formed. The products of components and modes over the good pixels are those over all,
    less those over the missing ones, which are few; one Cholesky decomposition for each star does the rest.
    """
    columns = np.concatenate([projection.modes, projection.components], 1)
    every = columns.T @ columns
    light = np.where(good, flux - projection.mean, 0.0).astype(np.float32) @ columns
    m = projection.modes.shape[1]
    ridge = np.diag(RIDGE_SIGMA**2 / projection.variance.astype(np.float64))
    out = np.empty((len(flux), projection.n_components))
    for i, (mask, y) in enumerate(zip(good, light.astype(np.float64), strict=True)):
        few_missing = mask.sum() > N_PIXELS / 2
        some = columns[~mask] if few_missing else columns[mask]
        products = (every - some.T @ some if few_missing else some.T @ some).astype(np.float64)
        inner = products[:m, :m] + 1e-6 * np.eye(m)
        solved = np.linalg.solve(inner, np.column_stack([products[:m, m:], y[:m]]))
        gram = products[m:, m:] - products[m:, :m] @ solved[:, :-1]
        right = y[m:] - products[m:, :m] @ solved[:, -1]
        out[i] = cho_solve(cho_factor(gram + ridge, check_finite=False), right, check_finite=False)
    return out
