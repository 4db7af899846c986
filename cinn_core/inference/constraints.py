"""External knowledge: a mean and a sigma for a target, from interferometry or seismology, reweight the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import KielError
from ..literature import KnownStar
from ..stages import PosteriorSamples, Summary
from ..targets import COLUMN, TARGETS, a_li
from .summary import summarise
from .weighted import effective_samples, from_log, normalised

FEW_SAMPLES = 100
"""Effective samples below which the spectrum and the knowledge given contradict each other, or nearly."""
A_LI = "a_li"
CONSTRAINED: tuple[str, ...] = (*(target.name for target in TARGETS), A_LI)
"""What may be constrained: the thirteen targets by name, and A(Li)."""


@dataclass(frozen=True)
class Constraint:
    """A Gaussian likelihood of one target in its unit; `source` says where it comes from. KielError for nonsense."""

    target: str
    mean: float
    sigma: float
    source: str = ""

    def __post_init__(self) -> None:
        if self.target not in CONSTRAINED:
            raise KielError(
                f"There is no target {self.target!r} to constrain; the targets are {', '.join(CONSTRAINED)}."
            )
        if not np.isfinite(self.mean):
            raise KielError(f"The mean given for {self.target} is not a finite number.")
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            raise KielError(f"The sigma given for {self.target} is {self.sigma:g}; it has to be a number above zero.")

    def values(self, labels: NDArray) -> NDArray:
        """The constrained target (n,) of labels (n, 13)."""
        if self.target == A_LI:
            return a_li(labels[:, COLUMN["li_fe"]], labels[:, COLUMN["feh"]])
        return labels[:, COLUMN[self.target]]


@dataclass(frozen=True, eq=False)
class Constrained:
    """A posterior under constraints: weights (n,) of its samples, largest 1, their effective number, and the summary."""

    constraints: tuple[Constraint, ...]
    weights: NDArray
    effective_samples: float
    summary: Summary

    @property
    def effective_fraction(self) -> float:
        """Effective samples over samples."""
        return self.effective_samples / len(self.weights)

    @property
    def warning(self) -> str:
        """A sentence where too few samples are left to trust the numbers; else empty."""
        if self.effective_samples >= FEW_SAMPLES:
            return ""
        return (
            f"Only {self.effective_samples:.0f} effective samples agree with what was given: the spectrum contradicts it, "
            "or it is far sharper than the posterior; draw more samples or widen the sigma."
        )


def parse_constraint(text: str) -> Constraint:
    """A constraint from TARGET=MEAN,SIGMA, such as logg=4.44,0.02; KielError where it cannot be read."""
    target, equals, numbers = text.partition("=")
    try:
        mean, sigma = (float(part) for part in numbers.split(","))
    except ValueError:
        equals = ""
    if not equals:
        raise KielError(f"The constraint {text!r} cannot be read; write TARGET=MEAN,SIGMA, such as logg=4.44,0.02.")
    return Constraint(target.strip().lower(), mean, sigma, "given")


def from_benchmark(star: KnownStar, target: str) -> Constraint:
    """The literature value of a benchmark star as a constraint, its error as in the z-scores."""
    return Constraint(target, star.values[target], star.sigma(target), f"{star.star}, {star.source}")


def constraint_weights(labels: NDArray, constraints: Sequence[Constraint]) -> NDArray:
    """Product of the Gaussians at labels (n, 13), largest 1, shape (n,)."""
    log_weights = np.zeros(len(labels))
    for constraint in constraints:
        log_weights -= 0.5 * ((constraint.values(labels) - constraint.mean) / constraint.sigma) ** 2
    return from_log(log_weights)


def constrain(
    posterior: PosteriorSamples, constraints: Sequence[Constraint], weights: NDArray | None = None
) -> Constrained:
    """The posterior given the constraints as well; `weights` (n,) are those its samples have already."""
    n = len(posterior.labels)
    product = constraint_weights(posterior.labels, constraints) * normalised(weights, n)
    product = product / product.max()
    return Constrained(tuple(constraints), product, effective_samples(product, n), summarise(posterior, product))


def to_json(constrained: Constrained) -> dict[str, Any]:
    """The entry `constrained` of an analysis' document."""
    return {
        "constraints": [asdict(constraint) for constraint in constrained.constraints],
        "effective_samples": constrained.effective_samples,
        "effective_fraction": constrained.effective_fraction,
        "targets": {name: asdict(numbers) for name, numbers in constrained.summary.targets.items()},
    }
