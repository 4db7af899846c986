"""Distance of a spectrum from the training set as the network sees it: Mahalanobis distance of its embedding.

The statistics belong to one network and lie beside its weights, with the threshold that 1 % of held-out simulated
stars exceed; a network without them gives no distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..parameters import load_parameters, save_parameters

EXCEEDED_BY = 0.01
"""Share of validation stars beyond the threshold."""
_RIDGE = 1e-4  # of the mean variance, for directions in which the embedding does not vary


@dataclass(frozen=True, eq=False)
class DistanceStatistics:
    """mean (c,) and whitening (c, c) of the training stars' embeddings; the threshold on the distance."""

    mean: Tensor
    whitening: Tensor
    threshold: float

    def distance(self, condition: Tensor) -> Tensor:
        """Distance (n,) of embeddings (n, c), in units in which a training star's is 1 (rms)."""
        return ((condition.cpu() - self.mean) @ self.whitening).pow(2).mean(1).sqrt()


def distance_statistics(training: Tensor, validation: Tensor) -> DistanceStatistics:
    """Statistics from the embeddings of training stars (n, c), the threshold from those of validation stars (m, c)."""
    training = training.double()
    mean = training.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(training.T))
    whitening = vectors / (values.clamp_min(0) + _RIDGE * values.mean()).sqrt()
    statistics = DistanceStatistics(mean.float(), whitening.float(), 0.0)
    threshold = torch.quantile(statistics.distance(validation).double(), 1 - EXCEEDED_BY)
    return DistanceStatistics(statistics.mean, statistics.whitening, float(threshold))


def distance_path(network: Path) -> Path:
    """Path of the statistics beside a network's file."""
    return network.with_name(f"{network.stem}_distance.safetensors")


def save_distance(statistics: DistanceStatistics, network: Path, network_sha256: str) -> Path:
    """Write the statistics beside the network's file; returns their path."""
    tensors = {"mean": statistics.mean, "whitening": statistics.whitening}
    card = {"kind": "embedding distance", "threshold": statistics.threshold, "network_sha256": network_sha256}
    save_parameters(distance_path(network), tensors, card)
    return distance_path(network)


def load_distance(network: Path, network_sha256: str) -> DistanceStatistics | None:
    """The statistics beside a network's weights; None where there are none, or those of another network.

    Raises ParametersError for a file that is damaged.
    """
    path = distance_path(network)
    if not path.is_file():
        return None
    tensors, card = load_parameters(path, "embedding distance")
    if card["network_sha256"] != network_sha256:
        return None
    return DistanceStatistics(tensors["mean"], tensors["whitening"], float(card["threshold"]))
