"""The posterior in use: which samples, and how knowledge from elsewhere and a brushed region weigh them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from app.quantities import Quantity
from cinn_core.inference.constraints import A_LI, Constraint, constraint_weights
from cinn_core.inference.weighted import from_log
from cinn_core.stages import Analysis, PosteriorSamples
from cinn_core.targets import TARGETS


class PosteriorKind(Enum):
    """Whose samples: the flow's own, or those weighed against the likelihood."""

    FLOW = "flow"
    WEIGHTED = "weighted"


@dataclass(frozen=True)
class Range:
    """A quantity between two values of its own unit, by its name (lithium as A(Li))."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Selection:
    """The posterior in use: samples with weights (n,) >= 0 of any scale (None: all alike), and in words what chose them.

    The bands, the lines, the Kiel diagram and the table follow it; `cinn_core.inference.weighted` says how to use the weights.
    `unbrushed` are the weights before a region was brushed.
    """

    posterior: PosteriorSamples
    weights: NDArray | None = None
    text: str = ""
    unbrushed: NDArray | None = None


def kinds(analysis: Analysis) -> tuple[PosteriorKind, ...]:
    """The posteriors that a star has."""
    found = analysis.importance
    return (PosteriorKind.FLOW,) if found is None or found.failed else tuple(PosteriorKind)


def selection_of(
    analysis: Analysis, kind: PosteriorKind, constraints: tuple[Constraint, ...], brush: tuple[Range, ...]
) -> Selection:
    """The samples of a kind, weighed by the constraints and cut by the brush; a brush that holds no sample is none."""
    posterior, weights = _samples(analysis, kind)
    words = [] if kind is PosteriorKind.FLOW else ["importance-weighted"]
    if constraints:
        given = constraint_weights(posterior.labels, constraints)
        together = given if weights is None else given * weights
        weights = together if together.sum() > 0 else given
        words += [f"{_label(c.target)} = {c.mean:g} ± {c.sigma:g}" for c in constraints]
    unbrushed = weights
    inside = np.ones(len(posterior.labels), bool)
    for cut in brush:
        values = _values(posterior, cut.name)
        inside &= (values >= cut.low) & (values <= cut.high)
    cut_weights = inside * (1.0 if weights is None else weights)
    if brush and cut_weights.sum() > 0:
        weights = cut_weights
        words += [_range_text(cut) for cut in brush]
    return Selection(posterior, weights, ", ".join(words), unbrushed)


def range_of(quantity: Quantity, low: float, high: float) -> Range:
    """A range from two places on the axis of a quantity."""
    ends = sorted(float(10.0**x if quantity.log else x) for x in (low, high))
    return Range(quantity.name, *ends)


def _samples(analysis: Analysis, kind: PosteriorKind) -> tuple[PosteriorSamples, NDArray | None]:
    own, found = analysis.posterior, analysis.importance
    if kind is PosteriorKind.FLOW or found is None:
        return own, None
    density = found.log_density
    weighed = PosteriorSamples(found.labels, found.z, density, own.map_z, own.rejected_fraction, own.seed)
    return weighed, from_log(found.log_weights)


def _values(posterior: PosteriorSamples, name: str) -> NDArray:
    return Constraint(A_LI if name == "li_fe" else name, 0.0, 1.0).values(posterior.labels)


def _label(name: str) -> str:
    return next((t.label for t in TARGETS if t.name == name), "A(Li)")


def _range_text(cut: Range) -> str:
    name = A_LI if cut.name == "li_fe" else cut.name
    decimals = next((t.decimals for t in TARGETS if t.name == cut.name), 2)
    return f"{_label(name)} {cut.low:.{decimals}f} … {cut.high:.{decimals}f}"
