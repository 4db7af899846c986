"""Numbers from samples: MAP, the paper's MAP, mean, median and highest-density intervals of every target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .prior import from_z, log_dz_dlabel
from .stages import PosteriorSamples, Summary, TargetSummary
from .targets import TARGETS


def summarise(posterior: PosteriorSamples) -> Summary:
    """Summary of a posterior; `map` is the mode in prior coordinates, `map_paper` the paper's choice."""
    mode = from_z(posterior.map_z[None])[0]
    paper = posterior.labels[np.argmax(paper_log_density(posterior))]
    targets = {}
    for i, target in enumerate(TARGETS):
        x = posterior.labels[:, i]
        lo68, hi68 = highest_density_interval(x, 0.68)
        lo95, hi95 = highest_density_interval(x, 0.95)
        mean, median = float(x.mean()), float(np.median(x))
        targets[target.name] = TargetSummary(
            float(mode[i]), float(paper[i]), mean, median, lo68, hi68, lo95, hi95, target.unit
        )
    return Summary(targets)


def paper_log_density(posterior: PosteriorSamples) -> NDArray:
    """Log density (n,) of the samples over log10 Teff, log10 vbroad and the other targets as they are (Ksoll et al. 2026)."""
    total = posterior.log_density + log_dz_dlabel(posterior.labels)
    for i, target in enumerate(TARGETS):
        if target.log:
            total = total + np.log(posterior.labels[:, i] * np.log(10))
    return total


def highest_density_interval(samples: NDArray, mass: float) -> tuple[float, float]:
    """Shortest interval that holds `mass` of the samples (n,)."""
    ordered = np.sort(samples)
    inside = int(np.ceil(mass * ordered.size))
    widths = ordered[inside - 1 :] - ordered[: ordered.size - inside + 1]
    first = int(np.argmin(widths))
    return float(ordered[first]), float(ordered[first + inside - 1])
