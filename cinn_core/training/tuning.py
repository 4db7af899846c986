"""Search for the network that learns most in a given time, by Hyperband (Li et al. 2018), through Optuna.

Time is that of the processor, so a busy machine does not count against a candidate, and a large network has to earn
its slower steps. The study lies in the run's folder as SQLite and goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DataError
from ..inference.infer import random_latents
from ..inference.network import Architecture, Network
from ..inference.paper import PaperArchitecture, PaperNetwork, Standards
from ..inference.sampler import Sampler
from .network import NetworkSettings, Stars, make_optimiser, take_step, validation_loss
from .paper_network import PaperSettings, PixelStars, make_paper_optimiser, paper_validation_loss, take_paper_step

if TYPE_CHECKING:
    import optuna

SLOTS = 27
"""Reports of a whole training, at each of which Hyperband may end it."""
_REDUCTION = 3


@dataclass(frozen=True)
class TuningSettings:
    """`seconds` of processor time a whole training takes; `pruning`: whether Hyperband ends the worse ones early."""

    seconds: float = 1800.0
    pruning: bool = True
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network to try: what is known of it beforehand, a step (number, part 0-1 of the time), its validation loss."""

    known: Mapping[str, float]
    step: Callable[[int, float], object]
    validation: Callable[[], float]


@dataclass(frozen=True, eq=False)
class Search:
    """A search: the study's name, the parameters of the first trials, and the candidate of a trial."""

    name: str
    first: tuple[Mapping[str, Any], ...]
    candidate: Callable[[optuna.Trial], Candidate]


@dataclass(frozen=True)
class Report:
    """Slot (of SLOTS), steps made and the validation loss."""

    slot: int
    steps: int
    validation: float


def learn(candidate: Candidate, seconds: float) -> Iterator[Report]:
    """Train a candidate in place for `seconds` of processor time, validation not counted; yields SLOTS reports."""
    spent, steps = 0.0, 0
    for slot in range(1, SLOTS + 1):
        while spent < seconds * slot / SLOTS:
            began = time.process_time()
            candidate.step(steps, spent / seconds)
            steps += 1
            spent += time.process_time() - began
        yield Report(slot, steps, candidate.validation())


def tune(
    search: Search, run: Path, trials: int, settings: TuningSettings, progress: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Run `trials` more trials and return the table of all trials of the run's study.

    An interrupted trial counts as failed. Raises DataError without Optuna.
    """
    optuna = require_optuna()
    run.mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{run / 'study.sqlite'}"
    known = search.name in optuna.get_all_study_names(storage)
    study = optuna.create_study(
        study_name=search.name,
        storage=storage,
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.HyperbandPruner(1, SLOTS, _REDUCTION) if settings.pruning else optuna.pruners.NopPruner(),
    )
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials))
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    if not known:
        for parameters in search.first:
            study.enqueue_trial(dict(parameters))

    def objective(trial: Any) -> float:
        candidate = search.candidate(trial)
        for name, value in candidate.known.items():
            trial.set_user_attr(name, value)
        report = Report(0, 0, float("inf"))
        for report in learn(candidate, settings.seconds):
            trial.report(report.validation, report.slot)
            trial.set_user_attr("steps", report.steps)
            progress(f"trial {trial.number}, slot {report.slot} of {SLOTS}: {report.validation:.3f}")
            if trial.should_prune():
                raise optuna.TrialPruned
        return report.validation

    study.optimize(objective, n_trials=trials)
    return table(study)


def table(study: optuna.Study) -> list[dict[str, Any]]:
    """Table of the trials that reported: parameters, last slot, validation loss; the longest and best first."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if trial.intermediate_values:
            slot = max(trial.intermediate_values)
            outcome = {
                "trial": trial.number,
                "slot": slot,
                "slots": SLOTS,
                "validation": trial.intermediate_values[slot],
            }
            rows.append(outcome | dict(trial.user_attrs) | dict(trial.params))
    return sorted(rows, key=lambda row: (-row["slot"], row["validation"]))


def require_optuna() -> Any:
    """Import Optuna. Raises DataError, which says how to install it, where it is missing."""
    try:
        import optuna
    except ImportError as error:
        raise DataError(
            "The search for a network's shape is Optuna's, which is not installed; "
            "pip install -e '.[evaluation]' in the checkout brings it."
        ) from error
    return optuna


_SAMPLES = 4096
_SHAPE = ("normal", "couplings", "coupling_width", "embedding_width", "embedding_layers")

FIRST: tuple[Architecture, ...] = (
    Architecture(),
    replace(Architecture(), normal=False, couplings=12),
)
"""Tried before anything else: the default, and twice as many couplings without the conditional normal."""


def default_search(
    stars: Stars,
    held_out: Stars,
    spread: Tensor,
    seed: int,
    settings: NetworkSettings | None = None,
    first: tuple[Architecture, ...] = FIRST,
) -> Search:
    """Search over conditional normal, depth, widths and rate of the network that ships; `spread` (k,) as `Network` takes it."""
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
    """Candidate that trains a network in place; its averaged parameters are validated."""
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
    """Search over what the paper does not state: number and width of the couplings, clamp, rate and batch."""

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
    """Candidate that trains the published network in place."""
    optimiser, targets = make_paper_optimiser(network, settings), network.standardised(stars.labels)
    generator = torch.Generator(targets.device).manual_seed(settings.seed)
    return Candidate(
        {"parameters": _size(network)},
        lambda _, part: take_paper_step(network, optimiser, stars, targets, settings, part, generator),
        lambda: paper_validation_loss(network, held_out),
    )


def _size(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())
