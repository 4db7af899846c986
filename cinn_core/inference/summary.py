"""Numbers from samples: MAP, the paper's MAP, mean, median, highest-density intervals and status of every target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ..prior import from_z, log_dz_dlabel
from ..stages import Derived, PosteriorSamples, Status, Summary, TargetSummary
from ..synthesis.abundances import ATOMIC_NUMBER, SOLAR_ABUNDANCES
from ..targets import COLUMN, TARGETS
from .weighted import marginal, normalised, weighted_quantile


def summarise(posterior: PosteriorSamples, weights: NDArray | None = None) -> Summary:
    """Summary of a posterior; `map` is the maximum in prior coordinates, `map_paper` the paper's choice.

    With weights (n,) of its samples both are samples: those of highest density times weight, so `map` scatters by a
    third of the 68 % interval where the mode of the posterior itself does not.
    """
    n = len(posterior.labels)
    log_weights = np.zeros(n) if weights is None else _log(normalised(weights, n))
    at_mode = np.argmax(posterior.log_prob + log_weights)
    mode = from_z(posterior.map_z[None])[0] if weights is None else posterior.labels[at_mode]
    paper = posterior.labels[np.argmax(paper_log_prob(posterior.labels, posterior.log_prob) + log_weights)]
    targets = {}
    for i, target in enumerate(TARGETS):
        x = posterior.labels[:, i]
        m = marginal(x, weights)
        status, limit95 = status_of(posterior.z[:, i], x, weights)
        targets[target.name] = TargetSummary(
            float(mode[i]),
            float(paper[i]),
            m.mean,
            m.median,
            *m.interval68,
            *m.interval95,
            target.unit,
            status,
            limit95,
        )
    return Summary(targets, derive(posterior.labels, weights), correlations(posterior.labels, weights))


def _log(weights: NDArray) -> NDArray:
    with np.errstate(divide="ignore"):
        return np.log(weights)


def paper_log_prob(labels: NDArray, log_prob: NDArray) -> NDArray:
    """Log density (n,) of samples over log10 Teff, log10 vbroad and the other targets as they are (Ksoll et al. 2026).

    From labels (n, 13) and the log density (n,) over prior coordinates.
    """
    total = log_prob + log_dz_dlabel(labels)
    for i, target in enumerate(TARGETS):
        if target.log:
            total = total + np.log(labels[:, i] * np.log(10))
    return total


N_BINS = 20
EDGE_SHARE = 0.14
"""Density at an edge of the prior, over the highest, from which the answer is a limit: exp(-2), a Gaussian at 2 sigma."""
LEAST_INFORMATION = 0.1
"""Information gained over the prior [nat] below which a target is unconstrained."""


def status_of(z: NDArray, values: NDArray, weights: NDArray | None = None) -> tuple[Status, float | None]:
    """Status of one target from its prior coordinate z (n,) and its values (n,); the 95 % limit where it is one.

    In u = Phi(z) the prior is uniform, so the density in twentieths of u is that against the prior. Where it is high
    at both edges, the higher one counts.
    """
    density = density_in_prior(z, weights)
    if information(density) < LEAST_INFORMATION:
        return Status.UNCONSTRAINED, None
    edges = density[[0, -1]]
    if edges.max() <= EDGE_SHARE * density.max():
        return Status.MEASURED, None
    level = 0.95 if edges[0] >= edges[1] else 0.05
    return Status.LIMIT, float(weighted_quantile(values, level, weights))


def density_in_prior(z: NDArray, weights: NDArray | None = None) -> NDArray:
    """Posterior density (20,) in twentieths of the prior's mass, mean 1, from prior coordinates z (n,)."""
    part = np.minimum((ndtr(z) * N_BINS).astype(int), N_BINS - 1)
    return np.bincount(part, normalised(weights, z.size), N_BINS) * N_BINS


def information(density: NDArray) -> float:
    """Kullback-Leibler divergence [nat] of the prior from a density (k,) in equal parts of its mass."""
    filled = density[density > 0]
    return float((filled * np.log(filled)).sum() / density.size)


SOLAR_SCALE = "Magg et al. (2022); C, N of Asplund et al. (2021)"
SOLAR_A: dict[str, float] = {
    x: SOLAR_ABUNDANCES[ATOMIC_NUMBER[x]] for x in ("li", "c", "n", "mg", "si", "ca", "ti", "mn")
} | {"fe": SOLAR_ABUNDANCES[26]}
"""A(X) = log10(N_X / N_H) + 12 of the Sun, as in the synthesis behind the emulator."""
ALPHA: tuple[str, ...] = ("mg_fe", "si_fe", "ca_fe", "ti_fe")
"""[alpha/Fe] is the mean of these four."""


def derived_values(labels: NDArray) -> dict[str, tuple[str, NDArray]]:
    """Label and values (n,) of every derived quantity, by name, for targets (n, 13)."""
    feh = labels[:, COLUMN["feh"]]
    over_h = {"fe": feh}
    for target in TARGETS:
        if target.name.endswith("_fe"):
            over_h[target.name.removesuffix("_fe")] = feh + labels[:, COLUMN[target.name]]
    out = {f"{x}_h": (f"[{x.capitalize()}/H]", over_h[x]) for x in SOLAR_A if x != "fe"}
    out |= {f"a_{x}": (f"A({x.capitalize()})", over_h[x] + solar) for x, solar in SOLAR_A.items()}
    out["alpha_fe"] = ("[α/Fe]", labels[:, [COLUMN[name] for name in ALPHA]].mean(1))
    return out


def derive(labels: NDArray, weights: NDArray | None = None) -> dict[str, Derived]:
    """Mean, median and highest-density intervals of every derived quantity for samples of the targets (n, 13)."""
    out = {}
    for name, (label, x) in derived_values(labels).items():
        m = marginal(x, weights)
        out[name] = Derived(label, "dex", SOLAR_SCALE, m.mean, m.median, *m.interval68, *m.interval95)
    return out


def correlations(labels: NDArray, weights: NDArray | None = None) -> tuple[tuple[float, ...], ...]:
    """Correlation coefficients (13, 13) between the targets over samples (n, 13); 0 where one of the two does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        w = normalised(weights, len(labels))
        centred = labels - w @ labels
        covariance = (centred.T * w) @ centred
        scale = np.sqrt(np.diag(covariance))
        correlation = np.nan_to_num(covariance / np.outer(scale, scale))
    return tuple(tuple(float(x) for x in row) for row in correlation)
