"""The search for a network's shape: what it tries learns, early ends are early, and a study goes on where it stopped."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from missing import needed
from toy_training_set import K, toy_shard

from cinn_core.inference.network import Architecture, Network
from cinn_core.instrument import N_PIXELS
from cinn_core.prior import draw
from cinn_core.training.network import NetworkSettings, Stars
from cinn_core.training.paper_network import PaperSettings, PixelStars, standards_of
from cinn_core.training.tuning import (
    SLOTS,
    TuningSettings,
    default_candidate,
    default_search,
    learn,
    paper_search,
    sampling_seconds,
    tune,
)

SMALL = Architecture(n_components=K, embedding_width=256, embedding_layers=2, couplings=4, coupling_width=128)
PRIOR_LOSS = 13 * 0.5 * np.log(2 * np.pi * np.e)


def toy_stars(*seeds: int) -> Stars:
    shards = [toy_shard(seed, 256) for seed in seeds]
    return Stars(*(torch.from_numpy(np.stack([getattr(s, k) for s in shards])) for k in Stars.__dataclass_fields__))


def quick() -> NetworkSettings:
    return NetworkSettings(shards_per_step=2, stars_per_shard=32, learning_rate=2e-3)


def test_a_network_learns_in_the_time_it_is_given() -> None:
    torch.manual_seed(0)
    network = Network(replace(SMALL, couplings=2, coupling_width=32), torch.ones(K))
    began = time.process_time()
    reports = list(learn(default_candidate(network, toy_stars(0, 1, 2), toy_stars(3), quick(), {}), 4.0))
    assert time.process_time() - began >= 4.0
    assert [report.slot for report in reports] == list(range(1, SLOTS + 1))
    assert reports[-1].steps >= SLOTS - 1
    assert reports[-1].validation < min(PRIOR_LOSS, reports[0].validation)


def test_more_couplings_cost_more_time_to_sample() -> None:
    few, many = (Network(replace(SMALL, couplings=n), torch.ones(K)).eval().requires_grad_(False) for n in (2, 16))
    assert 0 < sampling_seconds(few) < sampling_seconds(many)


@pytest.mark.nightly
def test_a_study_goes_on_where_it_stopped_and_counts_what_was_cut_off_as_failed(tmp_path: Path) -> None:
    optuna = needed("optuna", "test")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first = (SMALL, replace(SMALL, couplings=6))
    settings = TuningSettings(seconds=0.5, pruning=False)
    shapes = default_search(toy_stars(0, 1), toy_stars(3), torch.ones(K), 0, first=first)
    said: list[str] = []

    def search(trials: int) -> list[dict]:
        return tune(shapes, tmp_path, trials, settings, said.append)

    found = search(2)
    assert {row["couplings"] for row in found} == {4, 6}
    assert all(row["slot"] == SLOTS for row in found)
    assert found[0]["validation"] <= found[1]["validation"]
    study = optuna.load_study(study_name=shapes.name, storage=f"sqlite:///{tmp_path / 'study.sqlite'}")
    cut_off = study.ask().number
    again = search(1)
    states = [trial.state for trial in study.get_trials()]
    assert states[cut_off] == optuna.trial.TrialState.FAIL
    assert len(again) == 3
    assert again[-1]["couplings"] in range(4, 17, 2)


@pytest.mark.nightly
def test_the_search_of_the_published_network_begins_with_ours_and_stays_in_what_the_paper_leaves_open(
    tmp_path: Path,
) -> None:
    needed("optuna", "test").logging.set_verbosity(30)
    labels = draw(64, np.random.default_rng(0))[:, :13]
    flux = torch.ones(64, N_PIXELS, dtype=torch.float16) - torch.from_numpy(labels[:, 2:3]).half() / 10
    stars = PixelStars(flux, labels)
    ours = PaperSettings(stars=64)
    chosen = paper_search(stars, stars, standards_of(stars), ours, features=(16, 8))
    found = tune(chosen, tmp_path, 2, TuningSettings(seconds=0.3, pruning=False), lambda _: None)
    first = next(row for row in found if row["trial"] == 0)
    assert (first["couplings"], first["coupling_width"], first["clamp"]) == (12, 384, 1.0)
    assert (first["learning_rate"], first["batch"]) == (ours.learning_rate, ours.batch)
    assert all(8 <= row["couplings"] <= 16 and 256 <= row["coupling_width"] <= 512 for row in found)
    assert all(np.isfinite(row["validation"]) for row in found)
