"""Held-out figures of the network: its answers on synthetic test stars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .continuum import fit_continuum
from .evaluate_emulator import synthesis_at_instrument
from .infer import log_snr_input, refine_modes
from .instrument import ARMS, N_COVERAGE, N_PIXELS, pixel_sigma
from .model import Model
from .network import N_TARGETS, Observation
from .prior import from_z, inside
from .projection import mask_projection
from .targets import COLUMN, TARGETS
from .training.grid_data import Grid
from .weighted import highest_density_interval

PAPER_SNR: tuple[int, ...] = (10, 12, 14, 16, 18, 20, 23, 26, 30, 35, 40, 45, 50, 80, 100, 130, 180, 250, 1000)
"""S/N per Angstrom at which Ksoll et al. (2026) report."""

N_SAMPLES = 512
_BATCH = 64


@dataclass(frozen=True, eq=False)
class SyntheticStars:
    """Real syntheses as the instrument sees them: labels (n, 26), star (n,) number of the grid star, coefficients (n, k).

    noise (arms, k, k): root of the coefficients' covariance for unit pixel noise of complete spectra.
    """

    labels: NDArray
    star: NDArray
    coefficients: NDArray
    noise: NDArray


def make_synthetic_stars(model: Model, grid: Grid, draws: int, seed: int) -> SyntheticStars:
    """Every grid star `draws` times, each with its own vbroad, uniform in 1-100 km/s, complete and without noise."""
    rng = np.random.default_rng([seed, 3])
    good = np.ones(N_PIXELS, bool)
    masked = mask_projection(model.projection, good)
    labels, coefficients = [], []
    for i in range(0, len(grid), _BATCH):
        part = grid.select(np.arange(len(grid))[i : i + _BATCH])
        for _ in range(draws):
            own = part.labels.copy()
            own[:, COLUMN["vbroad"]] = rng.uniform(1.0, 100.0, len(part))
            flux = synthesis_at_instrument(model.forward, part, own)
            flux = flux / fit_continuum(flux, np.broadcast_to(good, flux.shape), model.templates.flux)
            labels.append(own)
            coefficients.append(masked.coefficients(model.projection, flux))
    star = np.concatenate(
        [np.tile(np.arange(i, min(i + _BATCH, len(grid))), draws) for i in range(0, len(grid), _BATCH)]
    )
    return SyntheticStars(np.concatenate(labels), star, np.concatenate(coefficients), masked.noise)


def network_figures(
    model: Model,
    grid: Grid,
    snrs: tuple[int, ...] = PAPER_SNR,
    draws: int = 8,
    realism: float = 0.0,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, object]:
    """The JSON of `kiel evaluate network`: errors of MAP and median, widths and coverage of every target at each S/N.

    `snr` holds stars with [Fe/H] > -2.5, `snr_all` all; white noise, complete spectra.
    """
    stars = make_synthetic_stars(model, grid, draws, seed)
    rich = stars.labels[:, COLUMN["feh"]] > -2.5
    every = np.ones(len(rich), bool)
    tables: dict[str, dict[str, object]] = {"snr": {}, "snr_all": {}}
    for snr in snrs:
        if progress is not None:
            progress(f"S/N {snr} per Angstrom: {len(stars.labels)} spectra")
        answer = answers(model, stars, snr, realism, seed)
        for table, chosen in (("snr", rich), ("snr_all", every)):
            tables[table][str(snr)] = _target_figures(stars.labels, answer, chosen)
    n_rich = len(np.unique(stars.star[rich]))
    return {"n": n_rich, "n_all": len(grid), "realism": realism, **tables}


@dataclass(frozen=True, eq=False)
class Answers:
    """Of n spectra: mode and median (n, 13), intervals (n, 13, 2) of 68 and 95 %, in the targets' units."""

    mode: NDArray
    median: NDArray
    interval68: NDArray
    interval95: NDArray


def answers(model: Model, stars: SyntheticStars, snr: float, realism: float, seed: int) -> Answers:
    """Posterior of every test spectrum at one S/N, from scrambled Sobol latents, mode refined by gradient ascent."""
    rng = np.random.default_rng([seed, 4, int(snr)])
    noise = sum(rng.standard_normal(stars.coefficients.shape) @ stars.noise[arm] for arm in range(len(ARMS)))
    seen_coefficients = stars.coefficients + noise * pixel_sigma(snr)
    latent = sobol_latents(N_SAMPLES, seed).to(model.device)
    modes, medians, narrow, wide = [], [], [], []
    for i in range(0, len(stars.labels), _BATCH):
        block = torch.as_tensor(seen_coefficients[i : i + _BATCH], dtype=torch.float32, device=model.device)
        n = len(block)
        log_snr = torch.as_tensor(log_snr_input(np.full((n, len(ARMS)), snr)), dtype=torch.float32, device=model.device)
        coverage = torch.ones(n, N_COVERAGE, device=model.device)
        seen = Observation(block, log_snr, coverage, torch.full((n,), realism, device=model.device))
        with torch.no_grad():
            condition = model.network.embedding(seen)
            z, density = model.network.sample(latent.repeat(n, 1), condition.repeat_interleave(N_SAMPLES, 0))
        z, density = z.reshape(n, N_SAMPLES, N_TARGETS), density.reshape(n, N_SAMPLES)
        mode = refine_modes(model.network, z[torch.arange(n), density.argmax(1)], condition)
        modes.append(from_z(mode.cpu().numpy()))
        for row in z.cpu().numpy():
            labels = from_z(row)
            keep = inside(labels)
            labels = labels[keep] if keep.any() else labels
            medians.append(np.median(labels, 0))
            narrow.append([highest_density_interval(x, 0.68) for x in labels.T])
            wide.append([highest_density_interval(x, 0.95) for x in labels.T])
    return Answers(np.concatenate(modes), np.array(medians), np.array(narrow), np.array(wide))


def sobol_latents(n: int, seed: int) -> Tensor:
    """Scrambled Sobol points mapped to a 13-D standard normal, (n, 13)."""
    points = torch.quasirandom.SobolEngine(N_TARGETS, scramble=True, seed=seed).draw(n).double()
    return torch.special.ndtri(points.clamp(1e-6, 1 - 1e-6)).float()


def _target_figures(labels: NDArray, answer: Answers, chosen: NDArray) -> dict[str, dict[str, float]]:
    out = {}
    for i, target in enumerate(TARGETS):
        truth = labels[chosen, i]
        mode_error, median_error = answer.mode[chosen, i] - truth, answer.median[chosen, i] - truth
        scale = target.paper_range or (target.high - target.low)
        low68, high68 = answer.interval68[chosen, i].T
        low95, high95 = answer.interval95[chosen, i].T
        out[target.name] = {
            "sigma": float(mode_error.std()),
            "bias": float(mode_error.mean()),
            "nrmse": float(np.sqrt(np.mean(mode_error**2)) / scale),
            "sigma_median": float(median_error.std()),
            "nrmse_median": float(np.sqrt(np.mean(median_error**2)) / scale),
            "width68": float(np.median(high68 - low68)),
            "coverage68": float(np.mean((truth >= low68) & (truth <= high68))),
            "coverage95": float(np.mean((truth >= low95) & (truth <= high95))),
        }
    return out
