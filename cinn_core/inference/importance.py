"""Importance sampling: the flow's samples weighed by prior and likelihood, and a second proposal where they fall short.

The likelihood also needs the 13 elements that the flow integrated out. Each sample is extended by a draw of these from
a Gaussian, one Gauss-Newton step from the mode: N(n, (J^T C^-1 J + I)^-1) in prior coordinates. Weights are
prior x likelihood over flow x proposal. In an adaptive round a Student-t fitted to the weighted samples joins, and all
samples are weighed against the mixture (the balance heuristic of Veach & Guibas 1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln

from ..model import Model
from ..prior import N_LABELS, from_z, inside
from ..stages import Importance, PosteriorSamples
from .likelihood import Likelihood, make_likelihood
from .network import N_TARGETS, Observation
from .pareto import pareto_k
from .projection import MaskedProjection
from .summary import summarise
from .weighted import effective_samples, from_log, normalised

MAX_ROUNDS = 2
ENOUGH = 0.2
"""Efficiency from which no adaptive round is made."""
LEAST_EFFICIENCY, LARGEST_K = 0.01, 0.7
"""Beyond these the weights are shown as failed."""
_N_NUISANCES = N_LABELS - N_TARGETS
_GAUSS_NEWTON_STEPS = 3
_LARGEST_STEP = 1.5
_FREEDOM = 6.0
_LAPLACE_SAMPLES = 60.0


@dataclass(frozen=True, eq=False)
class _Nuisances:
    """Gaussian proposal of the nuisances given the targets: precision (13, 13) and slopes (r, 13) of the whitened model."""

    start: NDArray
    slopes: NDArray
    precision: NDArray

    def means(self, likelihood: Likelihood, z: NDArray) -> NDArray:
        """Means (n, 13) for targets z (n, 13): one Gauss-Newton step from `start` with each sample's own residual."""
        full = np.concatenate([z, np.broadcast_to(self.start, (len(z), _N_NUISANCES))], 1)
        gradient = likelihood.residuals(full) @ self.slopes + self.start @ (self.precision - np.eye(_N_NUISANCES))
        return np.linalg.solve(self.precision, gradient.T).T

    def log_density(self, n: NDArray, means: NDArray) -> NDArray:
        return _log_normal(n - means, self.precision)


@dataclass(frozen=True, eq=False)
class _StudentT:
    """Multivariate Student-t over all 26 coordinates: centre (26,), root (26, 26) of the scale matrix."""

    centre: NDArray
    root: NDArray

    def draw(self, n: int, rng: np.random.Generator) -> NDArray:
        chi = rng.chisquare(_FREEDOM, n) / _FREEDOM
        return self.centre + rng.standard_normal((n, N_LABELS)) @ self.root.T / np.sqrt(chi)[:, None]

    def log_density(self, z: NDArray) -> NDArray:
        d = N_LABELS
        scaled = np.linalg.solve(self.root, (z - self.centre).T)
        constant = gammaln((_FREEDOM + d) / 2) - gammaln(_FREEDOM / 2) - 0.5 * d * np.log(_FREEDOM * np.pi)
        log_root = np.log(np.abs(np.diag(self.root))).sum()
        return constant - log_root - 0.5 * (_FREEDOM + d) * np.log1p((scaled**2).sum(0) / _FREEDOM)


def weigh(
    seen: Observation,
    masked: MaskedProjection,
    posterior: PosteriorSamples,
    model: Model,
    seed: int = 0,
    rounds: int = MAX_ROUNDS,
) -> Importance:
    """The weighted posterior of one observation; at most `rounds` adaptive rounds, none where the flow is close enough."""
    rng = np.random.default_rng([seed, 8])
    likelihood = make_likelihood(seen, masked, model, posterior.map_z)
    nuisances, laplace = _gauss_newton(likelihood, posterior.map_z)
    z13 = posterior.z
    means = nuisances.means(likelihood, z13)
    root = np.linalg.cholesky(np.linalg.inv(nuisances.precision))
    n = means + rng.standard_normal((len(z13), _N_NUISANCES)) @ root.T
    z = np.concatenate([z13, n], 1)
    target = _log_target(likelihood, z)
    kept = np.log1p(-min(posterior.rejected_fraction, 0.999))  # the flow without the samples that were left out
    given = nuisances.log_density(n, means)
    flow, proposals = posterior.log_density - kept + given, []
    log_proposal, log_weights = flow, target - flow
    while len(proposals) < rounds and _efficiency(log_weights) < ENOUGH:
        proposals.append(_fit_student(z, log_weights, laplace))
        new = proposals[-1].draw(len(z13), rng)
        own = nuisances.log_density(new[:, N_TARGETS:], nuisances.means(likelihood, new[:, :N_TARGETS]))
        own_flow = _flow_density(seen, model, new[:, :N_TARGETS]) - kept + own
        z, given, flow = (np.concatenate(pair) for pair in ((z, new), (given, own), (flow, own_flow)))
        target = np.concatenate([target, _log_target(likelihood, new)])
        densities = np.stack([flow, *(p.log_density(z) for p in proposals)])
        log_proposal = np.logaddexp.reduce(densities, 0) - np.log(len(densities))
        log_weights = target - log_proposal
    return _result(z[:, :N_TARGETS], log_proposal - given, log_weights, posterior, len(proposals))


def _result(
    z: NDArray, log_density: NDArray, log_weights: NDArray, posterior: PosteriorSamples, rounds: int
) -> Importance:
    """The outcome for z (n, 13) of proposal density exp(log_density), the nuisances' share divided out."""
    if np.isfinite(log_weights).any():
        effective, k = effective_samples(from_log(log_weights), len(z)), pareto_k(log_weights)
        failed = not (k <= LARGEST_K and effective / len(z) >= LEAST_EFFICIENCY)
    else:
        effective, k, failed, log_weights = 0.0, float("nan"), True, np.zeros(len(z))
    labels, weights = from_z(z), from_log(log_weights)
    left_out = (posterior.map_z, posterior.rejected_fraction, posterior.seed)
    kept = weights > 0
    summary = summarise(PosteriorSamples(labels[kept], z[kept], log_density[kept], *left_out), weights[kept])
    share = effective / len(z)
    return Importance(labels, z, log_density, log_weights, effective, share, k, rounds, failed, summary)


def _gauss_newton(likelihood: Likelihood, map_z: NDArray) -> tuple[_Nuisances, tuple[NDArray, NDArray]]:
    """Proposal of the nuisances at the mode, and centre and covariance of the Gaussian approximation over all labels."""
    z = np.concatenate([map_z, np.zeros(_N_NUISANCES)])
    for _ in range(_GAUSS_NEWTON_STEPS):
        slopes = likelihood.slopes(z)
        own = slopes[:, N_TARGETS:]
        precision = own.T @ own + np.eye(_N_NUISANCES)
        residual = likelihood.residuals(z[None])[0]
        step = np.linalg.solve(precision, own.T @ residual - z[N_TARGETS:])
        z[N_TARGETS:] += np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
    slopes = likelihood.slopes(z)
    own = slopes[:, N_TARGETS:]
    full = slopes.T @ slopes + np.eye(N_LABELS)
    nuisances = _Nuisances(z[N_TARGETS:].copy(), own, own.T @ own + np.eye(_N_NUISANCES))
    return nuisances, (z, np.linalg.inv(full))


def _fit_student(z: NDArray, log_weights: NDArray, laplace: tuple[NDArray, NDArray]) -> _StudentT:
    """Student-t with the weighted mean and covariance of z (n, 26), drawn to the Gaussian approximation where few samples count."""
    w = normalised(from_log(log_weights), len(z))
    effective = effective_samples(w, len(z))
    centre = w @ z
    off = z - centre
    covariance = (off * w[:, None]).T @ off
    share = effective / (effective + _LAPLACE_SAMPLES)
    blend = share * covariance + (1 - share) * laplace[1]
    return _StudentT(centre, np.linalg.cholesky(blend + 1e-12 * np.eye(N_LABELS)))


def _log_target(likelihood: Likelihood, z: NDArray) -> NDArray:
    """Log prior + log likelihood (n,) for z (n, 26), up to a constant; -inf where the prior is zero."""
    with np.errstate(over="ignore"):
        out = likelihood.log_likelihood(z) - 0.5 * (z**2).sum(1) - 0.5 * N_LABELS * np.log(2 * np.pi)
    return np.where(inside(from_z(z)) & np.isfinite(out), out, -np.inf)


@torch.no_grad()
def _flow_density(seen: Observation, model: Model, z: NDArray) -> NDArray:
    condition = model.network.embedding(seen)
    moved = torch.as_tensor(z, dtype=torch.float32, device=model.device)
    return model.network.log_density(moved, condition.expand(len(moved), -1)).cpu().numpy().astype(float)


def _efficiency(log_weights: NDArray) -> float:
    if not np.isfinite(log_weights).any():
        return 0.0
    return effective_samples(from_log(log_weights), len(log_weights)) / len(log_weights)


def _log_normal(off: NDArray, precision: NDArray) -> NDArray:
    _, log_determinant = np.linalg.slogdet(precision)
    squares = np.einsum("ni,ij,nj->n", off, precision, off)
    return 0.5 * log_determinant - 0.5 * off.shape[1] * np.log(2 * np.pi) - 0.5 * squares
