"""Errors of the fitted continuum: simulated stars of known continuum and noise, over the Kiel diagram."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import prior
from ..inference.infer import log_snr_input, random_latents
from ..inference.model import Model
from ..inference.network import N_TARGETS, Observation
from ..inference.projection import mask_projection
from ..instrument import ARMS, N_COVERAGE, N_PIXELS, pixel_sigma
from ..preparation.continuum import N_MODES, fit_continuum, legendre_modes
from ..preparation.templates import Forward, Templates
from ..prior import from_z
from ..random_streams import Stream, stream
from ..targets import COLUMN, TARGET_NAMES

_AMPLITUDE = 0.05  # of each smooth mode of the continuum that is put in
_REGIONS: tuple[tuple[str, tuple[float, float], tuple[float, float], tuple[float, float]], ...] = (
    ("cool dwarfs", (3900, 4500), (3.5, 5.1), (-9, 1)),
    ("cool giants", (3900, 4500), (-1, 3.5), (-9, 1)),
    ("dwarfs, 4500-5600 K", (4500, 5600), (3.5, 5.1), (-9, 1)),
    ("dwarfs, 5600-6800 K", (5600, 6800), (3.5, 5.1), (-9, 1)),
    ("giants, 4500-6800 K", (4500, 6800), (-1, 3.5), (-9, 1)),
    ("metal-poor, 4500-6800 K", (4500, 6800), (-1, 5.1), (-9, -2)),
    ("hotter than 6800 K", (6800, 9000), (-1, 5.1), (-9, 1)),
)
"""Name, then ranges of Teff [K], log g and [Fe/H]; they may overlap."""


def continuum_figures(
    forward: Forward, templates: Templates, n: int = 1000, snr: float = 50.0, seed: int = 0
) -> dict[str, Any]:
    """Errors of `fit_continuum`, found over true - 1, for `n` stars of the prior at a S/N per Angstrom.

    `warm` holds stars of 4500-6800 K, `core` those of them with vbroad below 30 km/s; every entry has n, rms,
    bias and the median rms of one star.
    """
    rng = np.random.default_rng(seed)
    labels, truth = prior.draw(n, rng), random_continua(n, rng)
    error = np.concatenate(
        [_errors(forward, templates, labels[s : s + 100], truth[s : s + 100], snr, rng) for s in range(0, n, 100)]
    )
    teff, logg, feh, vbroad = (labels[:, COLUMN[name]] for name in ("teff", "logg", "feh", "vbroad"))
    warm = (teff > 4500) & (teff < 6800)
    regions = [
        {"name": name, **_figures(error[_inside(teff, t) & _inside(logg, g) & _inside(feh, m)])}
        for name, t, g, m in _REGIONS
    ]
    return {
        "n": n,
        "snr": snr,
        "all": _figures(error),
        "warm": _figures(error[warm]),
        "core": _figures(error[warm & (vbroad < 30)]),
        "core_rotating": _figures(error[warm & (vbroad >= 30)]),
        "regions": regions,
    }


def random_continua(n: int, rng: np.random.Generator) -> NDArray:
    """Smooth continua (n, N_PIXELS): 1 and five Legendre modes more in each arm, of 5 % each."""
    modes = legendre_modes()
    amplitudes = rng.normal(0, _AMPLITUDE, (n, modes.shape[1]))
    amplitudes[:, ::N_MODES] = 1.0
    return np.asarray(amplitudes @ modes.T, np.float32)


def _errors(
    forward: Forward, templates: Templates, labels: NDArray, truth: NDArray, snr: float, rng: np.random.Generator
) -> NDArray:
    flux = np.asarray(forward.flux(labels), float)
    noisy = truth * (flux + pixel_sigma(snr) * rng.normal(size=flux.shape))
    fitted = fit_continuum(noisy.astype(np.float32), np.ones(flux.shape, bool), templates.flux)
    return np.asarray(fitted / truth - 1, np.float32)


def _inside(values: NDArray, limits: tuple[float, float]) -> NDArray:
    return (values > limits[0]) & (values <= limits[1])


def _figures(error: NDArray) -> dict[str, float | int | None]:
    if len(error) == 0:
        return {"n": 0, "rms": None, "bias": None, "median_rms": None}
    each = np.sqrt((error**2).mean(1))
    total = float(np.sqrt((error.astype(float) ** 2).mean()))
    return {"n": len(error), "rms": total, "bias": float(error.mean()), "median_rms": float(np.median(each))}


_BATCH = 25
_ONE_SIGMA = (15.87, 50.0, 84.13)  # percentiles


def label_shifts(
    model: Model, n: int = 100, snr: float = 100.0, seed: int = 0, n_samples: int = 512
) -> dict[str, float]:
    """By target, the median over `n` stars of the prior of |median after the fit - after the truth| in sigmas of the latter.

    Simulated stars under random smooth continua with white noise of a S/N per Angstrom, the same for both; sigma is half
    the 68 % interval. The network sees them as it sees real spectra.
    """
    rng = stream(Stream.CONTINUUM_SHIFTS, seed)
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
    observation = Observation(
        _tensor(masked.coefficients(model.projection, flux), model),
        _tensor(log_snr_input(np.full((n, len(ARMS)), snr)), model),
        _tensor(np.ones((n, N_COVERAGE)), model),
        _tensor(np.ones(n), model),
    )
    z, _ = model.sampler.sample(latent.to(model.device), model.network.embedding(observation))
    targets = from_z(z.cpu().numpy().astype(float).reshape(-1, N_TARGETS)).reshape(z.shape)
    return np.asarray(np.percentile(targets, _ONE_SIGMA, axis=1))


def _tensor(array: NDArray, model: Model) -> torch.Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=model.device)
