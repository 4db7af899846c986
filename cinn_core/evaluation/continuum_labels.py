"""What the error of the fitted continuum does to the answer: the same stars inferred after the fit and after the true continuum."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from .. import prior
from ..inference.infer import log_snr_input, random_latents
from ..inference.network import N_TARGETS, Observation
from ..inference.projection import mask_projection
from ..instrument import ARMS, N_COVERAGE, N_PIXELS, pixel_sigma
from ..model import Model
from ..preparation.continuum import fit_continuum
from ..preparation.continuum_error import random_continua
from ..prior import from_z
from ..targets import TARGET_NAMES

_BATCH = 25
_ONE_SIGMA = (15.87, 50.0, 84.13)  # percentiles


def label_shifts(
    model: Model, n: int = 100, snr: float = 100.0, seed: int = 0, n_samples: int = 512
) -> dict[str, float]:
    """By target, the median over `n` stars of the prior of |median after the fit - after the truth| in sigmas of the latter.

    Simulated stars under random smooth continua with white noise of a S/N per Angstrom, the same for both; sigma is half
    the 68 % interval. The network sees them as it sees real spectra.
    """
    rng = np.random.default_rng([seed, 6])
    labels, truth = prior.draw(n, rng), random_continua(n, rng)
    latent = random_latents(n_samples, seed)
    shifts = []
    for start in range(0, n, _BATCH):
        rows = slice(start, start + _BATCH)
        clean = np.asarray(model.forward.flux(labels[rows]), float)
        noisy = truth[rows] * (clean + pixel_sigma(snr) * rng.normal(size=clean.shape))
        fitted = fit_continuum(noisy, np.ones(noisy.shape, bool), model.templates.flux)
        low, middle, high = _percentiles(model, noisy / truth[rows], snr, latent)
        _, estimated, _ = _percentiles(model, noisy / fitted, snr, latent)
        shifts.append(np.abs(estimated - middle) / (0.5 * (high - low)))
    median = np.median(np.concatenate(shifts), axis=0)
    return dict(zip(TARGET_NAMES, median.tolist(), strict=True))


@torch.no_grad()
def _percentiles(model: Model, flux: NDArray, snr: float, latent: torch.Tensor) -> NDArray:
    """16th, 50th and 84th percentiles (3, n, 13) of the posteriors of normalised spectra (n, N_PIXELS)."""
    masked = mask_projection(model.projection, np.ones(N_PIXELS, bool))
    n = len(flux)
    seen = Observation(
        _tensor(masked.coefficients(model.projection, flux), model),
        _tensor(log_snr_input(np.full((n, len(ARMS)), snr)), model),
        _tensor(np.ones((n, N_COVERAGE)), model),
        _tensor(np.ones(n), model),
    )
    z, _ = model.sampler.sample(latent.to(model.device), model.network.embedding(seen))
    targets = from_z(z.cpu().numpy().astype(float).reshape(-1, N_TARGETS)).reshape(z.shape)
    return np.asarray(np.percentile(targets, _ONE_SIGMA, axis=1))


def _tensor(array: NDArray, model: Model) -> torch.Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=model.device)
