"""Importance sampling on simulated stars: efficiency at S/N 50 and 100, and agreement with MCMC over all 29 labels.

python benchmarks/importance.py --stars 40            # median efficiency, plain and adapted
python benchmarks/importance.py --mcmc 3 --snr 50     # medians and widths against emcee; some minutes a star
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from cinn_core.evaluation.mcmc import compare, observe_simulated, run_chains
from cinn_core.inference.importance import weigh
from cinn_core.inference.infer import infer
from cinn_core.inference.model import Model, load_model
from cinn_core.inference.projection import MaskedProjection, mask_projection
from cinn_core.instrument import N_PIXELS
from cinn_core.prior import draw
from cinn_core.targets import TARGETS


def compare_with_mcmc(model: Model, masked: MaskedProjection, n: int, snr: float, steps: int) -> None:
    """Prints, for n stars, the difference of medians [sigma] and of widths [%] of every target."""
    labels = draw(n, np.random.default_rng(12))
    for i in range(n):
        seen = observe_simulated(model, masked, labels[i : i + 1], snr, i)
        posterior = infer(seen, model, 16384, i)
        found = weigh(seen, masked, posterior, model, i)
        chains = run_chains(model, masked, seen, labels[i : i + 1], posterior.map_z, steps, i)
        print(
            f"star {i}: S/N {snr:.0f}, efficiency {100 * found.efficiency:.1f} %, k {found.pareto_k:.2f}, "
            f"rounds {found.rounds}; chains of {steps} steps, autocorrelation {chains.autocorrelation:.0f}",
            flush=True,
        )
        for target, shift, ratio in zip(TARGETS, *compare(found, chains), strict=True):
            print(f"  {target.name:7s} median {shift:+.2f} sigma, width {100 * (ratio - 1):+.0f} %", flush=True)


def efficiencies(model: Model, masked: MaskedProjection, n: int) -> None:
    """Prints the median efficiency over n stars of the prior, plain and adapted, at S/N 50 and 100."""
    labels = draw(n, np.random.default_rng(13))
    for snr in (50.0, 100.0):
        for rounds in (0, 2):
            began, found = time.process_time(), []
            for i in range(n):
                seen = observe_simulated(model, masked, labels[i : i + 1], snr, i)
                found.append(weigh(seen, masked, infer(seen, model, 2048, i), model, i, rounds))
            share, k = [x.efficiency for x in found], [x.pareto_k for x in found]
            seconds = (time.process_time() - began) / n
            print(
                f"S/N {snr:.0f}, {rounds} adaptive rounds at most: median efficiency {100 * np.median(share):.1f} % "
                f"(10-90 %: {100 * np.quantile(share, 0.1):.1f}-{100 * np.quantile(share, 0.9):.1f}), median k {np.median(k):.2f}, "
                f"failed {100 * np.mean([x.failed for x in found]):.0f} %, {seconds:.1f} CPU s a star",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=0)
    parser.add_argument("--mcmc", type=int, default=0)
    parser.add_argument("--snr", type=float, default=50.0)
    parser.add_argument("--steps", type=int, default=2500)
    given = parser.parse_args()
    loaded = load_model("cpu")
    complete = mask_projection(loaded.projection, np.ones(N_PIXELS, bool))
    if given.stars:
        efficiencies(loaded, complete, given.stars)
    if given.mcmc:
        compare_with_mcmc(loaded, complete, given.mcmc, given.snr, given.steps)
