"""A proposal of the 13 nuisance elements given the targets: one element after another, each from its own density on a grid.

What each element does to the spectrum is tabulated at the mode, and what several do is taken to add up. Elements not yet
drawn are integrated out as if linear, with their N(0, 1) prior; so what is broad and bent is drawn first, what is narrow
last. Between nodes the log density is linear, so draws and densities are exact whatever the table leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..prior import N_LABELS, N_TARGETS
from .likelihood import Likelihood

N_NUISANCES = N_LABELS - N_TARGETS
_NEWTON_STEPS = 3
_LARGEST_STEP = 1.5
_NODES = 25
_REACH = 6.0
"""Nodes reach so many standard deviations from the mode, and no further than `_EDGE` from the middle of the prior."""
_EDGE = 5.0


@dataclass(frozen=True, eq=False)
class _Element:
    """One element's step: column among the nuisances, nodes (k,) in z, response (k, r) of the whitened model there.

    The log density at the nodes for residuals (n, r) of the model without the element is residuals @ slopes.T + constant,
    with slopes (k, r) and constant (k,), up to what does not depend on the element.
    """

    column: int
    nodes: NDArray
    response: NDArray
    slopes: NDArray
    constant: NDArray


@dataclass(frozen=True, eq=False)
class NuisanceProposal:
    """At one mode: where the nuisances stand there (13,), and the steps in the order in which elements are drawn."""

    likelihood: Likelihood
    start: NDArray
    elements: tuple[_Element, ...]

    def draw(self, z: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        """Nuisances (n, 13) for targets z (n, 13), and their log density (n,)."""
        full = np.concatenate([z, np.broadcast_to(self.start, (len(z), N_NUISANCES))], 1)
        residuals = self.likelihood.residuals(full)
        drawn, log_density = np.empty((len(z), N_NUISANCES)), np.zeros(len(z))
        for element in self.elements:
            at_nodes = residuals @ element.slopes.T + element.constant
            cell, share, density = draw_between(element.nodes, at_nodes, rng.random((2, len(z))))
            log_density += density
            low, high = element.nodes[cell], element.nodes[cell + 1]
            drawn[:, element.column] = low + share * (high - low)
            below, above = element.response[cell], element.response[cell + 1]
            residuals -= below + share[:, None] * (above - below)
        return drawn, log_density


def draw_between(nodes: NDArray, log_density: NDArray, uniform: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """One draw a row from densities (n, k) whose logarithm is linear between nodes (k,); `uniform` (2, n) in 0-1.

    Returns the cell (n,), the share (n,) of it below the draw and the normalised log density (n,) there.
    """
    level = log_density - log_density.max(1, keepdims=True)
    rise = np.diff(level)
    flat = np.abs(rise) < 1e-6
    safe = np.where(flat, 1.0, rise)
    height = np.where(flat, np.exp(level[:, :-1]), (np.exp(level[:, 1:]) - np.exp(level[:, :-1])) / safe)
    cumulative = np.cumsum(height * np.diff(nodes), 1)
    total = cumulative[:, -1]
    cell = np.minimum((cumulative < (uniform[0] * total)[:, None]).sum(1), len(nodes) - 2)
    rows = np.arange(len(level))
    r, v = rise[rows, cell], uniform[1]
    falling = np.minimum(-np.abs(r), -1e-12)  # a rising cell is a falling one seen from its other end
    share = np.log1p(np.where(r > 0, 1 - v, v) * np.expm1(falling)) / falling
    share = np.where(np.abs(r) < 1e-6, v, np.where(r > 0, 1 - share, share))
    return cell, share, level[rows, cell] + share * r - np.log(total)


def nuisance_proposal(likelihood: Likelihood, map_z: NDArray) -> NuisanceProposal:
    """The proposal at the mode (13,) of the targets."""
    z = np.concatenate([map_z, np.zeros(N_NUISANCES)])
    for _ in range(_NEWTON_STEPS):
        own = likelihood.slopes(z)[:, N_TARGETS:]
        gradient = own.T @ likelihood.residuals(z[None])[0] - z[N_TARGETS:]
        step = np.linalg.solve(own.T @ own + np.eye(N_NUISANCES), gradient)
        z[N_TARGETS:] += np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
    own, start = likelihood.slopes(z)[:, N_TARGETS:], z[N_TARGETS:].copy()
    sigma = np.sqrt(np.diag(np.linalg.inv(own.T @ own + np.eye(N_NUISANCES))))
    order, at_mode = np.argsort(-sigma), likelihood.residuals(z[None])
    elements = tuple(
        _element(likelihood, z, at_mode, own, sigma[column], column, order[i + 1 :]) for i, column in enumerate(order)
    )
    return NuisanceProposal(likelihood, start, elements)


def _element(
    likelihood: Likelihood, z: NDArray, at_mode: NDArray, own: NDArray, sigma: float, column: int, later: NDArray
) -> _Element:
    """The step of one element beside the mode z (26,), whose residuals are `at_mode` (1, r).

    `later` elements are integrated out: their slopes, of `own` (r, 13), become part of the noise.
    """
    start = z[N_TARGETS:]
    centre = np.clip(start[column], -_EDGE + sigma, _EDGE - sigma)
    nodes = np.linspace(max(centre - _REACH * sigma, -_EDGE), min(centre + _REACH * sigma, _EDGE), _NODES)
    moved = np.repeat(z[None], _NODES, 0)
    moved[:, N_TARGETS + column] = nodes
    response = at_mode - likelihood.residuals(moved)
    blurred = own[:, later]
    inside = np.linalg.solve(np.eye(len(later)) + blurred.T @ blurred, blurred.T)
    slopes = response - (response @ blurred) @ inside
    constant = slopes @ (blurred @ start[later]) - 0.5 * (slopes * response).sum(1) - 0.5 * nodes**2
    return _Element(int(column), nodes, response, slopes, constant)
