"""The evaluations from end to end on a small grid of the emulator's own stars: shapes, units, and who answers."""

import numpy as np
import pytest
import torch

from cinn_core.evaluation.held_out import observe_held_out
from cinn_core.evaluation.network import evaluate, network_figures
from cinn_core.evaluation.saliency import measure_saliency, saliency_numbers
from cinn_core.inference.paper import PaperArchitecture, PaperNetwork, Standards, logged
from cinn_core.inference.point_estimates import N_SAMPLES, posterior_z, sobol_latents
from cinn_core.instrument import N_PIXELS
from cinn_core.prior import N_TARGETS, draw, from_z
from cinn_core.synthesis.grid_file import FLUX_SCALE, Grid
from cinn_core.targets import COLUMN, SYNTHESIS_COLUMNS, TARGET_NAMES


@pytest.fixture(scope="module")
def grid(model) -> Grid:
    """Four metal-rich stars of the prior as a file of synthetic spectra holds them."""
    labels = draw(40, np.random.default_rng(3))
    labels = labels[labels[:, COLUMN["feh"]] > -1][:4]
    with torch.no_grad():
        flux = model.forward.emulator.flux(torch.as_tensor(labels[:, SYNTHESIS_COLUMNS], dtype=torch.float32))
    labels[:, COLUMN["vbroad"]] = np.nan
    stored = np.clip(flux.numpy() * FLUX_SCALE, 0, 65535).astype(np.uint16)
    return Grid(labels, stored, np.arange(4), model.forward.emulator.wavelength, "made up")


def test_network_answers_near_the_truth_and_not_sharper_than_the_limit(model, grid):
    found = evaluate(model, grid, (250,), draws=1)
    numbers = network_figures(found)
    assert (numbers["n"], numbers["n_all"], list(numbers["snr"])) == (4, 4, ["250"])
    assert tuple(numbers["snr"]["250"]) == TARGET_NAMES
    assert numbers["snr"]["250"]["teff"]["sigma"] < 150
    assert numbers["snr"]["250"]["feh"]["sigma"] < 0.3
    for row in numbers["snr"]["250"].values():
        assert all(np.isfinite(value) for value in row.values())
        assert row["width68"] > 0.3 * row["limit68"]


def test_of_all_point_estimates_the_mean_has_the_smallest_error_over_the_samples_themselves(model, grid):
    """By definition of the mean, of whatever posterior; the other points of an answer are among or between its samples."""
    found = evaluate(model, grid, (50,), draws=1)
    answer = found.answers[50]
    latent = sobol_latents(N_SAMPLES, 0)
    z, _, _ = posterior_z(model, observe_held_out(model, found.stars, 50, 0), latent)
    samples = from_z(z[::2].reshape(-1, N_TARGETS).numpy()).reshape(len(answer.mean), -1, N_TARGETS)
    rms = {
        name: np.sqrt(((samples - getattr(answer, name)[:, None]) ** 2).mean(1))
        for name in ("mean", "median", "map", "map_paper")
    }
    for name in ("median", "map", "map_paper"):
        assert (rms["mean"] <= rms[name] * (1 + 1e-3)).all()  # a few samples may lie outside the prior
    assert (np.abs(samples - answer.map_paper[:, None]).max(2).min(1) < 1e-9).all()


def test_an_untrained_paper_network_answers_with_its_training_set_s_mean(model, grid):
    labels = logged(draw(500, np.random.default_rng(4))[:, :N_TARGETS])
    columns = (np.zeros(N_PIXELS + 1), np.ones(N_PIXELS + 1), labels.mean(0), labels.std(0))
    standards = Standards(*(torch.as_tensor(column, dtype=torch.float32) for column in columns))
    torch.manual_seed(0)
    paper = PaperNetwork(PaperArchitecture(features=(8,), couplings=2, coupling_width=8), standards).eval()
    found = evaluate(model, grid, (50,), draws=1, paper=paper.requires_grad_(False))
    middle = found.answers[50].median[:, COLUMN["vmic"]]
    assert np.abs(middle - labels[:, COLUMN["vmic"]].mean()).max() < 0.2


def test_saliency_is_measured_for_every_star_and_target(model, grid):
    found = measure_saliency(model, grid)
    np.testing.assert_allclose(np.linalg.norm(found.weights.astype(float), axis=2), 1, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(found.ideal.astype(float), axis=2), 1, atol=0.01)
    numbers = saliency_numbers(found)
    assert numbers["n"] == 4
    for name in ("teff", "feh", "mg_fe"):
        assert numbers["targets"][name]["correlation"] > 0.2  # random maps: 0.01
    assert 0 < numbers["targets"]["li_fe"]["random_on_own"] < numbers["targets"]["feh"]["random_on_own"]
