"""Training of the emulator on a grid of synthetic spectra: components, kernel scales by marginal likelihood, regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..forward_model.emulator import Emulator, EmulatorBlock, TrainingStars, shared_covariance
from ..forward_model.kernels import N_ATMOSPHERE, N_INPUTS, emulator_inputs, matern52, powers
from ..synthesis.grid_file import Grid, synthesis_labels
from ..targets import COLUMN, TARGETS


@dataclass(frozen=True)
class EmulatorSettings:
    """Settings of the emulator's training: component blocks, stars and steps of the marginal likelihood, seed.

    `windows` [Angstrom] get components of their own, so many each: lithium acts nowhere but there, and among
    components of the whole spectrum its few pixels would not count.
    """

    blocks: tuple[tuple[int, int], ...] = ((0, 6), (6, 30), (30, 100), (100, 300))
    windows: tuple[tuple[float, float, int], ...] = ((6705.5, 6710.2, 16),)
    likelihood_stars: int = 1200
    likelihood_components: int = 24
    steps: int = 120
    learning_rate: float = 0.1
    seed: int = 0


def train_emulator(
    own: Grid, other: Grid | None, settings: EmulatorSettings, progress: Callable[[str], None] = print
) -> Emulator:
    """Emulator of the line list of `own`, from its stars that are neither test nor validation.

    `other` holds stars computed with another line list: they share what the two have in common.
    """
    train = own.select(~(own.is_test | own.is_validation))
    depth = 1 - train.normalised()
    mean = depth.mean(0)
    labels, depths = [train.labels], [depth]
    if other is not None:
        teacher = other.select(~(other.is_test | other.is_validation) & prior_box(other.labels))
        labels.append(teacher.labels)
        depths.append(1 - teacher.normalised())
    anchors = emulator_inputs(torch.from_numpy(synthesis_labels(np.concatenate(labels))))
    rows, blocks, residuals = [], [], []
    for basis, parts in _bases(depth - mean, train.wavelength, settings):
        rows.append(basis)
        coefficients = torch.from_numpy(np.concatenate([(d - mean) @ basis.T for d in depths]).astype(np.float64))
        for first, last in parts:
            y = coefficients[:, first:last]
            block, noise = _learn_kernels(anchors, y, len(train), settings)
            matrix = _training_covariance(anchors, len(train), block)
            matrix += noise * torch.eye(len(anchors), dtype=torch.float64)
            inverse = torch.linalg.inv(matrix)
            blocks.append(replace(block, weights=inverse @ y))
            residuals.append(leave_one_out(inverse, blocks[-1].weights)[: len(train)])
            progress(
                f"{last - first} components learned on {len(train)} + {len(anchors) - len(train)} stars, noise {noise:.1e}"
            )
    for low, high, _ in settings.windows:  # the components of the whole spectrum leave the windows to their own
        rows[0][:, (train.wavelength > low) & (train.wavelength < high)] = 0
    stored = torch.from_numpy(np.concatenate(rows)).half().float()  # what the file will hold
    missed = torch.cat(residuals, 1).half()
    return Emulator(train.wavelength, torch.from_numpy(mean), stored, anchors, len(train), tuple(blocks), missed)


def leave_one_out(inverse: Tensor, weights: Tensor) -> Tensor:
    """Training values (n, k) minus their prediction by all other stars (Rasmussen & Williams 2006, eq. 5.12).

    inverse (n, n) of the training covariance with its noise; weights (n, k) its product with the training values.
    """
    return weights / inverse.diagonal()[:, None]


def _bases(
    centred: NDArray, wavelength: NDArray, settings: EmulatorSettings
) -> Iterator[tuple[NDArray, tuple[tuple[int, int], ...]]]:
    """Components (k, m) of the whole spectrum and of each window, with the blocks they are learned in."""
    yield _principal_components(centred, settings.blocks[-1][1]), settings.blocks
    for low, high, n in settings.windows:
        inside = (wavelength > low) & (wavelength < high)
        yield _principal_components(np.where(inside, centred, 0), n), ((0, 3), (3, n))


def prior_box(labels: NDArray, margin: float = 0.03) -> NDArray:
    """True (n,) for labels (n, 29) within the bounds of Teff, log g and [Fe/H] widened by a share `margin` of their range."""
    keep = np.ones(len(labels), bool)
    for target in TARGETS[:3]:
        x = labels[:, COLUMN[target.name]]
        extra = margin * (target.high - target.low)
        keep &= (x > target.low - extra) & (x < target.high + extra)
    return keep


def _principal_components(centred: NDArray, n: int) -> NDArray:
    """First n right singular vectors (n, m) of a matrix (stars, m), through its small Gram matrix."""
    values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    order = np.argsort(values)[::-1][:n]
    return ((vectors[:, order] / np.sqrt(values[order])).astype(np.float32).T @ centred).astype(np.float32)


def _training_covariance(anchors: Tensor, n_own: int, block: EmulatorBlock) -> Tensor:
    """Covariance (n, n) of the training stars: shared everywhere, and each list's own part within that list."""
    same = torch.zeros(len(anchors), len(anchors), dtype=anchors.dtype)
    same[:n_own, :n_own] = same[n_own:, n_own:] = 1
    stars = TrainingStars(anchors, n_own, powers(anchors))
    own = block.own_amplitude * same * matern52(anchors, anchors, block.own_scales)
    return shared_covariance(anchors, stars, block) + own


def _learn_kernels(anchors: Tensor, y: Tensor, n_own: int, settings: EmulatorSettings) -> tuple[EmulatorBlock, float]:
    """Kernels of one block and noise (relative to the signal) that maximise the marginal likelihood.

    Each component's amplitude is profiled out; the components of a block share the scales.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    stars = torch.randperm(len(anchors), generator=generator)[: settings.likelihood_stars].sort().values
    subset_own = int((stars < n_own).sum())
    step = max(1, y.shape[1] // settings.likelihood_components)
    x, y = anchors[stars], (y / y[:n_own].std(0))[stars][:, ::step]
    double = torch.float64
    scales = torch.full((N_INPUTS,), -2.0, dtype=double)
    scales[:N_ATMOSPHERE] = -0.7
    series = torch.tensor([-4.0, -6.0, -8.0], dtype=double)[:, None].repeat(1, N_INPUTS - N_ATMOSPHERE)
    starts = (scales, scales.clone(), torch.tensor(-2.0), torch.full((N_ATMOSPHERE,), -1.0), torch.tensor(-1.0), series)
    logs = [torch.nn.Parameter(start.to(double)) for start in (*starts, torch.tensor(-6.0))]
    optimiser = torch.optim.Adam(logs, lr=settings.learning_rate)
    identity = torch.eye(len(x), dtype=double)

    def block() -> EmulatorBlock:
        names = (field.name for field in fields(EmulatorBlock))  # the weights are the last, and known last
        return EmulatorBlock(**dict(zip(names, [*(log.exp() for log in logs[:-1]), torch.zeros(0)], strict=True)))

    for _ in range(settings.steps):
        matrix = _training_covariance(x, subset_own, block()) + logs[-1].exp() * identity
        factor = torch.linalg.cholesky(matrix)
        amplitude = (y * torch.cholesky_solve(y, factor)).mean(0)
        loss = 0.5 * amplitude.log().mean() + factor.diagonal().log().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        learned = block()
        return EmulatorBlock(*(getattr(learned, f.name).detach() for f in fields(learned))), float(logs[-1].exp())
