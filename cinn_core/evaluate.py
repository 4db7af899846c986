"""Held-out figures: the emulator against synthesis, and the network's answers on synthetic test stars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .broadening import broaden
from .continuum import fit_continuum
from .forward import ForwardModel
from .infer import log_snr_input, refine_modes
from .instrument import ARMS, N_COVERAGE, N_PIXELS, RESOLVING_POWER, WAVELENGTH, pixel_sigma
from .lines import diagnostic_lines
from .model import Model
from .network import N_TARGETS, Observation
from .prior import from_z, inside
from .projection import mask_projection
from .summary import highest_density_interval
from .targets import COLUMN, TARGETS
from .training.grid_data import Grid

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


def emulator_figures(forward: ForwardModel, grid: Grid) -> dict[str, object]:
    """Flux errors of the emulator at R = 20 000, vbroad 5 km/s, in the JSON of `kiel evaluate emulator`."""
    labels = grid.labels.copy()
    labels[:, COLUMN["vbroad"]] = 5.0
    error = np.empty((len(grid), N_PIXELS), np.float32)
    truth = np.empty_like(error)
    for i in range(0, len(grid), _BATCH):
        part = slice(i, i + _BATCH)
        truth[part] = synthesis_at_instrument(forward, grid.select(np.arange(len(grid))[part]), labels[part])
        error[part] = forward.flux(labels[part]) - truth[part]
    teff, feh = labels[:, COLUMN["teff"]], labels[:, COLUMN["feh"]]
    core = (teff > 4100) & (teff < 7000) & (feh > -2.5)
    lines = [(f"{line.species} {line.wavelength:.3f}", line.wavelength) for line in diagnostic_lines()]
    pixels = {name: int(np.argmin(np.abs(WAVELENGTH - at))) for name, at in lines}

    def figures(chosen: NDArray) -> dict[str, object]:
        picked = error[chosen]
        depth = {name: picked[:, pixel] for name, pixel in pixels.items()}
        return {
            "n": int(chosen.sum()),
            "median_abs": float(np.median(np.abs(picked))),
            "p99_abs": float(np.percentile(np.abs(picked), 99)),
            "rms": float(np.sqrt(np.mean(picked**2))),
            "pairs_within_1pct": float(np.mean(np.abs(np.stack(list(depth.values()))) < 0.01)),
            "lines": {
                name: {"depth_rms": float(np.sqrt(np.mean(d**2))), "within_1pct": float(np.mean(np.abs(d) < 0.01))}
                for name, d in depth.items()
            },
        }

    regions = []
    for name, chosen in _regions(labels).items():
        if chosen.sum() >= 3:
            regions.append({"name": name, **figures(chosen)})
    return {**figures(core), "regions": regions}


def _regions(labels: NDArray) -> dict[str, NDArray]:
    """Parts of the Kiel diagram by Teff, gravity and metallicity: which stars (n,) belong to each."""
    teff, logg, feh = (labels[:, COLUMN[name]] for name in ("teff", "logg", "feh"))
    out = {}
    for cool, hot in ((3900, 4100), (4100, 4500), (4500, 5500), (5500, 6300), (6300, 7000), (7000, 7300)):
        for kind, gravity in (("giants", logg < 3.5), ("dwarfs", logg >= 3.5)):
            for low, high in ((-4.0, -2.5), (-2.5, -1.0), (-1.0, 0.6)):
                chosen = (teff >= cool) & (teff < hot) & gravity & (feh >= low) & (feh < high)
                out[f"{cool}-{hot} K {kind} [Fe/H] {low}..{high}"] = chosen
    return out


@torch.no_grad()
def synthesis_at_instrument(forward: ForwardModel, grid: Grid, labels: NDArray) -> NDArray:
    """Grid spectra (n, N_PIXELS) with the rotation of `labels` (n, 26), at R = 20 000 on the instrument's pixels."""
    vbroad = torch.as_tensor(labels[:, COLUMN["vbroad"]], dtype=torch.float32)
    flux = torch.from_numpy(grid.normalised())
    moved = broaden(flux, forward.arms, vbroad, torch.full((len(flux),), RESOLVING_POWER))
    return forward.to_pixels(moved).numpy()


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
