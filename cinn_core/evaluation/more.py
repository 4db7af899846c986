"""Coverage of the thirteen elements beside the targets on simulated stars of the prior, made as training stars are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ..inference.infer import infer
from ..inference.model import Model
from ..inference.more_elements import ELEMENTS, extended
from ..inference.network import Observation
from ..inference.projection import mask_projection
from ..inference.summary import status_of
from ..inference.weighted import highest_density_interval
from ..instrument import ARMS
from ..prior import from_z
from ..random_streams import Stream, stream
from ..stages import Status
from ..targets import NUISANCE_BOUNDS
from ..training.network import Stars, observe_stars
from ..training.training_set import make_shard, shard_truth

_SHARDS_FROM = 2_000_000
_A_SHARD = 64
"""Stars used of a shard: those of one shard share their missing pixels."""


def coverage_of_elements(
    model: Model,
    n: int = 200,
    snr: float = 100.0,
    realism: float = 1.0,
    n_samples: int = 512,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, object]:
    """The JSON of `kiel evaluate elements`: by element, shares of n stars whose 68 and 95 % intervals hold the truth.

    Beside them the binomial errors of these shares, the median half-width [dex], the bias and scatter of the median in half
    widths, how many stars measure the element, and the share of 95 % limits that hold.
    """
    drawn, truth = [], []
    for shard in range(-(-n // _A_SHARD)):
        number, first = _SHARDS_FROM + shard, shard * _A_SHARD
        progress(f"Stars {first + 1} to {min(first + _A_SHARD, n)} of {n}")
        good, labels = shard_truth(seed, number)
        masked = mask_projection(model.projection, good)
        observation = _observed(model, seed, number, snr, realism)
        for i in range(min(_A_SHARD, n - first)):
            one = observation.rows(slice(i, i + 1))
            posterior = infer(one, model, n_samples, seed + i)
            drawn.append(extended(one, masked, posterior, model, seed + first + i, n_samples))
            truth.append(labels[i])
    figures = _figures(drawn, np.array(truth)[:, ELEMENTS])
    return {"n": n, "snr": snr, "realism": realism, "elements": figures}


def _observed(model: Model, seed: int, shard: int, snr: float, realism: float) -> Observation:
    """The stars of a shard with white noise."""
    made = make_shard(model.forward, model.templates, model.projection, seed, shard)
    stars = Stars(*(torch.from_numpy(getattr(made, name)[None]) for name in Stars.__dataclass_fields__))
    shape = stars.z.shape[:2]
    generator = torch.Generator().manual_seed(int(stream(Stream.MORE_COVERAGE, seed, shard).integers(2**31)))
    log_snr = torch.full((*shape, len(ARMS)), float(np.log(snr)))
    white = torch.zeros(shape, dtype=torch.bool)
    return observe_stars(stars, log_snr, torch.full(shape, realism), white, generator).to(model.device)


def _figures(drawn: list[NDArray], truth: NDArray) -> dict[str, dict[str, object]]:
    """Figures by element from prior coordinates [(m, 29)] of all labels of n stars and their true [X/Fe] (n, 13)."""
    out: dict[str, dict[str, object]] = {}
    samples = [from_z(z)[:, ELEMENTS] for z in drawn]
    coordinates = [z[:, ELEMENTS] for z in drawn]
    for column, name in enumerate(NUISANCE_BOUNDS):
        held: dict[float, list[bool]] = {0.68: [], 0.95: []}
        widths, off, statuses, limits = [], [], [], []
        for z, labels, true in zip(coordinates, samples, truth[:, column], strict=True):
            values = labels[:, column]
            for mass, hits in held.items():
                low, high = highest_density_interval(values, mass)
                hits.append(bool(low <= true <= high))
                if mass < 0.9:
                    widths.append(0.5 * (high - low))
            off.append((float(np.median(values)) - true) / widths[-1])
            status, limit = status_of(z[:, column], values)
            statuses.append(status)
            if limit is not None:
                limits.append(bool(true <= limit if limit >= np.median(values) else true >= limit))
        out[name] = {
            **{f"coverage{100 * mass:.0f}": float(np.mean(hits)) for mass, hits in held.items()},
            **{f"error{100 * mass:.0f}": float(np.sqrt(mass * (1 - mass) / len(truth))) for mass in held},
            "half_width": float(np.median(widths)),
            "bias": float(np.median(off)),
            "scatter": float(np.std(off)),
            "measured": sum(status is Status.MEASURED for status in statuses),
            "limits": len(limits),
            "limits_held": float(np.mean(limits)) if limits else None,
        }
    return out
