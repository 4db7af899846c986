"""Training of the paper's network on stars of our prior: maximum likelihood plus a backward loss, as Ksoll et al. (2026) do.

Published: 22 161 training spectra, noise at 19 S/N values, epochs of 30 % of all their combinations (123 of them), Adam
with L2 and a decaying rate, early stop. Not published, and ours: rate and its decay, L2, batch, patience, the backward
loss's noise and weight, half precision. Stars come from the emulator, complete and clean, each with a rotation of its own.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..files import write_arrays
from ..forward_model.forward import ForwardModel
from ..inference.paper import PAPER_SNR, PaperArchitecture, PaperNetwork, Standards, logged, save_paper_network
from ..instrument import pixel_sigma
from ..parameters import load_checkpoint, save_checkpoint
from ..preparation.continuum import fit_continuum
from ..preparation.templates import Templates
from ..prior import N_TARGETS, draw
from ..random_streams import Stream, stream, torch_seed

_SHARD_STARS = 256
_VALIDATION_EVERY = 16
"""Every so many shards one is kept for validation: the paper's 5 % beside 75 %."""


@dataclass(frozen=True)
class PaperSettings:
    """Settings of the paper's network's training; `stars` is their number of training spectra, validation's among them.

    The rate falls to `last_rate_share` of the first over all epochs, however many; the first `half_share` of them
    multiply matrices in half precision (bfloat16).
    """

    stars: int = 23_552
    epochs: int = 123
    epoch_share: float = 0.3
    batch: int = 512
    learning_rate: float = 1e-3
    last_rate_share: float = 0.025
    half_share: float = 0.9
    weight_decay: float = 1e-5
    patience: int = 20
    backward_noise: float = 0.05
    backward_weight: float = 1.0
    seed: int = 0

    @property
    def epoch_batches(self) -> int:
        """Batches of an epoch: a share of all stars at each of the S/N values."""
        return max(1, round(self.epoch_share * self.stars * len(PAPER_SNR) / self.batch))


@dataclass(frozen=True, eq=False)
class PixelStars:
    """flux (n, N_PIXELS) float16, clean and over the fitted continuum, where the training is; labels (n, 13)."""

    flux: Tensor
    labels: NDArray

    def __len__(self) -> int:
        return len(self.labels)


def fill_pixel_shards(
    directory: Path,
    forward: ForwardModel,
    templates: Templates,
    settings: PaperSettings,
    progress: Callable[[str], None],
) -> list[Path]:
    """Compute the shards of clean spectra that `directory` lacks and return the paths of all."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"pixels-{i:05d}.npz" for i in range(-(-settings.stars // _SHARD_STARS))]
    for index, path in enumerate(paths):
        if path.exists():
            continue
        labels = draw(_SHARD_STARS, stream(Stream.PAPER_SHARD, settings.seed, index))
        flux = forward.flux(labels)
        flux = flux / fit_continuum(flux, np.ones(flux.shape, bool), templates.flux)
        write_arrays(path, {"flux": flux.astype(np.float16), "labels": labels[:, :N_TARGETS]})
        progress(f"{index + 1} of {len(paths)} shards of {_SHARD_STARS} stars")
    return paths


def load_pixel_stars(paths: list[Path], device: torch.device | None = None) -> PixelStars:
    """Training stars of some shards, their fluxes on a device (without one: the processor's memory)."""
    shards = []
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            shards.append((arrays["flux"], arrays["labels"]))
    flux, labels = (np.concatenate(column) for column in zip(*shards, strict=True))
    return PixelStars(torch.from_numpy(flux).to(device), labels)


def training_and_validation(paths: list[Path], device: torch.device | None = None) -> tuple[PixelStars, PixelStars]:
    """Training stars, and the validation stars of every 16th shard, by which the best parameters are selected."""
    training = [path for i, path in enumerate(paths) if i % _VALIDATION_EVERY]
    return load_pixel_stars(training, device), load_pixel_stars(paths[::_VALIDATION_EVERY], device)


def standards_of(stars: PixelStars) -> Standards:
    """Means and standard deviations over the training stars at the 19 S/N values, noise included."""
    snr = np.array(PAPER_SNR, float)
    parts = stars.flux.split(_SHARD_STARS)  # one at a time in double precision: all of them would take gigabytes
    mean = sum(part.double().sum(0) for part in parts) / len(stars)
    variance = sum(((part.double() - mean) ** 2).sum(0) for part in parts) / len(stars)
    variance = variance + np.mean(pixel_sigma(snr) ** 2)
    labels = logged(stars.labels)
    columns = (
        np.append(mean.cpu().numpy(), snr.mean()),
        np.sqrt(np.append(variance.cpu().numpy(), snr.var())),
        labels.mean(0),
        labels.std(0),
    )
    return Standards(*(torch.as_tensor(column, dtype=torch.float32) for column in columns))


def noisy(stars: PixelStars, selected: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fluxes (b, N_PIXELS) of some stars with white noise at one of the 19 S/N values each, and these (b,)."""
    device = stars.flux.device
    levels = torch.tensor(PAPER_SNR, dtype=torch.float32, device=device)
    snr = levels[torch.randint(len(levels), (len(selected),), generator=generator, device=device)]
    flux = stars.flux[selected].float()
    noise = torch.randn(flux.shape, generator=generator, device=device)
    return flux + (float(pixel_sigma(1.0)) / snr)[:, None] * noise, snr


def paper_loss(
    network: PaperNetwork, labels: Tensor, condition: Tensor, settings: PaperSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Negative log density per star, and the backward loss: labels missed by the inverse of slightly moved latents."""
    latent, log_jacobian = network.flow(labels, c=[condition])
    constant = 0.5 * N_TARGETS * math.log(2 * math.pi)
    likelihood = (0.5 * (latent**2).sum(1) - log_jacobian).mean() + constant
    perturbed = latent + settings.backward_noise * torch.randn(latent.shape, generator=generator, device=latent.device)
    back, _ = network.flow(perturbed, c=[condition], rev=True)
    return likelihood, ((back - labels) ** 2).mean()


def make_paper_optimiser(network: PaperNetwork, settings: PaperSettings) -> torch.optim.Adam:
    parameters = [p for p in network.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def take_paper_step(
    network: PaperNetwork,
    optimiser: torch.optim.Optimizer,
    stars: PixelStars,
    targets: Tensor,
    settings: PaperSettings,
    part: float,
    generator: torch.Generator,
) -> tuple[float, float] | None:
    """One step after `part` (0-1) of the training on stars with standardised labels `targets`; its two losses, if finite."""
    for group in optimiser.param_groups:
        group["lr"] = settings.learning_rate * settings.last_rate_share**part
    device = targets.device
    batch = torch.randint(len(targets), (settings.batch,), generator=generator, device=device)
    with torch.autocast(device.type, torch.bfloat16, enabled=part < settings.half_share):
        condition = network.condition(*noisy(stars, batch, generator))
        likelihood, backward = paper_loss(network, targets[batch], condition, settings, generator)
    loss = likelihood + settings.backward_weight * backward
    optimiser.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], 10.0)
    if not (torch.isfinite(loss) and torch.isfinite(norm)):
        return None
    optimiser.step()
    return float(likelihood.detach()), float(backward.detach())


def train_paper_network(
    paths: list[Path],
    architecture: PaperArchitecture,
    settings: PaperSettings,
    run: Path,
    card: dict[str, object],
    progress: Callable[[str], None] = print,
    device: torch.device | None = None,
) -> Path:
    """Train in folder `run` and return the file there of the parameters of best validation likelihood; resumes at the last whole epoch."""
    stars, held_out = training_and_validation(paths, device)
    torch.manual_seed(settings.seed)
    network = PaperNetwork(architecture, standards_of(stars)).to(device)
    optimiser = make_paper_optimiser(network, settings)
    weights, checkpoint = run / "paper.safetensors", run / "paper-checkpoint.safetensors"
    done = load_checkpoint(checkpoint, {"network": network}, optimiser) or (0, math.inf, 0)
    epoch, best, since = int(done[0]), done[1], int(done[2])
    targets, began = network.standardised(stars.labels), time.monotonic()
    while epoch < settings.epochs and since < settings.patience:
        generator = torch.Generator(targets.device).manual_seed(torch_seed(Stream.PAPER_TRAINING, settings.seed, epoch))
        part = epoch / settings.epochs
        steps = (
            take_paper_step(network, optimiser, stars, targets, settings, part, generator)
            for _ in range(settings.epoch_batches)
        )
        losses = [step for step in steps if step is not None]
        epoch += 1
        validation = paper_validation_loss(network, held_out)
        since = 0 if validation < best else since + 1
        if validation < best:
            best = validation
            training = {"settings": asdict(settings), "stars": len(stars), "epochs": epoch}
            save_paper_network(network, weights, card | {"training": training, "validation": best})
        save_checkpoint(checkpoint, {"network": network}, optimiser, (epoch, best, since))
        likelihood_mean, backward_mean = np.mean(losses, 0) if losses else (math.nan, math.nan)
        row = (epoch, likelihood_mean, backward_mean, validation, round(time.monotonic() - began))
        _log(run / "paper-curve.csv", row)
        progress("epoch {} training {:.3f} backward {:.4f} validation {:.3f} after {} s".format(*row))
    return weights


@torch.no_grad()
def paper_validation_loss(network: PaperNetwork, stars: PixelStars) -> float:
    """Mean negative log density of the validation stars, always with the same noise."""
    targets, total = network.standardised(stars.labels), 0.0
    generator = torch.Generator(targets.device).manual_seed(1)
    for some in torch.arange(len(targets), device=targets.device).split(_SHARD_STARS):
        condition = network.condition(*noisy(stars, some, generator))
        total -= float(network.log_prob(targets[some], condition).sum())
    return total / len(targets)


def _log(path: Path, row: tuple[object, ...]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as f:
        writer = csv.writer(f)
        if new:
            writer.writerow(["epoch", "training_loss", "backward_loss", "validation_loss", "seconds"])
        writer.writerow(row)
