"""One shard of a batch from its spectra to its partition: the function that every way of running a batch calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..errors import KielError
from ..inference.infer import infer_many, random_latents
from ..inference.judge import answer_flags
from ..inference.model import Model, load_model
from ..inference.network import Observation
from ..inference.point_estimates import sobol_latents
from ..inference.predictive import match_continuum, variance, with_nuisances_of_z
from ..inference.sampler import Sampler
from ..inference.subnets import Precision
from ..inference.summary import summarise
from ..preparation.templates import Templates
from ..stages import FluxVector, PosteriorSamples
from .compress import observe_many
from .items import load
from .plan import Plan, Settings, Shard
from .prepare_many import prepare_many
from .rows import answer_row, refused_row, rows_table, samples_table, write_table

_AT_ONCE = 64  # stars whose samples are in memory together

Prepared = FluxVector | str
"""A star ready for the network, or the reason why there is none."""


@dataclass(frozen=True, eq=False)
class Work:
    """What a process holds while it works: the model on its device, sampler and latents."""

    settings: Settings
    model: Model
    sampler: Sampler
    latent: Tensor


def make_work(settings: Settings, device: str) -> Work:
    """Loads the model and draws the latents, the same for every star and process."""
    model = load_model(device, None if settings.network is None else Path(settings.network))
    sampler = Sampler(model.network, Precision.REDUCED) if settings.reduced else model.sampler
    draw = sobol_latents if settings.sobol else random_latents
    return Work(settings, model, sampler, draw(settings.samples, settings.seed))


def process_shard(work: Work, plan: Plan, shard: Shard) -> int:
    """Reads, prepares, samples and writes one shard; the number of its spectra. The same shard again is the same file again."""
    return finish_shard(work, plan, shard, prepare_shard(shard, work.model.templates))


def prepare_shard(shard: Shard, templates: Templates) -> list[Prepared]:
    """Every spectrum of a shard as the instrument would have seen it, or why not."""
    return [
        str(found) if isinstance(found, KielError) else found for found in prepare_many(load(shard.items), templates)
    ]


def finish_shard(work: Work, plan: Plan, shard: Shard, prepared: Sequence[Prepared]) -> int:
    """Samples the posteriors of a prepared shard and writes its partition: the samples first, the rows last."""
    rows = [
        refused_row(shard.first + i, shard.items[i], found)
        for i, found in enumerate(prepared)
        if isinstance(found, str)
    ]
    ready = [(i, found) for i, found in enumerate(prepared) if isinstance(found, FluxVector)]
    samples = []
    for start in range(0, len(ready), _AT_ONCE):
        some = ready[start : start + _AT_ONCE]
        vectors = [vector for _, vector in some]
        seen = observe_many(vectors, work.model, work.settings.realism)
        posteriors = infer_many(seen, work.model, work.sampler, work.latent, work.settings.seed)
        misfits, distances = _misfits(vectors, posteriors, work.model), _distances(seen, work.model)
        for (i, vector), posterior, chi2, distance in zip(some, posteriors, misfits, distances, strict=True):
            flags = answer_flags(vector, posterior, chi2, _is_far(distance, work.model))
            row = answer_row(
                shard.first + i, shard.items[i], vector, posterior, summarise(posterior), flags, chi2, distance
            )
            rows.append(row)
        if work.settings.keep_samples:
            samples.append(samples_table([shard.first + i for i, _ in some], posteriors))
    if samples:
        import pyarrow as pa

        write_table(pa.concat_tables(samples), plan.samples_path(shard.number))
    rows.sort(key=lambda row: row["item"])
    write_table(rows_table(rows, _common(work)), plan.rows_path(shard.number))
    return len(shard.items)


def _misfits(vectors: Sequence[FluxVector], posteriors: Sequence[PosteriorSamples], model: Model) -> list[float]:
    """Mean squared residual of each star's mode in units of noise and model error."""
    models = model.forward.flux(with_nuisances_of_z(np.stack([posterior.map_z for posterior in posteriors])))
    out = []
    for one, vector in zip(models, vectors, strict=True):
        flux = match_continuum(one[None], vector, model.projection)[0]
        out.append(float(np.mean(((vector.flux - flux) ** 2 / variance(flux, vector))[vector.good])))
    return out


def _distances(seen: Observation, model: Model) -> list[float | None]:
    if model.distance is None:
        return [None] * len(seen.realism)
    with torch.no_grad():
        return [float(d) for d in model.distance.distance(model.network.embedding(seen))]


def _is_far(distance: float | None, model: Model) -> bool:
    return distance is not None and model.distance is not None and distance > model.distance.threshold


def _common(work: Work) -> dict[str, str]:
    """What all rows of a partition have in common."""
    weights = {f"weights_sha256_{kind}": str(card["sha256"]) for kind, card in work.model.cards.items()}
    settings = {key: str(value) for key, value in vars(work.settings).items()}
    return {"kiel": __version__, "precision": work.sampler.precision.value, **weights, **settings}
