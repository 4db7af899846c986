"""Lithium's 3D NLTE - 1D LTE correction as a small network of Kiel's own, learned from the published one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from ..synthesis.lithium import RANGE, LithiumCorrection, are_covered

_DRAWN, _HELD_OUT, _BATCH, _WIDTH = 400_000, 20_000, 1024, 48
_RATE, _UNIT = 8e-3, 0.1  # largest learning rate; of the answer [dex]
_REPORT, _POLISH, _POLISHED = 2000, 60, 30_000


@dataclass(frozen=True)
class CorrectionErrors:
    """Errors against the published network on stars that were not learned from: number, share within 0.01 dex, rms [dex]."""

    stars: int
    within_001: float
    rms: float


def draw_stars(n: int, seed: int) -> NDArray:
    """Stars (about 0.6 n, 4) that the published models surround: Teff [K], log g, [Fe/H], A_LTE, uniform."""
    low, high = np.array(RANGE).T
    x = low + (high - low) * np.random.default_rng(seed).random((n, 4))
    return x[are_covered(x[:, :3])]


def learn_correction(
    published: Callable[[NDArray], NDArray], steps: int, seed: int, report: Callable[[str], None] = lambda text: None
) -> tuple[LithiumCorrection, CorrectionErrors]:
    """Network of two layers of 48 with tanh, by Adam on uniform draws over the published range, then L-BFGS; the same for a seed."""
    stars = draw_stars(_DRAWN, seed)
    low, high = np.array(RANGE).T
    x = torch.tensor(2 * (stars - low) / (high - low) - 1, dtype=torch.float32)
    y = torch.tensor(published(stars) / _UNIT, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    sizes = (4, _WIDTH, _WIDTH, 1)
    layers = []
    for inputs, outputs in pairwise(sizes):
        weight = torch.randn(outputs, inputs, generator=generator) / inputs**0.5
        layers += [torch.nn.Parameter(weight), torch.nn.Parameter(torch.zeros(outputs))]
    optimiser = torch.optim.Adam(layers, lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
    for step in range(1, steps + 1):
        chosen = torch.randint(_HELD_OUT, len(x), (_BATCH,), generator=generator)
        loss = ((_forward(layers, x[chosen]) - y[chosen]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % _REPORT == 0:
            report(f"step {step} of {steps}: rms {_UNIT * float(loss.detach()) ** 0.5:.4f} dex")
    layers = _polish(layers, x[_HELD_OUT : _HELD_OUT + _POLISHED], y[_HELD_OUT : _HELD_OUT + _POLISHED])
    arrays = [layer.detach().numpy().astype(float) for layer in layers]
    correction = LithiumCorrection((*arrays[:4], _UNIT * arrays[4], _UNIT * arrays[5]))
    error = np.abs(correction.at(stars[:_HELD_OUT]) - published(stars[:_HELD_OUT]))
    return correction, CorrectionErrors(_HELD_OUT, float((error <= 0.01).mean()), float(np.sqrt((error**2).mean())))


def _polish(layers: list[torch.nn.Parameter], x: torch.Tensor, y: torch.Tensor) -> list[torch.nn.Parameter]:
    """Layers, in double precision, after L-BFGS on all of some stars: it finds what Adam's noise hides."""
    double = [torch.nn.Parameter(layer.detach().double()) for layer in layers]
    x, y = x.double(), y.double()
    optimiser = torch.optim.LBFGS(double, max_iter=_POLISH, history_size=30, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = ((_forward(double, x) - y) ** 2).mean()
        value.backward()
        return value

    optimiser.step(loss)
    return double


def _forward(layers: list[torch.nn.Parameter], x: torch.Tensor) -> torch.Tensor:
    w0, b0, w1, b1, w2, b2 = layers
    return (torch.tanh(torch.tanh(x @ w0.T + b0) @ w1.T + b1) @ w2.T + b2)[:, 0]
