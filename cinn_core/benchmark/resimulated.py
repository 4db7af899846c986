"""The resimulation check of Ksoll et al. (2026): models at the MAP and at quantiles of four abundances beside the observation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..explanation.modelled import QUANTILES, modelled, noise_of, with_nuisances
from ..forward_model.label_fit import pixel_noise
from ..line_windows import line_windows
from ..model import Model
from ..prior import from_z
from ..stages import FluxVector, PosteriorSamples
from ..targets import COLUMN
from .bias import BiasCorrection

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
    flux = modelled(with_nuisances(targets), vector, model)
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
