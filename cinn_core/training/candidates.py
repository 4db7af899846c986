"""What `kiel tune` chooses from: shapes and rates of the default network, and what the published one leaves open."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..inference.infer import random_latents
from ..inference.network import Architecture, Coupling, Network
from ..inference.paper_network import PaperArchitecture, PaperNetwork, Standards
from ..inference.sampler import Sampler
from .network import NetworkSettings, Stars, make_optimiser, take_step, validation_loss
from .paper_network import PaperSettings, PixelStars, make_paper_optimiser, paper_validation_loss, take_paper_step
from .tuning import Candidate, Search

if TYPE_CHECKING:
    import optuna

_SAMPLES = 4096
_SHAPE = ("normal", "coupling", "couplings", "coupling_width", "embedding_width", "embedding_layers")

FIRST: tuple[Architecture, ...] = (
    Architecture(),
    replace(Architecture(), coupling=Coupling.SPLINE),
    replace(Architecture(), normal=False, couplings=12),
    replace(Architecture(), normal=False, coupling=Coupling.SPLINE),
)
"""Tried before anything else: the default, the same with splines, and both without the conditional normal."""


def default_search(
    stars: Stars,
    held_out: Stars,
    spread: Tensor,
    seed: int,
    settings: NetworkSettings | None = None,
    first: tuple[Architecture, ...] = FIRST,
) -> Search:
    """Over conditional normal, coupling, depth, widths and rate of the network that ships; `spread` (k,) as `Network` takes it."""
    settings = settings or NetworkSettings(seed=seed)
    n_components = stars.clean.shape[-1]

    def candidate(trial: optuna.Trial) -> Candidate:
        architecture, rate = _suggest(trial, n_components)
        torch.manual_seed(seed)
        network = Network(architecture, spread)
        known = {"sampling_seconds": sampling_seconds(network), "parameters": _size(network)}
        return default_candidate(network, stars, held_out, replace(settings, learning_rate=rate), known)

    rate = NetworkSettings().learning_rate
    known_shapes = tuple({name: asdict(shape)[name] for name in _SHAPE} | {"learning_rate": rate} for shape in first)
    return Search("network", known_shapes, candidate)


def default_candidate(
    network: Network, stars: Stars, held_out: Stars, settings: NetworkSettings, known: dict[str, float]
) -> Candidate:
    """Trains the network in place; what counts is its averaged weights."""
    average = deepcopy(network).eval().requires_grad_(False)
    optimiser = make_optimiser(network, settings)
    paced = replace(settings, warm_up=settings.steps // 20)
    return Candidate(
        known,
        lambda step, part: take_step(network, average, optimiser, stars, paced, step, part),
        lambda: validation_loss(average, held_out, settings),
    )


def _suggest(trial: optuna.Trial, n_components: int) -> tuple[Architecture, float]:
    return Architecture(
        n_components=n_components,
        normal=trial.suggest_categorical("normal", [True, False]),
        coupling=Coupling(trial.suggest_categorical("coupling", [kind.value for kind in Coupling])),
        couplings=trial.suggest_int("couplings", 4, 16, step=2),
        coupling_width=int(trial.suggest_categorical("coupling_width", [128, 256, 512])),
        embedding_width=int(trial.suggest_categorical("embedding_width", [256, 512, 768])),
        embedding_layers=trial.suggest_int("embedding_layers", 2, 8),
    ), trial.suggest_float("learning_rate", 2e-4, 5e-3, log=True)


def sampling_seconds(network: Network) -> float:
    """Processor time [s] of 4096 samples with density for one star."""
    sampler, latent = Sampler(network), random_latents(_SAMPLES, 0)
    condition = torch.zeros(1, network.architecture.condition)
    sampler.sample(latent[:64], condition)
    began = time.process_time()
    sampler.sample(latent, condition)
    return time.process_time() - began


def paper_search(
    stars: PixelStars,
    held_out: PixelStars,
    standards: Standards,
    settings: PaperSettings,
    features: tuple[int, ...] = PaperArchitecture().features,
) -> Search:
    """Over what the paper does not tell: number and width of the couplings, clamp, rate and batch."""

    def candidate(trial: optuna.Trial) -> Candidate:
        architecture = PaperArchitecture(
            features,
            trial.suggest_int("couplings", 8, 16, step=2),
            trial.suggest_int("coupling_width", 256, 512, step=128),
            trial.suggest_float("clamp", 1.0, 3.0, step=1.0),
        )
        rate = trial.suggest_float("learning_rate", 1e-4, 2e-3, log=True)
        paced = replace(settings, learning_rate=rate, batch=int(trial.suggest_categorical("batch", [256, 512, 1024])))
        torch.manual_seed(settings.seed)
        network = PaperNetwork(architecture, standards)
        return paper_candidate(network, stars, held_out, paced)

    ours: dict[str, Any] = {
        name: asdict(PaperArchitecture())[name] for name in ("couplings", "coupling_width", "clamp")
    }
    ours |= {name: asdict(settings)[name] for name in ("learning_rate", "batch")}
    return Search("paper", (ours,), candidate)


def paper_candidate(
    network: PaperNetwork, stars: PixelStars, held_out: PixelStars, settings: PaperSettings
) -> Candidate:
    """Trains the published network in place."""
    optimiser, targets = make_paper_optimiser(network, settings), network.standardised(stars.labels)
    generator = torch.Generator(targets.device).manual_seed(settings.seed)
    return Candidate(
        {"parameters": _size(network)},
        lambda _, part: take_paper_step(network, optimiser, stars, targets, settings, part, generator),
        lambda: paper_validation_loss(network, held_out),
    )


def _size(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())
