"""The published network: its inputs, its loss, a training that resumes, and answers inside the prior."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cinn_core.errors import ParametersError
from cinn_core.evaluation.network import paper_answers
from cinn_core.inference.paper import PAPER_SNR, PaperArchitecture, PaperNetwork, load_paper_network
from cinn_core.inference.point_estimates import sobol_latents
from cinn_core.instrument import N_PIXELS, pixel_sigma
from cinn_core.prior import draw, inside
from cinn_core.training.paper_network import (
    PaperSettings,
    fill_pixel_shards,
    load_pixel_stars,
    noisy,
    paper_loss,
    standards_of,
    train_paper_network,
)

SMALL = PaperArchitecture(features=(32, 16), couplings=2, coupling_width=16)
QUICK = PaperSettings(stars=48, epochs=3, batch=16, learning_rate=2e-3)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> list[Path]:
    """Spectra with a step whose depth is Teff's and whose place is [Fe/H]'s: something to learn."""
    folder = tmp_path_factory.mktemp("pixels")
    paths = []
    for i in range(3):
        labels = draw(16, np.random.default_rng(i))[:, :13]
        flux = np.ones((16, N_PIXELS), np.float16)
        for row, (teff, feh) in zip(flux, labels[:, [0, 2]], strict=True):
            row[: int(3000 + 500 * feh)] = 0.5 + (teff - 5000) / 8000
        paths.append(folder / f"pixels-{i:05d}.npz")
        np.savez(paths[-1], flux=flux, labels=labels)
    return paths


def test_training_noise_is_white_at_the_papers_nineteen_snr_values(shards):
    stars = load_pixel_stars(shards)
    flux, snr = noisy(stars, torch.arange(48), torch.Generator().manual_seed(0))
    assert set(snr.tolist()) <= set(PAPER_SNR)
    scatter = (flux - stars.flux.float()).std(1).numpy()
    np.testing.assert_allclose(scatter, pixel_sigma(snr.numpy()), rtol=0.03)  # 12 600 pixels: 0.6 % a sigma


def test_labels_return_from_their_standardised_form_and_have_unit_spread(shards):
    stars = load_pixel_stars(shards)
    network = PaperNetwork(SMALL, standards_of(stars))
    standardised = network.standardised(stars.labels)
    np.testing.assert_allclose(standardised.std(0, correction=0).numpy(), 1, rtol=1e-4)
    np.testing.assert_allclose(network.labels(standardised), stars.labels, rtol=1e-5, atol=1e-5)


def test_backward_loss_is_that_of_the_noise_where_the_flow_is_the_identity(shards):
    torch.manual_seed(0)
    network = PaperNetwork(SMALL, standards_of(load_pixel_stars(shards)))  # last layers begin at zero
    labels, condition = torch.randn(400, 13), torch.zeros(400, 16)
    generator = torch.Generator().manual_seed(1)
    likelihood, backward = paper_loss(network, labels, condition, QUICK, generator)
    assert float(backward.detach()) == pytest.approx(QUICK.backward_noise**2, rel=0.1)  # 5200 squares: 2 % a sigma
    expected = -torch.distributions.Normal(0, 1).log_prob(labels).sum(1).mean()
    assert float(likelihood.detach()) == pytest.approx(float(expected), rel=1e-5)


@pytest.fixture(scope="module")
def trained(shards, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("run")
    train_paper_network(shards, SMALL, QUICK, run, {}, lambda _: None)
    return train_paper_network(shards, SMALL, replace(QUICK, epochs=8), run, {}, lambda _: None)


def test_training_resumes_at_the_next_epoch_and_writes_what_it_learned(trained):
    curve = (trained.parent / "paper-curve.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in curve] == ["epoch", *"12345678"]
    first, *_, last = (float(line.split(",")[1]) for line in curve[1:])
    assert last < first - 1
    assert load_paper_network(trained).architecture == SMALL


def test_its_answers_lie_inside_the_prior_and_in_the_targets_units(shards, trained):
    stars = load_pixel_stars(shards)
    answers = paper_answers(load_paper_network(trained), stars.flux[:4].float().numpy(), 100, sobol_latents(64, 0), 0)
    assert answers.map.shape == answers.median.shape == (4, 13)
    assert inside(answers.map).all()
    assert (answers.interval68[..., 0] <= answers.interval68[..., 1]).all()
    assert ((answers.median[:, 0] > 3900) & (answers.median[:, 0] < 7300)).all()


def test_the_papers_weights_are_refused_where_the_shipped_network_is_meant(trained):
    from cinn_core.inference.model import load_network

    with pytest.raises(ParametersError, match="paper network"):
        load_network(trained)


def test_its_stars_are_those_of_the_prior_with_the_continuum_at_one_and_are_made_once(model, tmp_path):
    said: list[str] = []
    settings = PaperSettings(stars=200)
    paths = fill_pixel_shards(tmp_path, model.forward, model.templates, settings, said.append)
    written = paths[0].stat().st_mtime_ns
    again = fill_pixel_shards(tmp_path, model.forward, model.templates, settings, said.append)
    assert again == paths
    assert (len(paths), len(said), paths[0].stat().st_mtime_ns) == (1, 1, written)
    stars = load_pixel_stars(paths)
    assert inside(stars.labels).all()
    assert stars.flux.shape == (len(stars.labels), N_PIXELS)
    assert np.quantile(stars.flux.double(), 0.9) == pytest.approx(1, abs=0.02)
