"""The command `kiel tune`: which shape of network learns most in a given time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, SeedOption, require_folder, require_folder_of, write_json
from .train import Configuration

if TYPE_CHECKING:
    from cinn_core.training.tuning import Search


def tune(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Folder of the study; its training set is that of `kiel train network RUN`."
        ),
    ],
    config: Annotated[
        Configuration, typer.Option(help="The network that ships, or what the published one leaves open.")
    ] = Configuration.DEFAULT,
    trials: Annotated[int, typer.Option(min=1, help="Networks to try now; the same again goes on.")] = 20,
    seconds: Annotated[
        float, typer.Option(min=1, metavar="S", help="Processor time [s] of a whole training.")
    ] = 1800.0,
    shards: Annotated[int, typer.Option(min=40, help="Training stars of the default network, in shards of 512.")] = 200,
    pruning: Annotated[bool, typer.Option(help="Whether Hyperband ends the worse trainings early.")] = True,
    processes: Annotated[int, typer.Option(min=1, help="Processes that simulate stars.")] = os.cpu_count() or 1,
    json: JsonOption = None,
    seed: SeedOption = 0,
) -> None:
    """Search the network's shape by Hyperband: conditional normal, kind and number of couplings, widths, learning rate."""
    require_folder_of(json)
    from cinn_core.training.tuning import TuningSettings, require_optuna
    from cinn_core.training.tuning import tune as search

    from .tables_evaluation import print_trials

    require_optuna()
    candidates = _paper(run, seed) if config is Configuration.PAPER else _default(run, shards, processes, seed)
    results = search(candidates, run, trials, TuningSettings(seconds, pruning, seed), typer.echo)
    print_trials(results)
    write_json({"config": config.value, "seconds": seconds, "trials": results}, json)


def _default(run: Path, shards: int, processes: int, seed: int) -> Search:
    import numpy as np
    import torch

    from cinn_core.forward_model.forward import emulator_path
    from cinn_core.training.network import training_and_validation
    from cinn_core.training.training_set import TrainingSetSettings, fill_training_set, shard_path
    from cinn_core.training.tuning import default_search

    bank = run / "bank"
    require_folder(run)
    typer.echo(f"Simulating {shards} shards in {bank}; those that exist are kept")
    projection = fill_training_set(bank, emulator_path(), shards, TrainingSetSettings(seed=seed), processes)
    spread = np.sqrt(projection.variance)
    files = [shard_path(bank, i) for i in range(shards)]
    stars, held_out = training_and_validation(files, spread)
    return default_search(stars, held_out, torch.from_numpy(spread), seed)


def _paper(run: Path, seed: int) -> Search:
    from cinn_core.training.paper_network import PaperSettings, standards_of, training_and_validation
    from cinn_core.training.tuning import paper_search

    from .train import paper_stars

    settings = PaperSettings(seed=seed)
    stars, held_out = training_and_validation(paper_stars(run, settings))
    return paper_search(stars, held_out, standards_of(stars), settings)
