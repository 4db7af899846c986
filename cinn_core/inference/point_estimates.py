"""Point estimates and intervals of many posteriors at once, which evaluations compare with the truth."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from ..prior import MAX_METALLICITY, from_z, inside
from ..targets import effective_metallicity
from .infer import covariance, refine_map
from .model import Model
from .network import N_TARGETS, Observation
from .summary import paper_log_prob

N_SAMPLES = 512
_BATCH, _REFINED = 64, 1024
_SMOOTHED_SHARE = 0.35


@dataclass(frozen=True, eq=False)
class PointEstimates:
    """Point estimates (n, 13) of n spectra in the targets' units, intervals (n, 13, 2) of 68 and 95 %, full width (n, 13).

    The points are the MAP in prior coordinates, the sample of highest density in the paper's (`map_paper`), mean and median.
    """

    map: NDArray
    map_paper: NDArray
    mean: NDArray
    median: NDArray
    interval68: NDArray
    interval95: NDArray
    full: NDArray

    def rows(self, selected: NDArray | slice) -> PointEstimates:
        """Point estimates of some of the spectra."""
        return PointEstimates(*(getattr(self, f.name)[selected] for f in fields(self)))


def sobol_latents(n: int, seed: int) -> Tensor:
    """Scrambled Sobol points mapped to a 13-D standard normal, (n, 13)."""
    points = torch.quasirandom.SobolEngine(N_TARGETS, scramble=True, seed=seed).draw(n).double()
    return torch.special.ndtri(points.clamp(1e-6, 1 - 1e-6)).float()


def estimate_all(model: Model, observation: Observation, latent: Tensor) -> PointEstimates:
    """Point estimates of n observations from the same latents (m, 13), the MAP refined by gradient ascent."""
    parts, starts = [], []
    for some in batches(observation):
        z, density, condition = posterior_z(model, some, latent)
        starts.append((z[torch.arange(len(z)), density.argmax(1)], condition, covariance(z)))
        parts.append(_reduce(z.cpu().numpy(), density.cpu().numpy()))
    rows = zip(*(torch.cat(column).split(_REFINED) for column in zip(*starts, strict=True)), strict=True)
    maps = np.concatenate([refine_map(model.network, *some).cpu().numpy() for some in rows])
    return PointEstimates(from_z(maps), *(np.concatenate(column) for column in zip(*parts, strict=True)))


@torch.no_grad()
def posterior_z(model: Model, observation: Observation, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Prior coordinates (n, m, 13), log densities (n, m) and conditions (n, c) of n observations for latents (m, 13)."""
    condition = model.network.embedding(observation)
    z, density = model.sampler.sample(latent, condition)
    return z, density, condition


def batches(observation: Observation) -> list[Observation]:
    """Observations of n stars in parts of 64."""
    pieces = (observation.coefficients, observation.log_snr, observation.coverage, observation.realism)
    return [Observation(*some) for some in zip(*(piece.split(_BATCH) for piece in pieces), strict=True)]


def _reduce(z: NDArray, log_prob: NDArray) -> tuple[NDArray, ...]:
    """All point estimates but the MAP, of samples (n, m, 13); those outside the prior are left out, unless all are."""
    flat = from_z(z.reshape(-1, N_TARGETS))
    labels = flat.reshape(z.shape)
    keep = effective_metallicity(labels) <= MAX_METALLICITY  # the one bound that prior coordinates leave
    keep[~keep.any(1)] = True
    by_paper = paper_log_prob(flat, log_prob.ravel()).reshape(keep.shape)
    return _densest(labels, by_paper, keep), *_columns(labels, keep)


def estimates_of(labels: NDArray, log_prob: NDArray) -> PointEstimates:
    """Point estimates from samples (n, m, 13) in the targets' units with log density (n, m).

    Both MAPs are the sample of highest density inside the prior.
    """
    keep = inside(labels.reshape(-1, N_TARGETS)).reshape(labels.shape[:2])
    keep[~keep.any(1)] = True
    best = _densest(labels, log_prob, keep)
    return PointEstimates(best, best, *_columns(labels, keep))


def _densest(labels: NDArray, log_prob: NDArray, keep: NDArray) -> NDArray:
    """The sample (n, 13) of highest density among those kept."""
    return labels[np.arange(len(labels)), np.where(keep, log_prob, -np.inf).argmax(1)]


def _columns(labels: NDArray, keep: NDArray) -> tuple[NDArray, ...]:
    columns = zip(*(_one(rows[kept]) for rows, kept in zip(labels, keep, strict=True)), strict=True)
    return tuple(np.array(column) for column in columns)


def _one(labels: NDArray) -> tuple[NDArray, ...]:
    ordered = np.sort(labels, 0)
    return (
        labels.mean(0),
        np.median(ordered, 0),
        shortest_intervals(ordered, 0.68),
        shortest_intervals(ordered, 0.95),
        ordered[-1] - ordered[0],
    )


def shortest_intervals(ordered: NDArray, mass: float) -> NDArray:
    """Shortest interval (k, 2) that holds `mass` of each sorted column of (m, k).

    The shortest of many intervals between samples is short by chance too: of 512 samples of a normal its 68 % holds
    66.6 %. So the place is sought on widths averaged over a third of the possible places; then it holds 67.6 %.
    """
    held = int(np.ceil(mass * len(ordered)))
    widths = ordered[held - 1 :] - ordered[: len(ordered) - held + 1]
    smooth = uniform_filter1d(widths, max(1, int(_SMOOTHED_SHARE * len(widths))), axis=0, mode="nearest")
    first, column = smooth.argmin(0), np.arange(ordered.shape[1])
    return np.stack([ordered[first, column], ordered[first + held - 1, column]], -1)
