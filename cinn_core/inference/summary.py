"""Numbers from samples: MAP, the paper's MAP, mean, median, highest-density intervals and status of every target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..prior import from_z, log_dz_dlabel
from ..stages import PosteriorSamples, Summary, TargetSummary
from ..targets import TARGETS
from .derived import correlations, derive
from .status import status_of
from .weighted import marginal, normalised


def summarise(posterior: PosteriorSamples, weights: NDArray | None = None) -> Summary:
    """Summary of a posterior; `map` is the mode in prior coordinates, `map_paper` the paper's choice.

    With weights (n,) of its samples both are samples: those of highest density times weight, so `map` scatters by a
    third of the 68 % interval where the mode of the posterior itself does not.
    """
    n = len(posterior.labels)
    log_weights = np.zeros(n) if weights is None else _log(normalised(weights, n))
    at_mode = np.argmax(posterior.log_density + log_weights)
    mode = from_z(posterior.map_z[None])[0] if weights is None else posterior.labels[at_mode]
    paper = posterior.labels[np.argmax(paper_log_density(posterior.labels, posterior.log_density) + log_weights)]
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


def paper_log_density(labels: NDArray, log_density: NDArray) -> NDArray:
    """Log density (n,) of samples over log10 Teff, log10 vbroad and the other targets as they are (Ksoll et al. 2026).

    From labels (n, 13) and the log density (n,) over prior coordinates.
    """
    total = log_density + log_dz_dlabel(labels)
    for i, target in enumerate(TARGETS):
        if target.log:
            total = total + np.log(labels[:, i] * np.log(10))
    return total
