"""Local calibration: whether the posterior is right at the conditions of given spectra, by a test that can fail.

A classifier learns to tell the latents of the truths of simulated stars from draws of the standard normal that they are
where the posterior is right, given each star's place and width of its posterior and its S/N (LC2ST for flows, Linhart et al.
2023, arXiv:2306.03580, sbi's implementation). Its mean square distance from a coin's 0.5 at the condition of one spectrum,
beside that of classifiers of pure noise, is a p value for this spectrum; averages over all stars can hide what is wrong
for some of them. A smooth classifier carries some of what it learned from one kind of star over to the others. Size and
power are measured beside it, on latents that are right and on ones of too narrow posteriors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..inference.infer import observe
from ..inference.model import Model
from ..inference.network import N_TARGETS, Observation
from ..inference.point_estimates import batches, posterior_z, sobol_latents
from ..random_streams import Stream, stream, torch_seed
from ..stages import FluxVector
from ..targets import COLUMN
from ..training.network import Stars, observe_stars

LOCAL_SNR = (20.0, 500.0)
NARROWED, NARROWED_LOCALLY = 0.9, 0.8
_LATENTS = 128
"""Samples that a star's place and width are measured with."""
_EVALUATED = 2000
"""Draws of the standard normal at which the classifiers are compared with a coin."""
_CLASSIFIER = {"hidden_layer_sizes": (64, 64), "n_iter_no_change": 10, "max_iter": 200}


def observe_as_real(stars: Stars, seed: int) -> Observation:
    """Observations at realism 1 of S/N log-uniform in `LOCAL_SNR`, arms up to a factor 2 apart, half the noise degraded."""
    generator = torch.Generator().manual_seed(torch_seed(Stream.LOCAL_CALIBRATION, seed))
    shape = stars.z.shape[:2]
    low, high = map(math.log, LOCAL_SNR)
    mean = low + (high - low) * torch.rand(shape, generator=generator)
    half = (torch.rand(shape, generator=generator) - 0.5) * math.log(2)
    degraded = torch.rand(shape, generator=generator) < 0.5
    log_snr = torch.stack([mean + half, mean - half], -1)
    return observe_stars(stars, log_snr, torch.ones(shape), degraded, generator)


@torch.no_grad()
def conditions(model: Model, observation: Observation, seed: int = 0) -> NDArray:
    """Numbers (n, 28) on n observations that the classifier sees: medians and ln widths of the 13 targets in z, ln S/N of the arms."""
    latent = sobol_latents(_LATENTS, seed).to(model.device)
    rows = []
    for some in batches(observation):
        z = posterior_z(model, some, latent)[0].cpu().numpy().astype(float)
        low, median, high = np.quantile(z, (0.16, 0.5, 0.84), axis=1)
        rows.append(np.concatenate([median, np.log(high - low), some.log_snr.cpu().numpy()], 1))
    return np.concatenate(rows)


@torch.no_grad()
def latents_of(model: Model, observation: Observation, z: Tensor) -> NDArray:
    """Latents (n, 13) of the truths z (n, 13) of n observations: standard normal where the posterior is right."""
    latent, _ = model.network.flow(z.to(model.device), c=[model.network.embedding(observation)])
    return np.asarray(latent.cpu().numpy(), float)


class LocalTest:
    """LC2ST of latents under conditions (n, c), its classifiers of pure noise trained once for all latents that are tested."""

    def __init__(self, given: NDArray, seed: int, trials: int) -> None:
        self._mean, self._scale = given.mean(0), given.std(0)
        self._given, self._seed, self._trials = self._standardised(given), seed, trials
        self._noise: dict[int, Any] | None = None

    def _standardised(self, given: NDArray) -> Tensor:
        return torch.as_tensor((given - self._mean) / self._scale, dtype=torch.float32)

    def p_values(self, latents: NDArray, at: NDArray) -> NDArray:
        """P values (k,) of latents (n, 13) at k conditions (k, c): steps of one over the number of trials."""
        from sbi.diagnostics.lc2st import LC2ST_NF

        normal = torch.distributions.MultivariateNormal(torch.zeros(N_TARGETS), torch.eye(N_TARGETS))
        with torch.random.fork_rng():
            torch.manual_seed(torch_seed(Stream.LOCAL_CALIBRATION, self._seed, 1))
            test = LC2ST_NF(
                prior_samples=torch.as_tensor(latents, dtype=torch.float32),
                xs=self._given,
                posterior_samples=normal.sample((len(latents),)),
                flow_inverse_transform=lambda latent, _: latent,
                flow_base_dist=normal,
                num_eval=_EVALUATED,
                num_trials_null=self._trials,
                trained_clfs_null=self._noise,
                classifier_kwargs={**_CLASSIFIER, "random_state": self._seed},
            )
            if self._noise is None:
                test.train_under_null_hypothesis(verbosity=0)
                self._noise = test.trained_clfs_null
            test.train_on_observed_data(verbosity=0)
            return np.array([test.p_value(x_o=x[None]) for x in self._standardised(at)])


def local_figures(
    model: Model,
    stars: Stars,
    vectors: Mapping[str, FluxVector],
    seed: int = 0,
    trials: int = 200,
    right_sets: int = 20,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, object]:
    """The JSON of `kiel evaluate calibration --at`: p values by file, and the size and power of the test at the same files.

    `p` of the network; `right` (share of `right_sets` sets of standard normal latents, times files, with p below 1 %);
    `narrowed` and `narrowed_locally` hold the p by file of posteriors of 0.9 of the width everywhere, and of 0.8 of it for the
    half of the stars with the lower median log g alone, and by file whether it is one of these.
    """
    progress(f"Local calibration at {len(vectors)} spectra: observing {stars.z.shape[0] * stars.z.shape[1]} stars")
    observation = observe_as_real(stars, seed).to(model.device)
    given = conditions(model, observation, seed)
    at = np.concatenate([conditions(model, observe(vector, model), seed) for vector in vectors.values()])
    progress(f"Training {trials} classifiers of pure noise")
    test = LocalTest(given, seed, trials)
    rng = stream(Stream.LOCAL_CALIBRATION, seed, 2)

    def by_file(latents: NDArray) -> dict[str, float]:
        return dict(zip(vectors, test.p_values(latents, at).tolist(), strict=True))

    own = by_file(latents_of(model, observation, stars.z.flatten(0, 1)))
    progress("Measuring size and power of the local test")
    shape = (len(given), N_TARGETS)
    right = np.array([test.p_values(rng.standard_normal(shape), at) for _ in range(right_sets)])
    gravity = COLUMN["logg"]
    middle = float(np.median(given[:, gravity]))
    locally = np.where(given[:, gravity] < middle, 1 / NARROWED_LOCALLY, 1.0)[:, None]
    return {
        "n": len(given),
        "trials": trials,
        "p": own,
        "right": {"sets": right_sets, "rejected": float(np.mean(right < 0.01))},
        "narrowed": {"width": NARROWED, "p": by_file(rng.standard_normal(shape) / NARROWED)},
        "narrowed_locally": {
            "width": NARROWED_LOCALLY,
            "p": by_file(rng.standard_normal(shape) * locally),
            "among": dict(zip(vectors, (at[:, gravity] < middle).tolist(), strict=True)),
        },
    }
