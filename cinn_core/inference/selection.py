"""Selection of a posterior: its samples, and their weights from constraints and a brushed region."""

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
    """Kind of posterior: the flow's samples, those weighed against the likelihood, or the flow's less the bias of real stars."""

    FLOW = "flow"
    WEIGHTED = "weighted"
    CORRECTED = "corrected"


_WORDS = {PosteriorKind.WEIGHTED: "importance-weighted", PosteriorKind.CORRECTED: "bias-corrected"}


@dataclass(frozen=True)
class Range:
    """Range of a quantity, given by its name, between two values in its own unit (lithium as A(Li))."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Selection:
    """Selected posterior: samples with weights (n,) >= 0 of any scale (None: all alike), and in words what selected them.

    `cinn_core.inference.weighted` says how to use the weights. `unbrushed` are those before a region was brushed,
    `summary` the numbers of the samples as they are weighed.
    """

    posterior: PosteriorSamples
    summary: Summary
    weights: NDArray | None = None
    text: str = ""
    unbrushed: NDArray | None = None


@dataclass(frozen=True, eq=False)
class Corrections:
    """Corrections of a star's posterior: importance weights and bias; None where they are not known, or not yet."""

    importance: Importance | None = None
    bias: BiasCorrection | None = None

    def allow(self, kind: PosteriorKind) -> bool:
        """Whether a posterior of this kind can be had."""
        allowed = {
            PosteriorKind.FLOW: True,
            PosteriorKind.WEIGHTED: self.has_usable_weights,
            PosteriorKind.CORRECTED: bool(self.bias),
        }
        return allowed[kind]

    @property
    def has_usable_weights(self) -> bool:
        """Whether the importance weights are known and did not fail."""
        return self.importance is not None and not self.importance.failed


NO_CORRECTIONS = Corrections()


def selection_of(
    analysis: Analysis,
    kind: PosteriorKind,
    constraints: tuple[Constraint, ...],
    brush: tuple[Range, ...],
    corrections: Corrections = NO_CORRECTIONS,
) -> Selection:
    """Select the samples of a kind, weighed by the constraints and cut by the brush; a brush that holds no sample is ignored.

    Where the corrections do not allow the kind, the samples are the flow's own.
    """
    kind = kind if corrections.allow(kind) else PosteriorKind.FLOW
    posterior, weights = _samples(analysis, kind, corrections)
    words = [_WORDS[kind]] if kind in _WORDS else []
    if constraints:
        from_constraints = constraint_weights(posterior.labels, constraints)
        together = from_constraints if weights is None else from_constraints * weights
        weights = together if together.sum() > 0 else from_constraints
        words += [c.text for c in constraints]
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
    elif kind is PosteriorKind.CORRECTED and corrections.bias is not None:
        summary = corrections.bias.summarise(analysis.posterior)
    else:
        summary = analysis.summary
    return Selection(posterior, summary, weights, ", ".join(words), unbrushed)


def selected_quantities(selection: Selection) -> tuple[Quantity, ...]:
    """Thirteen quantities of a selected posterior."""
    return quantities_of(selection.posterior, selection.summary, selection.weights)


def range_of(quantity: Quantity, low: float, high: float) -> Range:
    """Range between two places on the axis of a quantity."""
    ends = sorted(float(10.0**x if quantity.log else x) for x in (low, high))
    return Range(quantity.name, *ends)


def _samples(
    analysis: Analysis, kind: PosteriorKind, corrections: Corrections
) -> tuple[PosteriorSamples, NDArray | None]:
    """Samples (n, 13) and weights (n,) of a kind; corrected samples keep the coordinates they were drawn at, and with them the bands."""
    own, importance = analysis.posterior, corrections.importance
    if kind is PosteriorKind.WEIGHTED and importance is not None:
        weighed = PosteriorSamples(
            importance.labels, importance.z, importance.log_prob, own.map_z, own.rejected_fraction, own.seed
        )
        return weighed, from_log(importance.log_weights)
    if kind is PosteriorKind.CORRECTED and corrections.bias is not None:
        return replace(own, labels=corrections.bias.corrected(own.labels)), None
    return own, None


def _values(posterior: PosteriorSamples, name: str) -> NDArray:
    return Constraint(A_LI if name == "li_fe" else name, 0.0, 1.0).values(posterior.labels)


def _label(name: str) -> str:
    return next((t.label for t in TARGETS if t.name == name), "A(Li)")


def _range_text(cut: Range) -> str:
    name = A_LI if cut.name == "li_fe" else cut.name
    decimals = next((t.decimals for t in TARGETS if t.name == cut.name), 2)
    return f"{_label(name)} {cut.low:.{decimals}f} … {cut.high:.{decimals}f}"
