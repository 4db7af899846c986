"""Learns what NLTE changes in spectra from stars computed both ways, and measures it on stars that took no part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..forward_model.kernels import emulator_inputs, matern52
from ..forward_model.nlte_change import ChangeBlock, NlteChange
from ..nlte.flux_change import in_windows
from ..nlte.lines import LINES
from ..synthesis.engine import grid_wavelength
from ..targets import SYNTHESIS_NAMES
from .grid_data import TEST, VALIDATION
from .nlte_change_stars import ChangedStars

_FIRST_RATIO = 5  # of SYNTHESIS_NAMES that the emulator's inputs take as they are, from input 6 on
_ATMOSPHERE = (0, 1, 2, 3, 4)  # Teff, log g, [Fe/H], vmic, [alpha/Fe]
_A_LI = 5
_TRIPLET, _WIDE, _NARROW = 5190.0, 4.0, 0.6  # lines below it are the Mg triplet; half widths [Angstrom] of their widths


def _ratio(name: str) -> int:
    return 6 + SYNTHESIS_NAMES.index(name) - _FIRST_RATIO


INPUTS: dict[str, tuple[int, ...]] = {
    "Mg": (*_ATMOSPHERE, _ratio("mg_fe"), _ratio("ca_fe")),
    "Ca": (*_ATMOSPHERE, _ratio("ca_fe")),
    "Li": (*_ATMOSPHERE, _A_LI, _ratio("ca_fe")),
}
"""Columns of the emulator's inputs that the change of each element's windows depends on."""


@dataclass(frozen=True)
class ChangeSettings:
    """Components an element, steps and learning rate of the marginal likelihood."""

    components: int = 12
    steps: int = 150
    learning_rate: float = 0.1


def held_out(stars: ChangedStars) -> NDArray:
    """Which stars (n,) are only reported on: test and validation stars, a fifth of all."""
    return np.isin(stars.index % 10, (TEST, VALIDATION))


def learn_change(stars: ChangedStars, elements: tuple[str, ...], settings: ChangeSettings) -> NlteChange:
    """The change of some elements' windows, learned from the stars that are not held out."""
    train = ~held_out(stars)
    x = emulator_inputs(torch.from_numpy(stars.labels[train]).double())
    blocks = {}
    for element in elements:
        pixels = np.flatnonzero(in_windows((element,)))
        blocks[element] = _learn_block(
            x, stars.change[train][:, pixels].astype(float), pixels, INPUTS[element], settings
        )
    return NlteChange(blocks, stars.change.shape[1])


def _learn_block(
    x: Tensor, change: NDArray, pixels: NDArray, inputs: tuple[int, ...], settings: ChangeSettings
) -> ChangeBlock:
    """Components of the change (n, p) and their regression; far from all stars the change goes to 0."""
    _, _, rows = np.linalg.svd(change, full_matrices=False)
    basis = torch.from_numpy(rows[: settings.components].astype(np.float32)).half()
    y = torch.from_numpy(change) @ basis.double().T
    anchors = x[:, list(inputs)]
    scales, noise = _learn_scales(anchors, y, settings)
    matrix = matern52(anchors, anchors, scales) + noise * torch.eye(len(anchors), dtype=torch.float64)
    return ChangeBlock(
        torch.tensor(inputs), scales, anchors, torch.linalg.solve(matrix, y), basis.float(), torch.from_numpy(pixels)
    )


def _learn_scales(anchors: Tensor, y: Tensor, settings: ChangeSettings) -> tuple[Tensor, float]:
    """Inverse lengths (d,) and noise, relative to the signal, of highest marginal likelihood; amplitudes profiled out."""
    logs = [
        torch.nn.Parameter(torch.full((anchors.shape[1],), -0.7, dtype=torch.float64)),
        torch.nn.Parameter(torch.tensor(-6.0, dtype=torch.float64)),
    ]
    optimiser = torch.optim.Adam(logs, lr=settings.learning_rate)
    identity = torch.eye(len(anchors), dtype=torch.float64)
    y = y / y.std(0).clamp_min(1e-12)
    for _ in range(settings.steps):
        factor = torch.linalg.cholesky(matern52(anchors, anchors, logs[0].exp()) + logs[1].exp() * identity)
        amplitude = (y * torch.cholesky_solve(y, factor)).mean(0)
        loss = 0.5 * amplitude.log().mean() + factor.diagonal().log().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return logs[0].detach().exp(), float(logs[1].detach().exp())


@dataclass(frozen=True)
class ChangeError:
    """Held-out stars of an element's windows or of one line: rms of the change and of its error.

    In flux over continuum at R = 60 000 where `wavelength` is NaN, else of the line's equivalent width [mA].
    """

    element: str
    wavelength: float
    change: float
    error: float


def change_errors(change: NlteChange, stars: ChangedStars) -> list[ChangeError]:
    """What the change misses in the held-out stars: in flux, window by window, and in equivalent width, line by line."""
    test = held_out(stars)
    truth = stars.change[test].astype(float)
    made = change.flux(torch.from_numpy(stars.labels[test])).double().numpy()
    wavelength, out = grid_wavelength(), []
    for element in change.blocks:
        inside = in_windows((element,))
        out.append(ChangeError(element, float("nan"), _rms(truth[:, inside]), _rms((made - truth)[:, inside])))
    for line in (line for line in LINES if line.element in change.blocks):
        width = _WIDE if line.wavelength < _TRIPLET and line.element == "Mg" else _NARROW
        near = np.abs(wavelength - line.wavelength) < width
        widths = (-1e3 * np.trapezoid(x[:, near], wavelength[near], axis=1) for x in (truth, made - truth))
        out.append(ChangeError(line.element, line.wavelength, *(_rms(w) for w in widths)))
    return out


def _rms(x: NDArray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def described(errors: list[ChangeError]) -> Mapping[str, Mapping[str, float]]:
    """The errors by name, for the card."""
    return {
        f"{e.element} I {e.wavelength:.2f} mA" if np.isfinite(e.wavelength) else f"{e.element} flux": {
            "change_rms": e.change,
            "error_rms": e.error,
        }
        for e in errors
    }
