"""External knowledge reweights the samples: a mean and a sigma for a target, nu_max, or a parallax with a magnitude."""

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
from .external import (
    LEAST_PARALLAX_SNR,
    Photometry,
    nu_max_error,
    nu_max_logg,
    parallax_error,
    parallax_logg,
    read_pair,
    read_photometry,
)
from .summary import summarise
from .weighted import effective_samples, from_log, normalised, weighted_quantile

FEW_SAMPLES = 100
"""Effective samples below which the spectrum and the knowledge given contradict each other, or nearly."""
A_LI = "a_li"
NU_MAX, PARALLAX = "numax", "parallax"
"""Knowledge that speaks of log g through the Teff of each sample."""
CONSTRAINED: tuple[str, ...] = (*(target.name for target in TARGETS), A_LI, NU_MAX, PARALLAX)
"""What may be constrained: the thirteen targets by name, A(Li), nu_max [microhertz], and with photometry the parallax [mas]."""
_LABELS = {t.name: t.label for t in TARGETS} | {A_LI: "A(Li)", NU_MAX: "ν_max", PARALLAX: "parallax"}
_UNITS = {NU_MAX: " µHz", PARALLAX: " mas"}


@dataclass(frozen=True)
class Constraint:
    """A Gaussian likelihood of one target in its unit; `source` says where it comes from.

    With target "numax" [microhertz] or "parallax" [mas], the latter with `photometry`, it is one of log g at the Teff of each
    sample (`cinn_core.inference.external`). KielError for nonsense.
    """

    target: str
    mean: float
    sigma: float
    source: str = ""
    photometry: Photometry | None = None

    def __post_init__(self) -> None:
        if self.target not in CONSTRAINED:
            raise KielError(
                f"There is no target {self.target!r} to constrain; the targets are {', '.join(CONSTRAINED)}."
            )
        if not np.isfinite(self.mean):
            raise KielError(f"The mean given for {self.label} is not a finite number.")
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            raise KielError(f"The sigma given for {self.label} is {self.sigma:g}; it has to be a number above zero.")
        if self.is_indirect and self.mean <= 0:
            raise KielError(f"The {self.label} given is {self.mean:g}; it has to be above zero.")
        if (self.target == PARALLAX) != (self.photometry is not None):
            raise KielError(
                "A parallax says something of a star with a magnitude alone, and a magnitude with a parallax."
            )
        if self.target == PARALLAX and self.mean < LEAST_PARALLAX_SNR * self.sigma:
            raise KielError(
                f"A parallax of {self.mean:g} ± {self.sigma:g} mas gives no distance by itself; it has to be known to "
                f"a {LEAST_PARALLAX_SNR:.0f}th or better."
            )

    @property
    def is_indirect(self) -> bool:
        """Whether it speaks of log g through another quantity."""
        return self.target in (NU_MAX, PARALLAX)

    @property
    def label(self) -> str:
        """Label of what is known."""
        return _LABELS[self.target]

    @property
    def text(self) -> str:
        """What is known, in one line: log g = 4.44 ± 0.02."""
        own = f"{self.label} = {self.mean:g} ± {self.sigma:.3g}{_UNITS.get(self.target, '')}"
        return own if self.photometry is None else f"{own} with {self.photometry.text}"

    @property
    def width(self) -> float:
        """Sigma of the Gaussian in the unit of `values`."""
        if self.photometry is not None:
            return parallax_error(self.mean, self.sigma, self.photometry)
        return nu_max_error(self.mean, self.sigma) if self.target == NU_MAX else self.sigma

    def values(self, labels: NDArray) -> NDArray:
        """The constrained target (n,) of labels (n, 13); of what speaks of log g, log g."""
        if self.target == A_LI:
            return a_li(labels[:, COLUMN["li_fe"]], labels[:, COLUMN["feh"]])
        return labels[:, COLUMN["logg" if self.is_indirect else self.target]]

    def expected(self, labels: NDArray) -> NDArray:
        """What is known of these values (n,), for the Teff of labels (n, 13) where it depends on it."""
        teff = labels[:, COLUMN["teff"]]
        if self.photometry is not None:
            return parallax_logg(self.mean, self.photometry, teff)
        return nu_max_logg(self.mean, teff) if self.target == NU_MAX else np.full(len(labels), self.mean)


@dataclass(frozen=True, eq=False)
class Constrained:
    """A posterior under constraints: weights (n,) of its samples, largest 1, their effective number, and the summary.

    `tensions` [sigma] of the spectrum's own answer with each constraint; `expected`, the median of what each says of its
    target over the spectrum's own samples.
    """

    constraints: tuple[Constraint, ...]
    tensions: tuple[float, ...]
    expected: tuple[float, ...]
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


def from_nu_max(text: str) -> Constraint:
    """The constraint of nu_max [microhertz] from '3090±10' (also +-, a comma, a space); KielError where it cannot be read."""
    mean, sigma = read_pair(text, "nu_max", "3090±10, in microhertz")
    if sigma is None:
        raise KielError(f"nu_max {text!r} has no error; write 3090±10, in microhertz.")
    return Constraint(NU_MAX, mean, sigma, "given; solar 3090 µHz (Huber et al. 2011) at 5777 K, scaling good to 2 %")


def from_parallax(text: str, magnitude: str, extinction: str | None = None, mass: str | None = None) -> Constraint:
    """The constraint of a parallax [mas] from '47.2±0.1' with 'G=8.25', 'A_V=0.1' or 'E(B-V)=0.03', and a mass '1.1±0.1' [solar].

    Without extinction there is none, without a mass it is 1.0 within 0.15 dex. KielError where something cannot be read.
    """
    mean, sigma = read_pair(text, "parallax", "47.2±0.1, in mas")
    if sigma is None:
        raise KielError(f"The parallax {text!r} has no error; write 47.2±0.1, in mas.")
    photometry = read_photometry(magnitude, extinction, mass)
    scale = "Andrae et al. (2018)" if photometry.band == "G" else "Flower (1996), Torres (2010)"
    return Constraint(PARALLAX, mean, sigma, f"given; bolometric correction of {scale}", photometry)


def known_of(
    texts: Sequence[str] = (),
    numax: str | None = None,
    parallax: str | None = None,
    magnitude: str | None = None,
    extinction: str | None = None,
    mass: str | None = None,
) -> tuple[Constraint, ...]:
    """All constraints of the texts that a person gives, those of `parse_constraint` first; KielError for half a statement."""
    found = [parse_constraint(text) for text in texts]
    if numax is not None:
        found.append(from_nu_max(numax))
    if parallax is not None and magnitude is not None:
        found.append(from_parallax(parallax, magnitude, extinction, mass))
    elif any(part is not None for part in (parallax, magnitude, extinction, mass)):
        raise KielError(
            "Parallax, magnitude, extinction and mass speak together: give the parallax and a magnitude with its band, such "
            "as 47.2±0.1 and G=8.25, with them extinction and mass where you know them."
        )
    return tuple(found)


def from_benchmark(star: KnownStar, target: str) -> Constraint:
    """The literature value of a benchmark star as a constraint, its error as in the z-scores."""
    return Constraint(target, star.values[target], star.sigma(target), f"{star.star}, {star.source}")


def constraint_weights(labels: NDArray, constraints: Sequence[Constraint]) -> NDArray:
    """Product of the Gaussians at labels (n, 13), largest 1, shape (n,)."""
    log_weights = np.zeros(len(labels))
    for constraint in constraints:
        log_weights -= 0.5 * ((constraint.values(labels) - constraint.expected(labels)) / constraint.width) ** 2
    return from_log(log_weights)


def constrain(
    posterior: PosteriorSamples, constraints: Sequence[Constraint], weights: NDArray | None = None
) -> Constrained:
    """The posterior given the constraints as well; `weights` (n,) are those its samples have already."""
    n = len(posterior.labels)
    product = constraint_weights(posterior.labels, constraints) * normalised(weights, n)
    product = product / product.max()
    tensions = tuple(tension(posterior, constraint, weights) for constraint in constraints)
    expected = tuple(
        float(weighted_quantile(constraint.expected(posterior.labels), 0.5, weights)) for constraint in constraints
    )
    summary = summarise(posterior, product)
    return Constrained(tuple(constraints), tensions, expected, product, effective_samples(product, n), summary)


def tension(posterior: PosteriorSamples, constraint: Constraint, weights: NDArray | None = None) -> float:
    """Difference of a constraint from the median of samples, weights (n,), in sigma of both together: half their central 68 %."""
    off = constraint.values(posterior.labels) - constraint.expected(posterior.labels)
    low, middle, high = (float(weighted_quantile(off, q, weights)) for q in (0.16, 0.5, 0.84))
    return abs(middle) / float(np.hypot(0.5 * (high - low), constraint.width))


def to_json(constrained: Constrained) -> dict[str, Any]:
    """The entry `constrained` of an analysis' document."""
    return {
        "constraints": [
            asdict(constraint) | {"tension_sigma": sigmas, "expected": expected, "expected_sigma": constraint.width}
            for constraint, sigmas, expected in zip(
                constrained.constraints, constrained.tensions, constrained.expected, strict=True
            )
        ],
        "effective_samples": constrained.effective_samples,
        "effective_fraction": constrained.effective_fraction,
        "targets": {name: asdict(numbers) for name, numbers in constrained.summary.targets.items()},
    }
