"""Training of the network: noise, realism, resuming, and a deeper network from an earlier one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training_set import K, toy_shard

from app.page.figures.evaluation import plot_curve
from cinn_core.inference.network import Architecture, Network, Observation
from cinn_core.inference.projection import Projection
from cinn_core.instrument import N_COVERAGE, N_PIXELS, pixel_sigma
from cinn_core.training.network import (
    NetworkSettings,
    Stars,
    draw_observations,
    load_stars,
    observe_stars,
    take_over,
    train_network,
)
from cinn_core.training.training_set import save_shard


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    folder = tmp_path / "bank"
    folder.mkdir()
    for i in range(6):
        save_shard(toy_shard(i), folder / f"shard-{i:05d}.npz")
    return folder


def toy_projection() -> Projection:
    flat = np.zeros((N_PIXELS, K), np.float32)
    return Projection(np.ones(N_PIXELS, np.float32), flat, flat.copy(), np.ones(K, np.float32))


def test_noise_of_training_stars_follows_their_snr(training_set: Path) -> None:
    stars = load_stars(sorted(training_set.glob("*.npz")), np.ones(K))
    shape = stars.z.shape[:2]
    log_snr = torch.full((*shape, 2), float(np.log(50.0)))
    clean = torch.zeros(shape)
    seen = observe_stars(stars, log_snr, clean, clean.bool(), torch.Generator().manual_seed(0))
    scatter = float((seen.coefficients - stars.clean.flatten(0, 1)).std())
    expected = 0.7 * np.sqrt(2) * float(pixel_sigma(50.0))  # two arms, each a root of 0.7 on the diagonal
    assert abs(scatter / expected - 1) < 0.06  # 2304 draws: 1.5 % a sigma


def test_realism_moves_stars_from_clean_to_realistic(training_set: Path) -> None:
    stars = load_stars(sorted(training_set.glob("*.npz")), np.ones(K))
    shape = stars.z.shape[:2]
    quiet = torch.full((*shape, 2), float(np.log(1e6)))
    half = observe_stars(stars, quiet, torch.full(shape, 0.5), torch.zeros(shape).bool(), torch.Generator())
    shift = (half.coefficients - stars.clean.flatten(0, 1)).mean()
    assert abs(float(shift) - 0.05) < 1e-3


def test_training_draw_covers_the_stated_snr_and_realism() -> None:
    shards = [toy_shard(i, 512) for i in range(4)]
    stars = Stars(*(torch.from_numpy(np.stack([getattr(s, k) for s in shards])) for k in Stars.__dataclass_fields__))
    seen = draw_observations(stars, NetworkSettings(), torch.Generator().manual_seed(1))
    snr = seen.log_snr.exp()
    assert snr.min() >= 4.999
    assert snr.max() <= 1000.1
    assert (snr[:, 0] / snr[:, 1]).log().abs().max() <= np.log(2) + 1e-4
    assert abs(float((seen.realism == 0).float().mean()) - 0.25) < 0.04  # 2048 draws, four sigma
    assert abs(float((seen.realism == 1).float().mean()) - 0.35) < 0.05


def test_a_deeper_network_starts_where_the_earlier_one_stood(training_set: Path, tmp_path: Path) -> None:
    small = Architecture(
        n_components=K, embedding_width=32, embedding_layers=1, condition=16, couplings=2, coupling_width=32
    )
    torch.manual_seed(4)
    earlier = Network(small, torch.ones(K))
    for parameter in earlier.parameters():
        if parameter.is_floating_point():
            parameter.data += 0.05 * torch.randn_like(parameter)
    deeper = Network(replace(small, embedding_layers=2, couplings=3), torch.ones(K))
    take_over(deeper, earlier)
    seen = Observation(torch.randn(5, K), torch.full((5, 2), 4.0), torch.ones(5, N_COVERAGE), torch.zeros(5))
    z = torch.randn(5, 13)
    before = earlier.log_prob(z, earlier.embedding(seen))
    assert torch.allclose(deeper.log_prob(z, deeper.embedding(seen)), before, atol=1e-4)


def test_of_a_flow_of_another_make_only_the_embedding_is_taken_over() -> None:
    small = Architecture(K, embedding_width=32, embedding_layers=1, condition=16, couplings=2, coupling_width=32)
    torch.manual_seed(4)
    earlier, network = Network(replace(small, normal=False), torch.ones(K)), Network(small, torch.ones(K))
    own = {name: value.clone() for name, value in network.flow.state_dict().items()}
    take_over(network, earlier)
    assert all(torch.equal(value, own[name]) for name, value in network.flow.state_dict().items())
    assert torch.equal(network.embedding.first.weight, earlier.embedding.first.weight)


def test_training_learns_and_resumes_where_it_stopped(training_set: Path, tmp_path: Path) -> None:
    architecture = Architecture(
        n_components=K, embedding_width=32, embedding_layers=1, condition=16, couplings=4, coupling_width=32
    )
    settings = NetworkSettings(
        steps=250, shards_per_step=2, stars_per_shard=64, warm_up=10, average=0.9, learning_rate=3e-3
    )
    said: list[str] = []
    run = tmp_path / "run"
    best = train_network(training_set, toy_projection(), architecture, settings, run, {"physics": "toy"}, said.append)
    assert best.is_file()
    curve = (run / "curve.csv").read_text().splitlines()
    prior_loss = 13 * 0.5 * np.log(2 * np.pi * np.e)
    assert float(curve[1].split(",")[2]) < prior_loss - 0.3  # nats gained over returning the prior
    longer = NetworkSettings(**{**vars(settings), "steps": 500})
    train_network(training_set, toy_projection(), architecture, longer, run, {"physics": "toy"}, said.append)
    assert "starting at step 250" in "\n".join(said)
    assert len((run / "curve.csv").read_text().splitlines()) == 3
    picture = plot_curve(run / "curve.csv")
    assert picture.name == "curve.png"
    assert picture.stat().st_size > 5000


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_training_learns_on_a_gpu_what_it_learns_on_a_processor(training_set: Path, tmp_path: Path) -> None:
    architecture = Architecture(
        n_components=K, embedding_width=32, embedding_layers=1, condition=16, couplings=4, coupling_width=32
    )
    settings = NetworkSettings(
        steps=250, shards_per_step=2, stars_per_shard=64, warm_up=10, average=0.9, learning_rate=3e-3
    )
    losses = []
    for device in ("cpu", "cuda"):
        run = tmp_path / device
        train_network(
            training_set, toy_projection(), architecture, settings, run, {}, lambda _: None, device=torch.device(device)
        )
        losses.append(float((run / "curve.csv").read_text().splitlines()[1].split(",")[2]))
    assert abs(losses[0] - losses[1]) < 0.3  # other draws of noise: the losses of two seeds differ by less
