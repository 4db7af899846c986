"""Stars that no training star is like are answered all the same, and flagged as what they are."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import labels_of, observed, pixels, spectrum_of

from cinn_core.analyse import analyse_spectrum

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
    analysis = analyse_spectrum(spectrum_of(WAVE, FOREIGN[what]), model, n_samples=256)
    assert "out_of_domain" in analysis.flags, analysis.flags
    assert np.isfinite(analysis.summary.targets["teff"].map)


def test_star_of_the_domain_is_not_called_foreign(model):
    analysis = analyse_spectrum(spectrum_of(WAVE, observed(labels_of(), WAVE, 12.0, 150.0)), model, n_samples=256)
    assert not {"out_of_domain", "rv_uncertain", "composite"} & set(analysis.flags)
