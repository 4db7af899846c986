"""Coverage of whole posteriors, tested so that it can fail: regions around reference points hold what they should.

For each star the region is the ball around a reference point that reaches as far as the truth; the share of samples inside
is uniform between 0 and 1 where posteriors are right (TARP, Lemos et al. 2023, theorem 2). A Kolmogorov-Smirnov test of
these shares against the uniform law has a known size, and its power grows with the number of stars. A reference drawn from
the prior sees posteriors that are shifted; one drawn from the star's own posterior sees their width far better. Neither sees a
correlation that is missed between two of many targets, which leaves the distances nearly as they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

_STARS_AT_ONCE = 256


@dataclass(frozen=True)
class CoverageTest:
    """P values of the two tests of one set of posteriors: references from the prior, and from each star's own posterior.

    `area` is that between the distribution of the second shares and the uniform one above 0.5: below 0 where posteriors are
    too narrow.
    """

    prior: float
    own: float
    area: float

    @property
    def smallest(self) -> float:
        """The p value of both together (Bonferroni)."""
        return min(1.0, 2 * min(self.prior, self.own))


@dataclass(frozen=True)
class Power:
    """Power of the tests: results for posteriors known to be right, and for the same posteriors narrowed.

    `rejected` of `seeds` sets of right posteriors at the level `significance`; `narrowed` is the factor on the widths, and
    `narrowed_p` the largest p value (least evidence) over `narrowed_seeds` sets of such posteriors.
    """

    n: int
    seeds: int
    significance: float
    rejected: int
    narrowed: float
    narrowed_seeds: int
    narrowed_p: float


def coverage_values(samples: NDArray, truth: NDArray, references: NDArray, rng: np.random.Generator) -> NDArray:
    """Shares (n,) of samples (n, s, k) nearer to the references (n, k) than the truth (n, k), ties and steps smoothed.

    Distances are in units of the covariance of the samples and the truth together: the truth then has no place of its own
    among them, and the shares are exactly uniform where it is one draw more.
    """
    n, s, _ = samples.shape
    nearer = np.empty(n, int)
    for start in range(0, n, _STARS_AT_ONCE):
        some = slice(start, start + _STARS_AT_ONCE)
        together = np.concatenate([truth[some, None], samples[some]], 1)
        centred = together - together.mean(1, keepdims=True)
        covariance = np.einsum("nsi,nsj->nij", centred, centred) / s
        difference = np.swapaxes(together - references[some, None], 1, 2)
        square = (difference * np.linalg.solve(covariance, difference)).sum(1)
        nearer[some] = (square[:, 1:] < square[:, :1]).sum(1)
    return (nearer + rng.random(n)) / (s + 1)


def coverage_test(samples: NDArray, truth: NDArray, rng: np.random.Generator) -> CoverageTest:
    """Kolmogorov-Smirnov tests of the coverage of posterior samples (n, s, k) of truths (n, k), in prior coordinates.

    The first sample of each star is the reference of its own posterior, and is not counted among the samples.
    """
    prior = coverage_values(samples, truth, rng.standard_normal(truth.shape), rng)
    own = coverage_values(samples[:, 1:], truth, samples[:, 0], rng)
    level = np.linspace(0.5, 1, 101)
    distribution = np.searchsorted(np.sort(own), level) / own.size
    area = float(np.mean(distribution - level) / 2)
    p_prior, p_own = (float(kstest(values, "uniform").pvalue) for values in (prior, own))
    return CoverageTest(p_prior, p_own, area)


def power_of_tests(
    samples: NDArray,
    rng: np.random.Generator,
    significance: float = 0.01,
    seeds: int = 100,
    narrowed: float = 0.9,
    narrowed_seeds: int = 5,
) -> Power:
    """Size and power of `coverage_test` on posteriors (n, s, k), whose truths are made: one sample each, left out of the rest.

    Which sample it is changes from set to set; narrowing draws the other samples towards their mean.
    """
    n, s, _ = samples.shape

    def p_value(factor: float) -> float:
        truth = rng.integers(0, s, n)
        rest = np.ones((n, s), bool)
        rest[np.arange(n), truth] = False
        others = samples[rest].reshape(n, s - 1, -1)
        centre = others.mean(1, keepdims=True)
        others = centre + factor * (others - centre)
        return coverage_test(others, samples[np.arange(n), truth], rng).smallest

    rejected = sum(p_value(1.0) < significance for _ in range(seeds))
    return Power(
        n,
        seeds,
        significance,
        rejected,
        narrowed,
        narrowed_seeds,
        max(p_value(narrowed) for _ in range(narrowed_seeds)),
    )
