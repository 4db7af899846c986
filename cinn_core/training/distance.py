"""Learns how far from its training stars a network's embeddings lie, on stars simulated as those were."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..inference.distance import DistanceStatistics, distance_statistics
from ..inference.model import Model
from ..inference.network import Network, Observation
from .bank import Shard, make_shard
from .network import NetworkSettings, Stars, draw_observations

_SHARDS = 16
_FIRST_SHARD = 2_000_000
_ROUNDS = 4  # times each simulated star is seen, with noise, S/N and realism drawn anew


def measure_distances(
    model: Model, seed: int = 0, shards: int = _SHARDS, progress: Callable[[str], None] = print
) -> DistanceStatistics:
    """Statistics of a model's network on simulated stars as it is trained on, half of the shards for the threshold."""
    embeddings = []
    for i in range(shards):
        shard = make_shard(model.forward, model.templates, model.projection, seed, _FIRST_SHARD + i)
        embeddings.append(_embeddings(model.network, shard, seed + i))
        progress(f"{i + 1} of {shards} shards of simulated stars")
    return distance_statistics(torch.cat(embeddings[::2]), torch.cat(embeddings[1::2]))


@torch.no_grad()
def _embeddings(network: Network, shard: Shard, seed: int) -> Tensor:
    stars = Stars(*(torch.from_numpy(getattr(shard, name))[None] for name in Stars.__dataclass_fields__))
    device, generator = next(network.parameters()).device, torch.Generator().manual_seed(seed)
    out = []
    for _ in range(_ROUNDS):
        seen = draw_observations(stars, NetworkSettings(), generator)
        moved = (x.to(device) for x in (seen.coefficients, seen.log_snr, seen.coverage, seen.realism))
        out.append(network.embedding(Observation(*moved)).cpu())
    return torch.cat(out)
