"""Training stars and their noise: what the bank, the realism and the training draw promise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training_set import K, toy_shard

from app.page.figures.evaluation import plot_curve
from cinn_core.forward_model.kernels import matern52
from cinn_core.forward_model.model_error import HALPHA_ANGSTROM, HALPHA_CORE_ANGSTROM, halpha_bumps
from cinn_core.forward_model.realism import (
    CONTINUUM_ERROR,
    RIPPLE_ANGSTROM,
    continuum_errors,
    draw_good_pixels,
    model_errors,
    ripple_shapes,
)
from cinn_core.inference.network import Architecture, Network, Observation
from cinn_core.inference.projection import Projection
from cinn_core.instrument import N_COVERAGE, N_PIXELS, WAVELENGTH, arm_coverage, arm_slices, pixel_sigma
from cinn_core.training.bank import save_shard
from cinn_core.training.emulator import leave_one_out
from cinn_core.training.network import (
    NetworkSettings,
    Stars,
    draw_observations,
    load_stars,
    observe_stars,
    take_over,
    train_network,
)


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    folder = tmp_path / "bank"
    folder.mkdir()
    for i in range(6):
        save_shard(toy_shard(i), folder / f"shard-{i:05d}.npz")
    return folder


def toy_projection() -> Projection:
    flat = np.zeros((N_PIXELS, K), np.float32)
    return Projection(np.ones(N_PIXELS, np.float32), flat, flat.copy(), np.ones(K, np.float32))


def test_noise_of_training_stars_follows_their_snr(bank: Path) -> None:
    stars = load_stars(sorted(bank.glob("*.npz")), np.ones(K))
    shape = stars.z.shape[:2]
    log_snr = torch.full((*shape, 2), float(np.log(50.0)))
    clean = torch.zeros(shape)
    seen = observe_stars(stars, log_snr, clean, clean.bool(), torch.Generator().manual_seed(0))
    scatter = float((seen.coefficients - stars.clean.flatten(0, 1)).std())
    expected = 0.7 * np.sqrt(2) * float(pixel_sigma(50.0))  # two arms, each a root of 0.7 on the diagonal
    assert abs(scatter / expected - 1) < 0.06  # 2304 draws: 1.5 % a sigma


def test_realism_moves_stars_from_clean_to_realistic(bank: Path) -> None:
    stars = load_stars(sorted(bank.glob("*.npz")), np.ones(K))
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


def test_continuum_errors_are_smooth_and_one_percent() -> None:
    factors = continuum_errors(300, np.random.default_rng(0))
    assert abs((factors - 1).std() / CONTINUUM_ERROR - 1) < 0.1
    assert np.abs(np.diff(factors[:, :5700], axis=1)).max() < 1e-3


def test_ripples_of_the_continuum_have_the_stated_size_and_length() -> None:
    ripples = np.random.default_rng(0).standard_normal((400, len(ripple_shapes()))) @ ripple_shapes()
    assert np.allclose(ripples.std(0), 1, atol=0.2)  # 400 draws: 3.5 % a sigma, 5730 and 6900 pixels
    apart = round(RIPPLE_ANGSTROM / 0.1)
    blue = ripples[:, arm_slices()[0]]
    near, far = ((blue[:, :-n] * blue[:, n:]).mean() for n in (apart, 6 * apart))
    assert abs(near - np.exp(-0.25)) < 0.05, "a Gaussian kernel of sigma s correlates as exp(-x² / 4 s²)"
    assert abs(far) < 0.05


def test_a_continuum_drawn_through_halpha_wings_is_wrong_there_alone() -> None:
    wings = 1 - 0.4 / (1 + ((WAVELENGTH - HALPHA_ANGSTROM) / 6) ** 2)
    metals = np.where(np.arange(N_PIXELS) % 20 < 8, 0.7, 1.0)  # every 2 Angstrom a line
    bumps = halpha_bumps(np.stack([wings, metals]).astype(np.float32))
    near = np.abs(WAVELENGTH - HALPHA_ANGSTROM) < 5
    assert (bumps[:, 0, near] > 0.03).all()
    assert np.abs(bumps[:, 0, np.abs(WAVELENGTH - HALPHA_ANGSTROM) > 100]).max() == 0
    assert np.abs(bumps[:, 1]).max() == 0, "lines of metals are not taken for a blaze"


def test_model_errors_vanish_where_there_is_no_line() -> None:
    flux = np.ones((2, N_PIXELS), np.float32)
    flux[:, 3000:3100] = 0.3
    errors = model_errors(flux, np.random.default_rng(1))
    assert np.abs(errors[:, :2900]).max() == 0
    assert np.abs(errors[:, 3000:3100]).max() > 0.002


def test_patterns_of_missing_pixels_are_those_of_real_files() -> None:
    rng = np.random.default_rng(2)
    patterns = np.array([draw_good_pixels(rng) for _ in range(400)])
    complete = patterns.all(1).mean()
    assert 0.18 < complete < 0.36
    core = np.abs(WAVELENGTH - HALPHA_ANGSTROM) < HALPHA_CORE_ANGSTROM
    assert not patterns[~patterns.all(1)][:, core].any(), "Halpha's core is never used in a real spectrum"
    telluric = (WAVELENGTH > 6290) & (WAVELENGTH < 6305)
    assert 0.5 < (~patterns[:, telluric].any(1)).mean() < 0.9
    assert (arm_coverage(patterns) < 0.01).any(), "some stars lack a whole arm"
    assert patterns.mean(1).min() > 0.1


def test_leave_one_out_residuals_are_those_of_leaving_each_star_out() -> None:
    rng = np.random.default_rng(3)
    x, y = torch.from_numpy(rng.normal(size=(12, 4))), torch.from_numpy(rng.normal(size=(12, 2)))
    matrix = matern52(x, x, torch.ones(4, dtype=torch.float64)) + 1e-3 * torch.eye(12, dtype=torch.float64)
    inverse = torch.linalg.inv(matrix)
    found = leave_one_out(inverse, inverse @ y)
    others = torch.arange(12) != 5
    predicted = matrix[5, others] @ torch.linalg.solve(matrix[others][:, others], y[others])
    assert torch.allclose(found[5], y[5] - predicted, atol=1e-9)


def test_a_deeper_network_starts_where_the_earlier_one_stood(bank: Path, tmp_path: Path) -> None:
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
    before = earlier.log_density(z, earlier.embedding(seen))
    assert torch.allclose(deeper.log_density(z, deeper.embedding(seen)), before, atol=1e-4)


def test_of_a_flow_of_another_make_only_the_embedding_is_taken_over() -> None:
    small = Architecture(K, embedding_width=32, embedding_layers=1, condition=16, couplings=2, coupling_width=32)
    torch.manual_seed(4)
    earlier, network = Network(replace(small, normal=False), torch.ones(K)), Network(small, torch.ones(K))
    own = {name: value.clone() for name, value in network.flow.state_dict().items()}
    take_over(network, earlier)
    assert all(torch.equal(value, own[name]) for name, value in network.flow.state_dict().items())
    assert torch.equal(network.embedding.first.weight, earlier.embedding.first.weight)


def test_training_learns_and_resumes_where_it_stopped(bank: Path, tmp_path: Path) -> None:
    architecture = Architecture(
        n_components=K, embedding_width=32, embedding_layers=1, condition=16, couplings=4, coupling_width=32
    )
    settings = NetworkSettings(
        steps=250, shards_per_step=2, stars_per_shard=64, warm_up=10, average=0.9, learning_rate=3e-3
    )
    said: list[str] = []
    run = tmp_path / "run"
    best = train_network(bank, toy_projection(), architecture, settings, run, {"physics": "toy"}, said.append)
    assert best.is_file()
    curve = (run / "curve.csv").read_text().splitlines()
    prior_loss = 13 * 0.5 * np.log(2 * np.pi * np.e)
    assert float(curve[1].split(",")[2]) < prior_loss - 0.3  # nats gained over returning the prior
    longer = NetworkSettings(**{**vars(settings), "steps": 500})
    train_network(bank, toy_projection(), architecture, longer, run, {"physics": "toy"}, said.append)
    assert "starting at step 250" in "\n".join(said)
    assert len((run / "curve.csv").read_text().splitlines()) == 3
    picture = plot_curve(run / "curve.csv")
    assert picture.name == "curve.png"
    assert picture.stat().st_size > 5000


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_training_learns_on_a_gpu_what_it_learns_on_a_processor(bank: Path, tmp_path: Path) -> None:
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
            bank, toy_projection(), architecture, settings, run, {}, lambda _: None, device=torch.device(device)
        )
        losses.append(float((run / "curve.csv").read_text().splitlines()[1].split(",")[2]))
    assert abs(losses[0] - losses[1]) < 0.3  # other draws of noise: the losses of two seeds differ by less
