"""Numbers from samples: MAP, the paper's MAP, mean, median, highest-density intervals and status of every target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ..prior import from_z, log_dz_dlabel
from ..stages import Derived, PosteriorSamples, Status, Summary, TargetSummary
from ..statistics import percentile_of_ordered
from ..synthesis.abundances import ATOMIC_NUMBER, SOLAR_ABUNDANCES
from ..targets import COLUMN, TARGETS
from .weighted import Marginal, marginal, marginals_of_ordered, normalised, weighted_quantile


def summarise(posterior: PosteriorSamples, weights: NDArray | None = None) -> Summary:
    """Summary of a posterior; `map` is the maximum in prior coordinates, `map_paper` the paper's choice.

    With weights (n,) of its samples both are samples: those of highest density times weight, so `map` scatters by a
    third of the 68 % interval where the mode of the posterior itself does not.
    """
    if weights is None:
        return summarise_many([posterior])[0]
    log_weights = _log(normalised(weights, len(posterior.labels)))
    mode = posterior.labels[np.argmax(posterior.log_prob + log_weights)]
    paper = posterior.labels[np.argmax(paper_log_prob(posterior.labels, posterior.log_prob) + log_weights)]
    targets = {}
    for i, target in enumerate(TARGETS):
        x = posterior.labels[:, i]
        m = marginal(x, weights)
        status, limit95 = status_of(posterior.z[:, i], x, weights)
        targets[target.name] = TargetSummary(
            float(mode[i]), float(paper[i]), *_numbers(m), target.unit, status, limit95
        )
    return Summary(targets, derive(posterior.labels, weights), correlations(posterior.labels, weights))


def summarise_many(posteriors: Sequence[PosteriorSamples]) -> list[Summary]:
    """Summaries of posteriors without weights, as `summarise` gives each; a star's marginals are put in order together."""
    labels, log_prob = (np.concatenate([getattr(p, name) for p in posteriors]) for name in ("labels", "log_prob"))
    density, derived = paper_log_prob(labels, log_prob), derived_values(labels)
    columns = np.concatenate([labels.T, np.stack([x for _, x in derived.values()])])
    part = _parts(np.concatenate([p.z for p in posteriors])) + N_BINS * np.arange(len(TARGETS))
    modes = from_z(np.stack([p.map_z for p in posteriors]))
    out, first = [], 0
    for posterior, mode in zip(posteriors, modes, strict=True):
        rows = slice(first, first + len(posterior.labels))
        first = rows.stop
        ordered = np.sort(columns[:, rows], axis=1)
        marginals = marginals_of_ordered(ordered)
        paper = labels[first - len(posterior.labels) + int(np.argmax(density[rows]))]
        binned = np.bincount(part[rows].ravel(), minlength=N_BINS * len(TARGETS)).reshape(-1, N_BINS)
        targets = {}
        for i, target in enumerate(TARGETS):
            status, level = _status(binned[i] * (N_BINS / len(posterior.labels)))
            limit = None if level is None else float(percentile_of_ordered(ordered[i], 100 * level))
            numbers = _numbers(marginals[i])
            targets[target.name] = TargetSummary(float(mode[i]), float(paper[i]), *numbers, target.unit, status, limit)
        more = {
            name: Derived(label, "dex", SOLAR_SCALE, *_numbers(m))
            for (name, (label, _)), m in zip(derived.items(), marginals[len(TARGETS) :], strict=True)
        }
        out.append(Summary(targets, more, correlations(posterior.labels)))
    return out


def _numbers(m: Marginal) -> tuple[float, float, float, float, float, float]:
    return m.mean, m.median, *m.interval68, *m.interval95


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
    status, level = _status(density_in_prior(z, weights))
    return status, None if level is None else float(weighted_quantile(values, level, weights))


def _status(density: NDArray) -> tuple[Status, float | None]:
    """Status by the density (20,) against the prior, and the level of the quantile that is a limit, 0.95 or 0.05."""
    if information(density) < LEAST_INFORMATION:
        return Status.UNCONSTRAINED, None
    low, high = float(density[0]), float(density[-1])
    if max(low, high) <= EDGE_SHARE * density.max():
        return Status.MEASURED, None
    return Status.LIMIT, 0.95 if low >= high else 0.05


def density_in_prior(z: NDArray, weights: NDArray | None = None) -> NDArray:
    """Posterior density (20,) in twentieths of the prior's mass, mean 1, from prior coordinates z (n,)."""
    return np.bincount(_parts(z), normalised(weights, z.size), N_BINS) * N_BINS


def _parts(z: NDArray) -> NDArray:
    """Twentieth of the prior's mass, 0 to 19, that each prior coordinate (...) lies in."""
    return np.minimum((ndtr(z) * N_BINS).astype(int), N_BINS - 1)


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
        out[name] = Derived(label, "dex", SOLAR_SCALE, *_numbers(m))
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
