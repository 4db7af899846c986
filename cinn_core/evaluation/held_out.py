"""Held-out stars as the network sees them: physical synthesis, not the emulator, through the steps of every training star.

Grids are synthesised in LTE; what NLTE changes in these stars is the model's own (`forward_model/nlte_change.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..forward_model.broadening import broaden
from ..forward_model.forward import ForwardModel
from ..forward_model.realism import RESOLVING_POWER_RANGE, VELOCITY_ERROR_KMS, model_errors, normalisation_errors
from ..inference.infer import log_snr_input
from ..inference.model import Model
from ..inference.network import Observation
from ..inference.projection import MaskedProjection, mask_projection
from ..instrument import (
    ARMS,
    LITHIUM_ANGSTROM,
    N_COVERAGE,
    N_PIXELS,
    PIXEL_ANGSTROM,
    RESOLVING_POWER,
    WAVELENGTH,
    pixel_sigma,
)
from ..preparation.continuum import fit_continuum
from ..prior import draw
from ..random_streams import Stream, stream
from ..synthesis.grid_file import Grid
from ..targets import A_LI_LOW, COLUMN, EMULATOR_COLUMNS, PHYSICS_COLUMNS, SOLAR_A_LI

_BATCH = 64


@dataclass(frozen=True, eq=False)
class HeldOutStars:
    """n grid stars, each in d versions with a rotation of its own, complete and without noise.

    labels (n, d, 29); coefficients (n, d, k); noise (arms, k, k) root of their covariance for unit pixel noise.
    """

    labels: NDArray
    coefficients: NDArray
    noise: NDArray
    realism: float


def held_out_stars(model: Model, grid: Grid, vbroad: NDArray, realism: float, seed: int) -> HeldOutStars:
    """Held-out stars of a grid with the rotations `vbroad` (n, d) [km/s].

    realism above 0 adds that share of what a real spectrum adds, drawn from `seed` as for training stars.
    """
    rng = stream(Stream.HELD_OUT_REALISM, seed)
    masked = mask_projection(model.projection, np.ones(N_PIXELS, bool))
    grid = _with_physics(grid)
    labels = np.repeat(grid.labels[:, None], vbroad.shape[1], 1)
    labels[:, :, COLUMN["vbroad"]] = vbroad
    coefficients = np.empty((*vbroad.shape, model.projection.n_components), np.float32)
    for i in range(0, len(grid), _BATCH):
        some = slice(i, i + _BATCH)
        native = _synthesised(model.forward, grid.select(np.arange(len(grid))[some]))
        for d in range(vbroad.shape[1]):
            speed = torch.as_tensor(vbroad[some, d], dtype=torch.float32)
            coefficients[some, d] = _coefficients(model, masked, native, speed, realism, rng)
    return HeldOutStars(labels, coefficients, masked.noise, realism)


@torch.no_grad()
def _synthesised(forward: ForwardModel, grid: Grid) -> torch.Tensor:
    """Flux (n, m) of a grid's stars with the change that the model has learned, if any: grids are in LTE on ATLAS9."""
    flux, change = torch.from_numpy(grid.normalised()), forward.emulator.change
    return flux if change is None else flux + change.flux(torch.from_numpy(grid.labels[:, EMULATOR_COLUMNS]))


def _with_physics(grid: Grid) -> Grid:
    """The grid with a physics drawn from the prior for each of its stars, always the same."""
    labels = grid.labels.copy()
    for row, index in zip(labels, grid.index.tolist(), strict=True):
        row[PHYSICS_COLUMNS] = draw(1, stream(Stream.HELD_OUT_PHYSICS, 0, index))[0, PHYSICS_COLUMNS]
    return replace(grid, labels=labels)


@torch.no_grad()
def _coefficients(
    model: Model,
    masked: MaskedProjection,
    native: torch.Tensor,
    vbroad: torch.Tensor,
    realism: float,
    rng: np.random.Generator,
) -> NDArray:
    forward, n = model.forward, len(native)
    coefficients = _compressed(model, masked, _clean(forward, native, vbroad))
    if realism > 0:
        power = torch.as_tensor(rng.uniform(*RESOLVING_POWER_RANGE, n), dtype=torch.float32)
        velocity = torch.as_tensor(rng.uniform(-1, 1, n) * VELOCITY_ERROR_KMS, dtype=torch.float32)
        shifted = forward.to_pixels(broaden(native, forward.arms, vbroad, power, velocity)).numpy()
        real = (shifted + model_errors(shifted, rng)) * normalisation_errors(shifted, rng)
        coefficients = coefficients + realism * (_compressed(model, masked, real) - coefficients)
    return coefficients


def _clean(forward: ForwardModel, native: torch.Tensor, vbroad: torch.Tensor) -> NDArray:
    return forward.to_pixels(broaden(native, forward.arms, vbroad, torch.full((len(native),), RESOLVING_POWER))).numpy()


@torch.no_grad()
def held_out_pixels(model: Model, grid: Grid, vbroad: NDArray) -> NDArray:
    """Clean flux of every star of a grid with the rotations `vbroad` (n, d) [km/s] over its fitted continuum (n, d, N_PIXELS)."""
    grid = _with_physics(grid)
    out = np.empty((*vbroad.shape, N_PIXELS), np.float32)
    for i in range(0, len(grid), _BATCH):
        some = slice(i, i + _BATCH)
        native = _synthesised(model.forward, grid.select(np.arange(len(grid))[some]))
        for d in range(vbroad.shape[1]):
            flux = _clean(model.forward, native, torch.as_tensor(vbroad[some, d], dtype=torch.float32))
            out[some, d] = flux / fit_continuum(flux, np.ones(flux.shape, bool), model.templates.flux)
    return out


def _compressed(model: Model, masked: MaskedProjection, flux: NDArray) -> NDArray:
    continuum = fit_continuum(flux, np.broadcast_to(masked.good, flux.shape), model.templates.flux)
    return masked.coefficients(model.projection, flux / continuum)


def observe_held_out(model: Model, stars: HeldOutStars, snr: float, seed: int) -> Observation:
    """Observation of all versions of all stars, star by star (n * d, ...), with white noise of one S/N per Angstrom in both arms."""
    rng = stream(Stream.HELD_OUT_NOISE, seed, int(snr))
    clean = stars.coefficients.reshape(-1, stars.coefficients.shape[-1])
    noise = sum(rng.standard_normal(clean.shape) @ stars.noise[arm] for arm in range(len(ARMS)))
    n = len(clean)
    return Observation(
        _tensor(clean + noise * pixel_sigma(snr), model),
        _tensor(log_snr_input(np.full((n, len(ARMS)), snr)), model),
        _tensor(np.ones((n, N_COVERAGE)), model),
        _tensor(np.full(n, stars.realism), model),
    )


def evaluation_vbroad(n: int, draws: int, seed: int) -> NDArray:
    """Rotations (n, draws + 1) [km/s]: `draws` uniform in 1-100, as in the paper's tables, and one of the training prior."""
    rng = stream(Stream.HELD_OUT_ROTATION, seed)
    uniform = rng.uniform(1.0, 100.0, (n, draws))
    return np.concatenate([uniform, draw(n, rng)[:, [COLUMN["vbroad"]]]], 1)


def _tensor(array: NDArray, model: Model) -> torch.Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=model.device)


_HALF_WIDTH_ANGSTROM = 1.5
_SLOW_KMS = 2.0


def lithium_equivalent_width(forward: ForwardModel, labels: NDArray) -> NDArray:
    """Equivalent width [milli-Angstrom] (n,) of Li I 6707.8 in stars with labels (n, 29), rotation aside.

    The light that the star would gain if A(Li) were the lowest of the prior, where no line shows.
    """
    line = np.abs(WAVELENGTH - LITHIUM_ANGSTROM) < _HALF_WIDTH_ANGSTROM
    own = labels.copy()
    own[:, COLUMN["vbroad"]] = _SLOW_KMS
    without = own.copy()
    without[:, COLUMN["li_fe"]] = A_LI_LOW - SOLAR_A_LI - own[:, COLUMN["feh"]]
    width = np.empty(len(labels))
    for i in range(0, len(labels), _BATCH):
        part = slice(i, i + _BATCH)
        gained = forward.flux(without[part])[:, line] - forward.flux(own[part])[:, line]
        width[part] = gained.sum(1) * PIXEL_ANGSTROM * 1000
    return width
