"""Importance sampling on simulated stars: efficiency at S/N 50 and 100, and agreement with MCMC over all 26 labels.

python benchmarks/importance.py --stars 40            # median efficiency, plain and adapted
python benchmarks/importance.py --mcmc 3 --snr 50     # medians and widths against emcee; some minutes a star
"""

from __future__ import annotations

import argparse
import time

import emcee
import numpy as np
import torch

from cinn_core.inference.importance import weigh
from cinn_core.inference.infer import infer, log_snr_input
from cinn_core.inference.likelihood import make_likelihood
from cinn_core.inference.network import N_TARGETS, Observation
from cinn_core.inference.projection import MaskedProjection, mask_projection
from cinn_core.inference.weighted import from_log, weighted_quantile
from cinn_core.instrument import ARMS, N_COVERAGE, N_PIXELS, pixel_sigma
from cinn_core.model import Model, load_model
from cinn_core.preparation.continuum import fit_continuum
from cinn_core.prior import N_LABELS, draw, from_z, inside
from cinn_core.targets import TARGETS


def observe_simulated(model: Model, masked: MaskedProjection, labels: np.ndarray, snr: float, seed: int) -> Observation:
    """Noisy observation of one emulated star (1, 26), complete, realism 0, through the continuum fit."""
    noise = np.random.default_rng([seed, 11]).standard_normal(N_PIXELS) * pixel_sigma(snr)
    flux = model.forward.flux(labels) + noise
    flux = flux / fit_continuum(flux, masked.good[None], model.templates.flux)
    pieces = (
        masked.coefficients(model.projection, flux),
        log_snr_input(np.full((1, len(ARMS)), snr)),
        np.ones((1, N_COVERAGE)),
        np.zeros(1),
    )
    return Observation(*(torch.as_tensor(piece, dtype=torch.float32) for piece in pieces))


def mcmc(
    model: Model, seen: Observation, masked: MaskedProjection, start: np.ndarray, steps: int, seed: int
) -> np.ndarray:
    """Targets (n, 13) in prior coordinates by emcee's ensemble over all 26 coordinates."""
    likelihood = make_likelihood(seen, masked, model, start[0, :N_TARGETS])

    def log_posterior(z: np.ndarray) -> np.ndarray:
        total = likelihood.log_likelihood(z) - 0.5 * (z**2).sum(1)
        return np.where(inside(from_z(z)), total, -np.inf)

    np.random.seed(seed)  # noqa: NPY002 (emcee draws from numpy's global generator)
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.1), (emcee.moves.StretchMove(), 0.1)]
    sampler = emcee.EnsembleSampler(len(start), N_LABELS, log_posterior, vectorize=True, moves=moves)
    sampler.run_mcmc(start, steps)
    time_scale = sampler.get_autocorr_time(quiet=True).max()
    print(f"  emcee: {steps} steps of {len(start)} walkers, longest autocorrelation time {time_scale:.0f} steps")
    return sampler.get_chain(discard=steps // 3, flat=True)[:, :N_TARGETS]


def compare_with_mcmc(model: Model, masked: MaskedProjection, n: int, snr: float, steps: int) -> None:
    """Prints, for n stars, the largest difference of medians [sigma] and of widths [%] over the targets."""
    labels = draw(n, np.random.default_rng(12))
    for i in range(n):
        seen = observe_simulated(model, masked, labels[i : i + 1], snr, i)
        posterior = infer(seen, model, 4096, i)
        found = weigh(seen, masked, posterior, model, i)
        rng, weights = np.random.default_rng(i), from_log(found.log_weights)
        chosen = rng.choice(len(found.z), 80, p=weights / weights.sum())
        start = np.concatenate([found.z[chosen], 0.3 * rng.standard_normal((80, N_LABELS - N_TARGETS))], 1)
        start += 0.02 * rng.standard_normal(start.shape)
        chain = from_z(mcmc(model, seen, masked, start, steps, i))
        print(
            f"star {i}: S/N {snr:.0f}, efficiency {100 * found.efficiency:.1f} %, k {found.pareto_k:.2f}, rounds {found.rounds}"
        )
        for j, target in enumerate(TARGETS):
            low, middle, high = np.quantile(chain[:, j], [0.16, 0.5, 0.84])
            ours = weighted_quantile(found.labels[:, j], np.array([0.16, 0.5, 0.84]), weights)
            shift, ratio = (ours[1] - middle) / (0.5 * (high - low)), (ours[2] - ours[0]) / (high - low)
            print(f"  {target.name:7s} median {shift:+.2f} sigma, width {100 * (ratio - 1):+.0f} %")


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
    parser.add_argument("--steps", type=int, default=6000)
    given = parser.parse_args()
    loaded = load_model("cpu")
    complete = mask_projection(loaded.projection, np.ones(N_PIXELS, bool))
    if given.stars:
        efficiencies(loaded, complete, given.stars)
    if given.mcmc:
        compare_with_mcmc(loaded, complete, given.mcmc, given.snr, given.steps)
