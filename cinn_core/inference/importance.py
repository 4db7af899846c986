"""Importance sampling: the flow's samples weighed by prior and likelihood, and a second proposal where they fall short.

The likelihood also needs the 13 elements and the physics that the flow integrated out. Each sample is extended by a draw of
these from a proposal in which one after the other is drawn given those before (`NuisanceProposal`). Weights are prior x
likelihood over flow x proposal. In an adaptive round a Student-t fitted to the weighted targets joins the flow, its
samples extended by the same proposal, and all are weighed against the mixture (the balance heuristic of Veach & Guibas
1995). Samples are drawn a part at a time, and no more than are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln

from ..prior import N_LABELS, N_TARGETS, from_z, inside
from ..random_streams import Stream, stream
from ..stages import Importance, PosteriorSamples
from .likelihood import Likelihood, make_likelihood
from .model import Model
from .network import Observation
from .projection import MaskedProjection
from .summary import summarise
from .weighted import effective_samples, from_log, normalised, pareto_k

MAX_ROUNDS = 2
ENOUGH = 0.2
"""Efficiency from which no adaptive round is made, and effective samples, as a share of the flow's, that are enough."""
_PARTS, _SMALLEST_PART = 4, 256
LEAST_EFFICIENCY, LARGEST_K = 0.01, 0.7
"""Beyond these the weights are reported as failed."""
_FREEDOM = 6.0
_LAPLACE_SAMPLES = 60.0
_NEWTON_STEPS = 6
_STEP_SHARES = (1.0, 0.5, 0.25, 0.1)
_LEAST_RISE = 0.05


@dataclass(frozen=True, eq=False)
class _StudentT:
    """Multivariate Student-t over the targets' coordinates: centre (13,), root (13, 13) of the scale matrix."""

    centre: NDArray
    root: NDArray

    def draw(self, n: int, rng: np.random.Generator) -> NDArray:
        chi = rng.chisquare(_FREEDOM, n) / _FREEDOM
        return self.centre + rng.standard_normal((n, N_TARGETS)) @ self.root.T / np.sqrt(chi)[:, None]

    def log_prob(self, z: NDArray) -> NDArray:
        d = N_TARGETS
        scaled = np.linalg.solve(self.root, (z - self.centre).T)
        constant = gammaln((_FREEDOM + d) / 2) - gammaln(_FREEDOM / 2) - 0.5 * d * np.log(_FREEDOM * np.pi)
        log_root = np.log(np.abs(np.diag(self.root))).sum()
        return constant - log_root - 0.5 * (_FREEDOM + d) * np.log1p((scaled**2).sum(0) / _FREEDOM)


def weigh(
    observation: Observation,
    masked: MaskedProjection,
    posterior: PosteriorSamples,
    model: Model,
    seed: int = 0,
    rounds: int = MAX_ROUNDS,
) -> Importance:
    """The weighted posterior of one observation; at most `rounds` adaptive rounds, none where the flow is close enough.

    Samples are taken a part at a time, until they are worth a fifth of the flow's.
    """
    rng = stream(Stream.IMPORTANCE, seed)
    likelihood = make_likelihood(observation, masked, model, posterior.map_z)
    nuisances = nuisance_proposal(likelihood, posterior.map_z)
    kept = np.log1p(-min(posterior.rejected_fraction, 0.999))  # the flow without the samples that were left out

    def weighed(z: NDArray, flow: NDArray) -> _Weighed:
        """Samples z (n, 13), with prior x likelihood over the density of the nuisances drawn for them."""
        drawn, density = nuisances.draw(z, rng)
        return _Weighed(z, _log_target(likelihood, np.concatenate([z, drawn], 1)) - density, flow - kept)

    n = len(posterior.z)
    part, laplace = max(n // _PARTS, min(n, _SMALLEST_PART)), None
    samples = weighed(posterior.z[:part], posterior.log_prob[:part])
    students: list[_StudentT] = []
    drawn_from = [part]  # the flow, then each Student-t
    while True:
        log_proposal = _mixture(samples, students, drawn_from)
        log_weights = samples.log_target - log_proposal
        efficiency = _efficiency(log_weights)
        if efficiency * len(log_weights) >= ENOUGH * n or len(log_weights) >= n * (1 + rounds):
            break
        if not students and len(log_weights) < n and (efficiency >= ENOUGH or not rounds):
            some = slice(len(log_weights), len(log_weights) + part)
            more = weighed(posterior.z[some], posterior.log_prob[some])
        else:
            if len(students) < rounds:
                laplace = laplace or _laplace(likelihood, np.concatenate([posterior.map_z, nuisances.start]))
                students.append(_fit_student(samples.z, log_weights, laplace))
                drawn_from.append(0)
            new = students[-1].draw(part, rng)
            more = weighed(new, _flow_density(observation, model, new))
        drawn_from[-1] += len(more.z)
        samples = samples.joined(more)
    return _result(samples.z, log_proposal, log_weights, posterior, len(students))


@dataclass(frozen=True, eq=False)
class _Weighed:
    """Samples z (n, 13) with log_target (n,), of prior x likelihood over the nuisances' density, and the flow's log density (n,)."""

    z: NDArray
    log_target: NDArray
    flow: NDArray

    def joined(self, more: _Weighed) -> _Weighed:
        """These samples, then more of them."""
        return _Weighed(*(np.concatenate(pair) for pair in zip(vars(self).values(), vars(more).values(), strict=True)))


def _mixture(samples: _Weighed, students: list[_StudentT], drawn_from: list[int]) -> NDArray:
    """Log density (n,) of the mixture of the flow and all Student-t, each with the share of samples drawn from it."""
    logs = [samples.flow, *(student.log_prob(samples.z) for student in students)]
    shares = np.log(np.array(drawn_from) / len(samples.z))
    return np.logaddexp.reduce([share + log for share, log in zip(shares, logs, strict=True)], 0)


def _result(
    z: NDArray, log_prob: NDArray, log_weights: NDArray, posterior: PosteriorSamples, rounds: int
) -> Importance:
    """Result for z (n, 13) of proposal density exp(log_prob)."""
    if np.isfinite(log_weights).any():
        effective, k = effective_samples(from_log(log_weights), len(z)), pareto_k(log_weights)
        failed = not (k <= LARGEST_K and effective / len(z) >= LEAST_EFFICIENCY)
    else:
        effective, k, failed, log_weights = 0.0, float("nan"), True, np.zeros(len(z))
    labels, weights = from_z(z), from_log(log_weights)
    left_out = (posterior.map_z, posterior.rejected_fraction, posterior.seed)
    kept = weights > 0
    summary = summarise(PosteriorSamples(labels[kept], z[kept], log_prob[kept], *left_out), weights[kept])
    share = effective / len(z)
    return Importance(labels, z, log_prob, log_weights, effective, share, k, rounds, failed, summary)


def _laplace(likelihood: Likelihood, z: NDArray) -> tuple[NDArray, NDArray]:
    """Mean (13,) and covariance (13, 13) of the targets where prior x likelihood is largest, by Gauss-Newton from z (29,)."""
    level, slopes = _log_target(likelihood, z[None])[0], likelihood.jacobian(z)
    for _ in range(_NEWTON_STEPS):
        precision = slopes.T @ slopes + np.eye(N_LABELS)
        step = np.linalg.solve(precision, slopes.T @ likelihood.residuals(z[None])[0] - z)
        tried = z + np.outer(_STEP_SHARES, np.clip(step, -1, 1))
        levels = _log_target(likelihood, tried)
        best = levels.argmax()
        if not levels[best] > level + _LEAST_RISE:
            break
        z, level = tried[best], levels[best]
        slopes = likelihood.jacobian(z)
    covariance = np.linalg.inv(slopes.T @ slopes + np.eye(N_LABELS))
    return z[:N_TARGETS], covariance[:N_TARGETS, :N_TARGETS]


def _fit_student(z: NDArray, log_weights: NDArray, laplace: tuple[NDArray, NDArray]) -> _StudentT:
    """Student-t with the weighted mean and covariance of z (n, 13), drawn to the Gaussian approximation where few samples count."""
    w = normalised(from_log(log_weights), len(z))
    effective = effective_samples(w, len(z))
    share = effective / (effective + _LAPLACE_SAMPLES)
    mean = w @ z
    off = z - mean
    centre = share * mean + (1 - share) * laplace[0]
    blend = share * (off * w[:, None]).T @ off + (1 - share) * laplace[1]
    return _StudentT(centre, np.linalg.cholesky(blend + 1e-12 * np.eye(N_TARGETS)))


def _log_target(likelihood: Likelihood, z: NDArray) -> NDArray:
    """Log prior + log likelihood (n,) for z (n, 29), up to a constant; -inf where the prior is zero."""
    with np.errstate(over="ignore"):
        out = likelihood.log_likelihood(z) - 0.5 * (z**2).sum(1) - 0.5 * N_LABELS * np.log(2 * np.pi)
    return np.where(inside(from_z(z)) & np.isfinite(out), out, -np.inf)


@torch.no_grad()
def _flow_density(observation: Observation, model: Model, z: NDArray) -> NDArray:
    condition = model.network.embedding(observation)
    moved = torch.as_tensor(z, dtype=torch.float32, device=model.device)
    return model.network.log_prob(moved, condition.expand(len(moved), -1)).cpu().numpy().astype(float)


def _efficiency(log_weights: NDArray) -> float:
    if not np.isfinite(log_weights).any():
        return 0.0
    return effective_samples(from_log(log_weights), len(log_weights)) / len(log_weights)


N_NUISANCES = N_LABELS - N_TARGETS
_PROPOSAL_NEWTON_STEPS = 3
_LARGEST_STEP = 1.5
_NODES = 25
_REACH = 6.0
"""Nodes reach so many standard deviations from the MAP, and no further than `_EDGE` from the middle of the prior."""
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
    """Proposal of the nuisance elements at one MAP: their values there (16,), and steps in the order in which they are drawn."""

    likelihood: Likelihood
    start: NDArray
    elements: tuple[_Element, ...]

    def draw(self, z: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        """Nuisances (n, 16) for targets z (n, 13), and their log density (n,)."""
        full = np.concatenate([z, np.broadcast_to(self.start, (len(z), N_NUISANCES))], 1)
        residuals = self.likelihood.residuals(full)
        drawn, log_prob = np.empty((len(z), N_NUISANCES)), np.zeros(len(z))
        for element in self.elements:
            at_nodes = residuals @ element.slopes.T + element.constant
            cell, share, density = draw_between(element.nodes, at_nodes, rng.random((2, len(z))))
            log_prob += density
            low, high = element.nodes[cell], element.nodes[cell + 1]
            drawn[:, element.column] = low + share * (high - low)
            below, above = element.response[cell], element.response[cell + 1]
            residuals -= below + share[:, None] * (above - below)
        return drawn, log_prob


def draw_between(nodes: NDArray, log_prob: NDArray, uniform: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """One draw a row from densities (n, k) whose logarithm is linear between nodes (k,); `uniform` (2, n) in 0-1.

    Returns the cell (n,), the share (n,) of it below the draw and the normalised log density (n,) there.
    """
    level = log_prob - log_prob.max(1, keepdims=True)
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
    """Proposal of the nuisance elements at the MAP (13,) of the targets."""
    z = np.concatenate([map_z, np.zeros(N_NUISANCES)])
    for _ in range(_PROPOSAL_NEWTON_STEPS):
        own = likelihood.jacobian(z)[:, N_TARGETS:]
        gradient = own.T @ likelihood.residuals(z[None])[0] - z[N_TARGETS:]
        step = np.linalg.solve(own.T @ own + np.eye(N_NUISANCES), gradient)
        z[N_TARGETS:] += np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
    own, start = likelihood.jacobian(z)[:, N_TARGETS:], z[N_TARGETS:].copy()
    sigma = np.sqrt(np.diag(np.linalg.inv(own.T @ own + np.eye(N_NUISANCES))))
    order = np.lexsort((-sigma, ~own.any(0)))  # the least known first, what the model does not know last
    at_mode = likelihood.residuals(z[None])
    elements = tuple(
        _element(likelihood, z, at_mode, own, sigma[column], column, order[i + 1 :]) for i, column in enumerate(order)
    )
    return NuisanceProposal(likelihood, start, elements)


def _element(
    likelihood: Likelihood, z: NDArray, at_mode: NDArray, own: NDArray, sigma: float, column: int, later: NDArray
) -> _Element:
    """Step of one element beside the MAP z (29,), whose residuals are `at_mode` (1, r).

    `later` elements are integrated out: their slopes, of `own` (r, 16), become part of the noise.
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
