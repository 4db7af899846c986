"""Which network learns most in a given time: a search over its shape by Hyperband (Li et al. 2018), through Optuna.

Time is that of the processor, so a busy machine does not count against a candidate, and a large network has to earn
its slower steps. The study lies in the run's folder as SQLite and goes on where it stopped. What is searched over stands
in `candidates.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError

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
    """What is searched over: the study's name, parameters tried before anything else, a trial's candidate."""

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
    """Trains a candidate in place for `seconds` of processor time; validation costs none of it."""
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
    """Tries `trials` more networks and returns the table of all of the run's study; raises DataError without Optuna.

    A trial that was cut off is counted as failed.
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
    """Every trial that reported: what was tried, how far it came and how well, the furthest and best first."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if trial.intermediate_values:
            slot = max(trial.intermediate_values)
            found = {"trial": trial.number, "slot": slot, "slots": SLOTS, "validation": trial.intermediate_values[slot]}
            rows.append(found | dict(trial.user_attrs) | dict(trial.params))
    return sorted(rows, key=lambda row: (-row["slot"], row["validation"]))


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
