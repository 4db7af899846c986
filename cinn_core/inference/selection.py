"""The posterior in use: which samples, and how knowledge from elsewhere and a brushed region weigh them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ..stages import Analysis, Importance, PosteriorSamples, Summary
from ..targets import TARGETS
from .bias import BiasCorrection
from .constraints import A_LI, Constraint, constraint_weights
from .quantities import Quantity, quantities_of
from .summary import summarise
from .weighted import from_log


class PosteriorKind(Enum):
    """Whose samples: the flow's own, those weighed against the likelihood, or the flow's less the bias known from real stars."""

    FLOW = "flow"
    WEIGHTED = "weighted"
    CORRECTED = "corrected"


_WORDS = {PosteriorKind.WEIGHTED: "importance-weighted", PosteriorKind.CORRECTED: "bias-corrected"}


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
    `unbrushed` are the weights before a region was brushed, `summary` the numbers of the samples as they are weighed.
    """

    posterior: PosteriorSamples
    summary: Summary
    weights: NDArray | None = None
    text: str = ""
    unbrushed: NDArray | None = None


@dataclass(frozen=True, eq=False)
class Offer:
    """What a star's posterior may be weighed or corrected by; None where it is not known, or not yet."""

    importance: Importance | None = None
    bias: BiasCorrection | None = None

    def has(self, kind: PosteriorKind) -> bool:
        """Whether there is such a posterior."""
        found = {
            PosteriorKind.FLOW: True,
            PosteriorKind.WEIGHTED: self.trusted,
            PosteriorKind.CORRECTED: bool(self.bias),
        }
        return found[kind]

    @property
    def trusted(self) -> bool:
        """Whether the weights are there and can be used."""
        return self.importance is not None and not self.importance.failed


NOTHING_OFFERED = Offer()


def selection_of(
    analysis: Analysis,
    kind: PosteriorKind,
    constraints: tuple[Constraint, ...],
    brush: tuple[Range, ...],
    offer: Offer = NOTHING_OFFERED,
) -> Selection:
    """The samples of a kind, weighed by the constraints and cut by the brush; a brush that holds no sample is none.

    Samples of a kind that is not on offer are the flow's own.
    """
    kind = kind if offer.has(kind) else PosteriorKind.FLOW
    posterior, weights = _samples(analysis, kind, offer)
    words = [_WORDS[kind]] if kind in _WORDS else []
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
    if weights is not None:
        summary = summarise(posterior, weights)
    elif kind is PosteriorKind.CORRECTED and offer.bias is not None:
        summary = offer.bias.summarise(analysis.posterior)
    else:
        summary = analysis.summary
    return Selection(posterior, summary, weights, ", ".join(words), unbrushed)


def in_use(selection: Selection) -> tuple[Quantity, ...]:
    """The thirteen quantities of the posterior in use."""
    return quantities_of(selection.posterior, selection.summary, selection.weights)


def range_of(quantity: Quantity, low: float, high: float) -> Range:
    """A range from two places on the axis of a quantity."""
    ends = sorted(float(10.0**x if quantity.log else x) for x in (low, high))
    return Range(quantity.name, *ends)


def _samples(analysis: Analysis, kind: PosteriorKind, offer: Offer) -> tuple[PosteriorSamples, NDArray | None]:
    """Samples and weights; corrected samples keep the coordinates they were drawn at, and with them the bands."""
    own, found = analysis.posterior, offer.importance
    if kind is PosteriorKind.WEIGHTED and found is not None:
        weighed = PosteriorSamples(found.labels, found.z, found.log_prob, own.map_z, own.rejected_fraction, own.seed)
        return weighed, from_log(found.log_weights)
    if kind is PosteriorKind.CORRECTED and offer.bias is not None:
        return replace(own, labels=offer.bias.corrected(own.labels)), None
    return own, None


def _values(posterior: PosteriorSamples, name: str) -> NDArray:
    return Constraint(A_LI if name == "li_fe" else name, 0.0, 1.0).values(posterior.labels)


def _label(name: str) -> str:
    return next((t.label for t in TARGETS if t.name == name), "A(Li)")


def _range_text(cut: Range) -> str:
    name = A_LI if cut.name == "li_fe" else cut.name
    decimals = next((t.decimals for t in TARGETS if t.name == cut.name), 2)
    return f"{_label(name)} {cut.low:.{decimals}f} … {cut.high:.{decimals}f}"
