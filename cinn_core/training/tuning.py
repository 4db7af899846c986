"""Which network learns most in a given time: a search over its shape by Hyperband (Li et al. 2018), through Optuna.

Time is that of the processor, so a busy machine does not count against a candidate, and a large network has to earn
its slower steps. The study lies in the run's folder as SQLite and goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DataError
from ..inference.infer import random_latents
from ..inference.network import Architecture, Coupling, Network
from ..inference.sampler import Sampler
from .network import NetworkSettings, Stars, make_optimiser, take_step, validation_loss

if TYPE_CHECKING:
    import optuna

SLOTS = 27
"""Reports of a whole training, at each of which Hyperband may end it."""
STUDY_NAME = "network"
_SAMPLES = 4096
_REDUCTION = 3


@dataclass(frozen=True)
class TuningSettings:
    """`seconds` of processor time a whole training takes; `pruning`: whether Hyperband ends the worse ones early."""

    seconds: float = 1800.0
    pruning: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """Slot (of SLOTS), steps made and the validation loss of the averaged weights."""

    slot: int
    steps: int
    validation: float


FIRST: tuple[Architecture, ...] = (
    Architecture(),
    replace(Architecture(), coupling=Coupling.SPLINE),
    replace(Architecture(), coupling=Coupling.SPLINE, couplings=6),
)
"""Tried before anything else: the default, the same with splines, and half as many splines."""


def learn(
    network: Network, stars: Stars, held_out: Stars, settings: NetworkSettings, seconds: float
) -> Iterator[Report]:
    """Trains a network in place for `seconds` of processor time, its rate falling over them; validation costs none of it."""
    average = deepcopy(network).eval().requires_grad_(False)
    optimiser = make_optimiser(network, settings)
    paced = replace(settings, warm_up=settings.steps // 20)
    spent, steps = 0.0, 0
    for slot in range(1, SLOTS + 1):
        while spent < seconds * slot / SLOTS:
            began = time.process_time()
            take_step(network, average, optimiser, stars, paced, steps, spent / seconds)
            steps += 1
            spent += time.process_time() - began
        yield Report(slot, steps, validation_loss(average, held_out, settings))


def sampling_seconds(network: Network) -> float:
    """Processor time [s] of 4096 samples with density for one star."""
    sampler, latent = Sampler(network), random_latents(_SAMPLES, 0)
    condition = torch.zeros(1, network.architecture.condition)
    sampler.sample(latent[:64], condition)
    began = time.process_time()
    sampler.sample(latent, condition)
    return time.process_time() - began


def tune(
    stars: Stars,
    held_out: Stars,
    spread: Tensor,
    run: Path,
    trials: int,
    settings: TuningSettings,
    progress: Callable[[str], None] = print,
    first: tuple[Architecture, ...] = FIRST,
) -> list[dict[str, Any]]:
    """Tries `trials` more networks and returns the table of all of the run's study; raises DataError without Optuna.

    `spread` (k,): the components' standard deviation. A trial that was cut off is counted as failed.
    """
    optuna = require_optuna()
    run.mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{run / 'study.sqlite'}"
    known = STUDY_NAME in optuna.get_all_study_names(storage)
    study = optuna.create_study(
        study_name=STUDY_NAME,
        storage=storage,
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.HyperbandPruner(1, SLOTS, _REDUCTION) if settings.pruning else optuna.pruners.NopPruner(),
    )
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials))
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    if not known:
        for architecture in first:
            study.enqueue_trial(_parameters(architecture, NetworkSettings().learning_rate))

    def objective(trial: Any) -> float:
        architecture, rate = _suggest(trial, stars.clean.shape[-1])
        torch.manual_seed(settings.seed)
        network = Network(architecture, spread)
        trial.set_user_attr("sampling_seconds", sampling_seconds(network))
        trial.set_user_attr("parameters", sum(p.numel() for p in network.parameters()))
        report = Report(0, 0, float("inf"))
        for report in learn(
            network, stars, held_out, NetworkSettings(learning_rate=rate, seed=settings.seed), settings.seconds
        ):
            trial.report(report.validation, report.slot)
            trial.set_user_attr("steps", report.steps)
            progress(f"trial {trial.number}, slot {report.slot} of {SLOTS}: {report.validation:.3f}")
            if trial.should_prune():
                raise optuna.TrialPruned
        return report.validation

    study.optimize(objective, n_trials=trials)
    return table(study)


def table(study: optuna.Study) -> list[dict[str, Any]]:
    """Every trial that reported: what was tried, how far it came and how well, the furthest and best first."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if trial.intermediate_values:
            slot = max(trial.intermediate_values)
            found = {"trial": trial.number, "slot": slot, "slots": SLOTS, "validation": trial.intermediate_values[slot]}
            rows.append(found | dict(trial.user_attrs) | dict(trial.params))
    return sorted(rows, key=lambda row: (-row["slot"], row["validation"]))


def _parameters(architecture: Architecture, learning_rate: float) -> dict[str, Any]:
    chosen = asdict(architecture)
    names = ("coupling", "couplings", "coupling_width", "embedding_width", "embedding_layers")
    return {name: chosen[name] for name in names} | {"learning_rate": learning_rate}


def _suggest(trial: optuna.Trial, n_components: int) -> tuple[Architecture, float]:
    return Architecture(
        n_components=n_components,
        coupling=Coupling(trial.suggest_categorical("coupling", [kind.value for kind in Coupling])),
        couplings=trial.suggest_int("couplings", 4, 16, step=2),
        coupling_width=int(trial.suggest_categorical("coupling_width", [128, 256, 512])),
        embedding_width=int(trial.suggest_categorical("embedding_width", [256, 512, 768])),
        embedding_layers=trial.suggest_int("embedding_layers", 2, 8),
    ), trial.suggest_float("learning_rate", 2e-4, 5e-3, log=True)


def require_optuna() -> Any:
    """Optuna; says in words how to get it where it is missing."""
    try:
        import optuna
    except ImportError as error:
        raise DataError(
            "The search for a network's shape is Optuna's, which is not installed; "
            "pip install -e '.[evaluation]' in the checkout brings it."
        ) from error
    return optuna
