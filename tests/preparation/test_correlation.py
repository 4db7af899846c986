"""Correlation with the templates: what is computed by transforms and running sums is the plain sum over pixels."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import labels_of, observed, pixels, templates

from cinn_core.preparation.correlation import PAD, OnLog, _scores, best_templates, correlate, sharp, to_log_many

LAGS = np.array([[PAD + 20, PAD + 21, PAD + 22], [PAD - 130, PAD - 129, PAD - 128]])
EVERY = np.tile(np.arange(len(templates().labels)), (2, 1))


@pytest.fixture(scope="module")
def stars() -> list[OnLog]:
    """Two stars on the same wavelengths, each with gaps of its own."""
    wavelength = pixels()
    flux = np.stack([observed(labels_of(), wavelength, 42.0), observed(labels_of(4800, 2.5, -0.5), wavelength, -258.0)])
    good = np.ones(flux.shape, bool)
    good[0, (wavelength > 5400) & (wavelength < 5420)] = False
    good[1, ::997] = False
    return to_log_many(wavelength, flux, good, 20_000.0, templates())


def plain(signal: np.ndarray, weight: np.ndarray, template: np.ndarray, lag: int) -> np.ndarray:
    """Sums over the pixels of weight 1: products of deviations from the mean, variance of the one, of the other."""
    here = weight[lag : lag + template.size] > 0
    d, t = signal[lag : lag + template.size][here], template[here]
    return np.array([(d - d.mean()) @ (t - t.mean()), ((d - d.mean()) ** 2).sum(), ((t - t.mean()) ** 2).sum()])


def test_correlation_near_the_peak_is_that_of_plain_sums(stars) -> None:
    """To 1e-4: products are summed in single precision."""
    found = _scores(stars, LAGS, templates(), EVERY)
    for i, star in enumerate(stars):
        for k in (0, 200, 400):
            for j, lag in enumerate(LAGS[i]):
                depth = [flux[k].astype(float) - 1 for flux in templates().log_flux]
                arms = zip(star.arms, depth, strict=True)
                across, data, model = sum(plain(a.flux, a.weight, t, lag) for a, t in arms)
                assert found[i, k, j] == pytest.approx(across / np.sqrt(data * model), abs=1e-4)


def test_best_template_is_that_of_all_at_all_lags(stars) -> None:
    every = _scores(stars, LAGS, templates(), EVERY)
    best, near = best_templates(stars, LAGS, templates())
    assert list(best) == list(every.max(2).argmax(1))
    np.testing.assert_allclose(near, every[[0, 1], best], atol=1e-6)


def test_correlation_at_all_velocities_is_that_of_plain_sums(stars) -> None:
    found = correlate(stars, templates())
    assert found.shape[2] == 2 * PAD + 1
    for i, star in enumerate(stars):
        for lag in (PAD - 200, PAD + 21, 2 * PAD):
            depth = [sharp(flux[0].astype(float) - 1, np.ones(flux.shape[1])) for flux in templates().log_flux]
            n = [a.weight[lag : lag + t.size].sum() for a, t in zip(star.arms, depth, strict=True)]
            assert min(n) > 5000
            arms = zip(star.arms, depth, strict=True)
            sums = [plain(a.sharp, a.weight, t, lag) for a, t in arms]
            across, data, model = sum(sums)
            assert found[i, 0, lag] == pytest.approx(across / np.sqrt(data * model), abs=1e-4)
