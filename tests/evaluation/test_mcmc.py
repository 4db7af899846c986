"""Importance sampling against Markov chains over all 29 labels, on three simulated stars; minutes each."""

import numpy as np
import pytest
from missing import needed

from cinn_core.evaluation.mcmc import Chains, compare, observe_simulated, run_chains
from cinn_core.inference.importance import weigh
from cinn_core.inference.infer import infer
from cinn_core.inference.projection import mask_projection
from cinn_core.instrument import N_PIXELS
from cinn_core.prior import N_TARGETS, draw
from cinn_core.stages import Importance


def test_comparison_measures_the_shift_and_the_width_that_were_put_in():
    rng = np.random.default_rng(0)
    chains = Chains(rng.standard_normal((40_000, N_TARGETS)), 1.0)
    labels = 1.2 * rng.standard_normal((40_000, N_TARGETS)) + 0.5
    found = Importance(labels, labels, np.zeros(40_000), np.zeros(40_000), 40_000.0, 1.0, 0.0, 0, False, None)
    shift, ratio = compare(found, chains)
    np.testing.assert_allclose(shift, 0.5, atol=0.05)  # 40 000 draws: 0.01
    np.testing.assert_allclose(ratio, 1.2, atol=0.04)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("star", [0, 1, 2])
def test_weighted_posterior_agrees_with_markov_chains(model, star):
    """Medians within 0.2 sigma, widths within 15 %; so many samples that the weights' own scatter is 0.05 sigma."""
    needed("emcee", "test")
    labels = draw(3, np.random.default_rng(12))[star : star + 1]
    masked = mask_projection(model.projection, np.ones(N_PIXELS, bool))
    seen = observe_simulated(model, masked, labels, 50.0, star)
    posterior = infer(seen, model, 16384, star)
    found = weigh(seen, masked, posterior, model, star)
    assert not found.failed
    chains = run_chains(model, masked, seen, labels, posterior.map_z, 2500, star)
    shift, ratio = compare(found, chains)
    assert np.abs(shift).max() < 0.2
    assert np.abs(ratio - 1).max() < 0.15
