"""The training set: clean and realistic stars, computed once in shards that share a pattern of good pixels.

Noise, S/N and the degree of realism are drawn anew each time a star is used, on the coefficients; everything that
needs the forward model is done here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..files import write_arrays
from ..forward_model.forward import ForwardModel, load_forward
from ..forward_model.realism import (
    RESOLVING_POWER_RANGE,
    VELOCITY_ERROR_KMS,
    draw_emulator_errors,
    draw_good_pixels,
    model_errors,
    normalisation_errors,
)
from ..inference.projection import MaskedProjection, Projection, fit_projection, mask_projection, stored
from ..instrument import LSF_SIGMA_PIXELS, coverage_input
from ..preparation.continuum import fit_continuum
from ..preparation.templates import Templates, make_templates
from ..prior import N_TARGETS, draw, to_z
from ..processes import in_processes
from ..random_streams import Stream, stream
from ..targets import COLUMN, EMULATOR_COLUMNS

SHARD_STARS = 512
_BATCH = 256


@dataclass(frozen=True)
class TrainingSetSettings:
    """Settings of a training set: stars behind the projection, number of its components, seed of the draws."""

    projection_stars: int = 6000
    n_components: int = 256
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TrainingShard:
    """Training stars with one pattern of good pixels.

    z (n, 13) prior coordinates; clean and realistic (n, k) noise-free coefficients at realism 0 and 1; white_noise and
    degraded_noise (arms, k, k) roots of the coefficients' covariance for unit pixel noise; coverage (N_COVERAGE,).
    """

    z: NDArray
    clean: NDArray
    realistic: NDArray
    white_noise: NDArray
    degraded_noise: NDArray
    coverage: NDArray


def lsf_kernel() -> NDArray:
    """The line spread function over pixels, unit sum: what correlates the noise of a spectrum degraded to R = 20 000."""
    x = np.arange(-6, 7)
    kernel = np.exp(-0.5 * (x / LSF_SIGMA_PIXELS) ** 2)
    return kernel / kernel.sum()


def make_projection(
    forward: ForwardModel, templates: Templates, n_stars: int, n_components: int, seed: int
) -> Projection:
    """The projection from `n_stars` clean stars of the prior, complete, through the continuum of real ones."""
    labels = draw(n_stars, stream(Stream.PROJECTION_STARS, seed))
    good = np.ones((_BATCH, templates.flux.shape[1]), bool)
    parts = []
    for i in range(0, n_stars, _BATCH):
        flux = forward.flux(labels[i : i + _BATCH])
        parts.append(flux / fit_continuum(flux, good[: len(flux)], templates.flux))
    return fit_projection(np.concatenate(parts), n_components)


def make_shard(
    forward: ForwardModel, templates: Templates, projection: Projection, seed: int, index: int
) -> TrainingShard:
    """Make shard number `index` of the training set of `seed`; the same two numbers always give the same stars."""
    rng = stream(Stream.TRAINING_SHARD, seed, index)
    good, labels = _conditions(rng)
    white = mask_projection(projection, good)
    degraded = mask_projection(projection, good, lsf_kernel())
    clean, realistic = [], []
    for i in range(0, SHARD_STARS, _BATCH):
        versions = _two_versions(forward, labels[i : i + _BATCH], rng)
        for kind, flux in zip((clean, realistic), versions, strict=True):
            kind.append(_coefficients(flux, templates, projection, white))
    return TrainingShard(
        to_z(labels)[:, :N_TARGETS].astype(np.float32),
        np.concatenate(clean),
        np.concatenate(realistic),
        white.noise,
        degraded.noise,
        coverage_input(good).astype(np.float32),
    )


def shard_truth(seed: int, index: int) -> tuple[NDArray, NDArray]:
    """Good pixels (N_PIXELS,) and all labels (n, 29) of the stars of a shard, without making their spectra."""
    return _conditions(stream(Stream.TRAINING_SHARD, seed, index))


def _conditions(rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    return draw_good_pixels(rng), draw(SHARD_STARS, rng)


@torch.no_grad()
def _two_versions(forward: ForwardModel, labels: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Flux (n, N_PIXELS) of stars as the survey simulates them, and as a real spectrum would show them."""
    n = len(labels)
    tensor = torch.as_tensor(labels, dtype=torch.float32)
    emulator_labels, vbroad = tensor[:, EMULATOR_COLUMNS], tensor[:, COLUMN["vbroad"]]
    errors = draw_emulator_errors(forward.emulator, emulator_labels, rng)
    coefficients = forward.emulator.coefficients(emulator_labels) + errors
    resolving_power = torch.as_tensor(rng.uniform(*RESOLVING_POWER_RANGE, n), dtype=torch.float32)
    velocity = torch.as_tensor(rng.uniform(-1, 1, n) * VELOCITY_ERROR_KMS, dtype=torch.float32)
    clean = forward.torch_flux_of(coefficients, vbroad).numpy()
    shifted = forward.torch_flux_of(coefficients, vbroad, resolving_power, velocity).numpy()
    return clean, (shifted + model_errors(shifted, rng)) * normalisation_errors(shifted, rng)


def _coefficients(flux: NDArray, templates: Templates, projection: Projection, masked: MaskedProjection) -> NDArray:
    good = np.broadcast_to(masked.good, flux.shape)
    return masked.coefficients(projection, flux / fit_continuum(flux, good, templates.flux))


def save_shard(shard: TrainingShard, path: Path) -> None:
    """Write a shard, whole or not at all."""
    write_arrays(path, vars(shard))


def load_shard(path: Path) -> TrainingShard:
    """Read a shard."""
    with np.load(path, allow_pickle=False) as arrays:
        return TrainingShard(**arrays)


def fill_training_set(
    directory: Path,
    model_path: Path,
    n_shards: int,
    settings: TrainingSetSettings,
    processes: int,
    projection: Projection | None = None,
) -> Projection:
    """Compute the projection and `n_shards` shards in `directory` with worker processes, and return the projection.

    Files that exist are kept; a `projection` that is given is used in place of a new one. `model_path` is the emulator's
    file of parameters.
    """
    directory.mkdir(parents=True, exist_ok=True)
    projection_file = directory / "projection.npz"
    with _one_thread():
        if not projection_file.exists():
            write_arrays(projection_file, vars(stored(projection or _new_projection(model_path, settings))))
        missing = [i for i in range(n_shards) if not shard_path(directory, i).exists()]
        if missing:
            jobs = [(directory, model_path, settings.seed, missing[k::processes]) for k in range(processes)]
            list(in_processes(_fill, jobs, processes))
    return load_projection(directory)


def _new_projection(model_path: Path, settings: TrainingSetSettings) -> Projection:
    forward = load_forward(model_path)
    templates = make_templates(forward)
    return make_projection(forward, templates, settings.projection_stars, settings.n_components, settings.seed)


def load_projection(directory: Path) -> Projection:
    """Read the projection of a training set."""
    with np.load(directory / "projection.npz", allow_pickle=False) as arrays:
        return Projection(**arrays)


def shard_path(directory: Path, index: int) -> Path:
    """Path of a shard of a training set."""
    return directory / f"shard-{index:05d}.npz"


def _fill(job: tuple[Path, Path, int, list[int]]) -> None:
    directory, model_path, seed, indices = job
    torch.set_num_threads(1)
    forward = load_forward(model_path)
    templates, projection = make_templates(forward), load_projection(directory)
    for index in indices:
        save_shard(make_shard(forward, templates, projection, seed, index), shard_path(directory, index))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let workers that are started inside use one thread each: threads of several processes on one core slow each other manyfold."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
