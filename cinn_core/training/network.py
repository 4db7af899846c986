"""Training of the network by maximum likelihood, noise and realism drawn anew at every use of a star of the training set."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..inference.distance import DistanceStatistics, distance_statistics
from ..inference.model import Model, load_network, save_network
from ..inference.network import Architecture, Network, Observation
from ..inference.projection import Projection
from ..instrument import ARMS, MAX_SNR, MIN_SNR, pixel_sigma
from ..parameters import load_checkpoint, save_checkpoint
from .training_set import TrainingShard, load_shard, make_shard

VALIDATION_EVERY = 20
"""Every so many shards one is kept for validation."""
FAILED_CONTINUUM = 40.0
"""Coefficients beyond this many standard deviations mean that the continuum fit of a training star failed."""


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of the network's training; a step takes `stars_per_shard` stars from each of `shards_per_step` shards.

    The first `half_share` of the steps multiply matrices in half precision (bfloat16), but for the embedding's
    first layer; the rest are in single precision throughout.
    """

    steps: int = 10_000
    half_share: float = 0.75
    shards_per_step: int = 8
    stars_per_shard: int = 256
    learning_rate: float = 1e-3
    last_learning_rate: float = 1e-6
    warm_up: int = 300
    weight_decay: float = 1e-4
    clip: float = 5.0
    average: float = 0.999
    clean_share: float = 0.25
    real_share: float = 0.35
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Stars:
    """Shards stacked: z (s, n, 13), clean and realistic (s, n, k), noise roots (s, arms, k, k), coverage (s, N_COVERAGE)."""

    z: Tensor
    clean: Tensor
    realistic: Tensor
    white_noise: Tensor
    degraded_noise: Tensor
    coverage: Tensor

    def __len__(self) -> int:
        return len(self.z)

    def take(self, shards: Tensor | slice) -> Stars:
        return Stars(*(tensor[shards] for tensor in vars(self).values()))

    def to(self, device: torch.device | None) -> Stars:
        return Stars(*(tensor.to(device) for tensor in vars(self).values()))


def load_stars(files: list[Path], spread: NDArray) -> Stars:
    """Read shards of the training set, stacked; `spread` (k,) is the components' standard deviation.

    A star whose continuum could not be found in what its gaps leave (a few in ten thousand; its coefficients lie far
    outside the spread) gives its place to its neighbour.
    """
    shards = [_without_failures(load_shard(path), spread) for path in files]
    return Stars(
        *(torch.from_numpy(np.stack([getattr(s, name) for s in shards])) for name in Stars.__dataclass_fields__)
    )


def training_and_validation(
    files: list[Path], spread: NDArray, device: torch.device | None = None
) -> tuple[Stars, Stars]:
    """Training stars, and the validation stars of every 20th shard, by which the best parameters are selected."""
    training = [path for i, path in enumerate(files) if i % VALIDATION_EVERY]
    return load_stars(training, spread).to(device), load_stars(files[::VALIDATION_EVERY], spread).to(device)


def _without_failures(shard: TrainingShard, spread: NDArray) -> TrainingShard:
    largest = np.maximum(np.abs(shard.clean / spread).max(1), np.abs(shard.realistic / spread).max(1))
    usable = np.flatnonzero(largest < FAILED_CONTINUUM)
    nearest = usable[np.searchsorted(usable, np.arange(len(largest))).clip(max=len(usable) - 1)]
    return replace(shard, z=shard.z[nearest], clean=shard.clean[nearest], realistic=shard.realistic[nearest])


def observe_stars(
    stars: Stars, log_snr: Tensor, realism: Tensor, degraded: Tensor, generator: torch.Generator
) -> Observation:
    """Noisy observations of every star of some shards, flattened to (s * n, ...).

    log_snr (s, n, arms); realism (s, n); degraded (s, n) bool: noise correlated by degrading rather than white.
    """
    k = stars.clean.shape[-1]
    sigma = torch.exp(-log_snr) * float(pixel_sigma(1.0))
    coefficients = stars.clean + realism[..., None] * (stars.realistic - stars.clean)
    for arm in range(len(ARMS)):
        for roots, chosen in ((stars.white_noise, ~degraded), (stars.degraded_noise, degraded)):
            unit = torch.randn(stars.clean.shape, generator=generator, device=stars.clean.device)
            coefficients = coefficients + torch.bmm(unit * (sigma[..., arm] * chosen)[..., None], roots[:, arm])
    coverage = stars.coverage[:, None].expand(-1, stars.clean.shape[1], -1)
    return Observation(coefficients.reshape(-1, k), log_snr.flatten(0, 1), coverage.flatten(0, 1), realism.flatten())


def draw_batch(stars: Stars, settings: NetworkSettings, generator: torch.Generator) -> Stars:
    """Stars of one step: a random run of neighbours from each of a few random shards."""
    device = stars.z.device
    shards = stars.take(torch.randint(len(stars), (settings.shards_per_step,), generator=generator, device=device))
    last = shards.z.shape[1] - settings.stars_per_shard
    first = int(torch.randint(last + 1, (), generator=generator, device=device))
    part = slice(first, first + settings.stars_per_shard)
    return replace(shards, z=shards.z[:, part], clean=shards.clean[:, part], realistic=shards.realistic[:, part])


def draw_observations(stars: Stars, settings: NetworkSettings, generator: torch.Generator) -> Observation:
    """Observations as the network is trained on them.

    S/N log-uniform in 5-1000 per Angstrom, arms up to a factor 2 apart; realism 0 for a quarter of the stars, 1 for
    a third, uniform for the rest; noise of a realistic star white or degraded with equal chance.
    """
    shape, device = stars.z.shape[:2], stars.z.device

    def uniform() -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    low, high = math.log(MIN_SNR), math.log(MAX_SNR)
    mean, half = low + (high - low) * uniform(), (uniform() - 0.5) * math.log(2)
    log_snr = torch.stack([mean + half, mean - half], -1).clamp(low, high)
    kind, realism = uniform(), uniform()
    realism = realism.masked_fill(kind < settings.real_share, 1.0).masked_fill(kind > 1 - settings.clean_share, 0.0)
    degraded = (realism > 0) & (uniform() < 0.5)
    return observe_stars(stars, log_snr, realism, degraded, generator)


def train_network(
    training_set: Path,
    projection: Projection,
    architecture: Architecture,
    settings: NetworkSettings,
    run: Path,
    card: dict[str, object],
    progress: Callable[[str], None] = print,
    start: Network | None = None,
    device: torch.device | None = None,
) -> Path:
    """Train on the shards of a folder and return the file, in folder `run`, of the parameters of least validation loss.

    They are running averages. Resumes from the run's last checkpoint; logs step, losses and time to `curve.csv`. `start`
    is a network of the same projection whose parameters are taken over (`take_over`). Stars, noise and network are on
    `device` (without one: the processor); each kind of device draws numbers of its own.
    """
    run.mkdir(parents=True, exist_ok=True)
    files = sorted(training_set.glob("shard-*[0-9].npz"))
    spread = np.sqrt(projection.variance)
    stars, held_out = training_and_validation(files, spread, device)
    torch.manual_seed(settings.seed)
    network = Network(architecture, torch.from_numpy(spread))
    if start is not None:
        take_over(network, start)
    network = network.to(device)
    average = deepcopy(network).eval().requires_grad_(False)
    optimiser = make_optimiser(network, settings)
    best_file, curve, checkpoint = run / "network.safetensors", run / "curve.csv", run / "checkpoint.safetensors"
    both = {"network": network, "average": average}
    step = int((load_checkpoint(checkpoint, both, optimiser) or (0,))[0])
    best = math.inf
    if step and best_file.exists():  # its loss on the stars held out now: the training set may have grown since
        best = validation_loss(load_network(best_file)[1].to(device), held_out, settings)
    progress(f"{len(stars) * stars.z.shape[1]} stars, starting at step {step} of {settings.steps}")
    began, losses = time.monotonic(), list[float]()
    while step < settings.steps:
        part = step / settings.steps
        losses += take_step(network, average, optimiser, stars, settings, step, part)
        step += 1
        if step % 250 == 0 or step == settings.steps:
            validation = validation_loss(average, held_out, settings)
            row = (step, float(np.mean(losses)), validation, round(time.monotonic() - began))
            _log(curve, row)
            progress("step {} training {:.3f} validation {:.3f} after {} s".format(*row))
            losses = []
            if validation < best:
                best = validation
                training = {"settings": asdict(settings), "stars": len(stars) * stars.z.shape[1], "steps": step}
                save_network(projection, average, best_file, card | {"training": training, "validation": best})
            save_checkpoint(checkpoint, both, optimiser, (step,))
    return best_file


def make_optimiser(network: Network, settings: NetworkSettings) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        network.parameters(), settings.learning_rate, (0.9, 0.95), weight_decay=settings.weight_decay, fused=True
    )


def take_step(
    network: Network,
    average: Network,
    optimiser: torch.optim.Optimizer,
    stars: Stars,
    settings: NetworkSettings,
    step: int,
    part: float,
) -> list[float]:
    """Step number `step`, after `part` (0-1) of the training, with stars and noise of its own; its loss, if it was finite."""
    device = stars.z.device
    generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + step)
    for group in optimiser.param_groups:
        group["lr"] = _learning_rate(part, settings)
    batch = draw_batch(stars, settings, generator)
    observation = draw_observations(batch, settings, generator)
    with torch.autocast(device.type, torch.bfloat16, enabled=part < settings.half_share):
        loss = -network.log_prob(batch.z.flatten(0, 1), network.embedding(observation)).mean()
    optimiser.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    if not (torch.isfinite(loss) and torch.isfinite(norm)):
        return []
    optimiser.step()
    _update_average(average, network, min(settings.average, (1 + step) / (10 + step)))
    return [float(loss.detach())]


def take_over(network: Network, earlier: Network) -> None:
    """Copy the parameters of an earlier network of the same widths; layers that the earlier one lacks stay as they are.

    New layers begin as the identity, so the deeper network begins where the earlier one stood. Where the flows differ
    in kind, only the embedding is copied.
    """
    state = earlier.state_dict()
    if not _same_make(network.architecture, earlier.architecture):
        state = {name: value for name, value in state.items() if not name.startswith("flow.")}
    network.load_state_dict(network.state_dict() | state)


def _same_make(one: Architecture, earlier: Architecture) -> bool:
    """True where an earlier flow is the beginning of this one."""
    shorter = replace(one, couplings=earlier.couplings, embedding_layers=earlier.embedding_layers)
    return shorter == earlier and one.couplings >= earlier.couplings


@torch.no_grad()
def _update_average(average: Network, network: Network, decay: float) -> None:
    """Move the averaged parameters towards the network's: an exponential mean that forgets the first steps."""
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - decay)


@torch.no_grad()
def validation_loss(network: Network, stars: Stars, settings: NetworkSettings) -> float:
    """Mean negative log density of the held-out stars, always with the same noise."""
    generator, total = torch.Generator(stars.z.device).manual_seed(1), 0.0
    for i in range(len(stars)):
        one = stars.take(slice(i, i + 1))
        condition = network.embedding(draw_observations(one, settings, generator))
        total -= float(network.log_prob(one.z.flatten(0, 1), condition).mean())
    return total / len(stars)


def _learning_rate(part: float, settings: NetworkSettings) -> float:
    """Linear warm-up, then a cosine down to the last rate, after `part` (0-1) of the training."""
    warm_up, low, high = settings.warm_up / settings.steps, settings.last_learning_rate, settings.learning_rate
    if part < warm_up:
        return high * (part * settings.steps + 1) / settings.warm_up
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * (part - warm_up) / max(1 - warm_up, 1e-9)))


def _log(path: Path, row: tuple[object, ...]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as f:
        writer = csv.writer(f)
        if new:
            writer.writerow(["step", "training_loss", "validation_loss", "seconds"])
        writer.writerow(row)


_DISTANCE_SHARDS = 16
_FIRST_DISTANCE_SHARD = 2_000_000
_DISTANCE_ROUNDS = 4  # times each simulated star is seen, with noise, S/N and realism drawn anew


def measure_distances(
    model: Model, seed: int = 0, shards: int = _DISTANCE_SHARDS, progress: Callable[[str], None] = print
) -> DistanceStatistics:
    """Measure how far the embeddings of new training stars lie from each other, half of the shards for the threshold."""
    embeddings = []
    for i in range(shards):
        shard = make_shard(model.forward, model.templates, model.projection, seed, _FIRST_DISTANCE_SHARD + i)
        embeddings.append(_embeddings(model.network, shard, seed + i))
        progress(f"{i + 1} of {shards} shards of simulated stars")
    return distance_statistics(torch.cat(embeddings[::2]), torch.cat(embeddings[1::2]))


@torch.no_grad()
def _embeddings(network: Network, shard: TrainingShard, seed: int) -> Tensor:
    stars = Stars(*(torch.from_numpy(getattr(shard, name))[None] for name in Stars.__dataclass_fields__))
    device, generator = next(network.parameters()).device, torch.Generator().manual_seed(seed)
    out = []
    for _ in range(_DISTANCE_ROUNDS):
        observation = draw_observations(stars, NetworkSettings(), generator)
        out.append(network.embedding(observation.to(device)).cpu())
    return torch.cat(out)
