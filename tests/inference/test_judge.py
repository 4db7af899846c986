"""Stars that no training star is like are answered all the same, and flagged as what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import labels_of, observed, pixels, spectrum_of

from cinn_core.analyse import analyse
from cinn_core.forward_model.model_error import shipped_model_error
from cinn_core.inference.infer import infer_many, observe, random_latents
from cinn_core.inference.judge import judge, judge_many, misfit_of
from cinn_core.inference.network import Observation
from cinn_core.preparation.fourmost import prepare
from cinn_core.readers import read

WAVE = pixels(step=0.05)
HALPHA, SODIUM_LIKE = 6562.8, (5183.6, 5172.7, 5167.3, 6122.2, 6162.2, 6439.1)


def gaussians(centres: tuple[float, ...], fwhm: float, height: float) -> np.ndarray:
    sigma = fwhm / 2.355
    return sum(height * np.exp(-0.5 * ((WAVE - c) / sigma) ** 2) for c in centres)


def noise() -> np.ndarray:
    return np.random.default_rng(4).normal(0, 0.01, WAVE.size)


FOREIGN = {
    "hot star: hardly a line but a broad H alpha": 1 - gaussians((HALPHA,), 30.0, 0.4) + noise(),
    "emission lines on a featureless continuum": 1 + gaussians((HALPHA, *SODIUM_LIKE), 3.0, 0.8) + noise(),
    "cool star: deep bands of TiO": (1 - 0.6 * ((WAVE / 60) % 1) ** 2) * (1 + 5 * noise()),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_star_outside_the_domain_is_answered_and_flagged(what, model):
    analysis = analyse(spectrum_of(WAVE, FOREIGN[what]), model, n_samples=256)
    assert "out_of_domain" in analysis.flags, analysis.flags
    assert np.isfinite(analysis.summary.targets["teff"].map)


def test_star_of_the_domain_is_not_called_foreign(model):
    analysis = analyse(spectrum_of(WAVE, observed(labels_of(), WAVE, 12.0, 150.0)), model, n_samples=256)
    assert not {"out_of_domain", "rv_uncertain", "composite"} & set(analysis.flags)


def test_many_stars_are_judged_as_each_alone(model, examples):
    vectors = [prepare(read(path), model.templates) for path in examples.values()]
    each = [observe(vector, model) for vector in vectors]
    together = Observation(*(torch.cat(parts) for parts in zip(*(vars(one).values() for one in each), strict=True)))
    posteriors = infer_many(together, model, model.sampler, random_latents(64, 0), 0)
    for many, vector, observation, posterior in zip(
        judge_many(vectors, together, posteriors, model), vectors, each, posteriors, strict=True
    ):
        alone = judge(vector, observation, posterior, model)
        assert many.misfit == pytest.approx(alone.misfit, rel=1e-4)
        assert many.distance == pytest.approx(alone.distance, rel=1e-4)
        assert (many.is_far, many.flags) == (alone.is_far, alone.flags)


def test_pixels_that_no_model_can_do_have_no_say_in_the_misfit(model, examples):
    vector = prepare(read(examples["solar-twin"]), model.templates)
    masked = shipped_model_error().masked
    assert masked.any()
    everywhere = replace(vector, good=np.ones_like(vector.good), flux=np.where(vector.good, vector.flux, 1.0))
    model_flux = np.ones(vector.flux.size)
    spoilt = replace(everywhere, flux=np.where(masked, 5.0, everywhere.flux))
    assert misfit_of(model_flux, spoilt) == misfit_of(model_flux, everywhere)
