"""What is worked out after the star is shown: bands, its lines one by one, exact models; and the jobs that keep it current."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import param
from numpy.typing import NDArray

from app.in_use import PosteriorKind
from cinn_core.analyse import weigh_analysis
from cinn_core.explanation.exact import Exact, resimulate_exactly
from cinn_core.explanation.line_by_line import LineByLine, line_by_line, without_line
from cinn_core.explanation.modelled import Bands, bands, quantile_models
from cinn_core.line_windows import LineWindow
from cinn_core.stages import Importance, Summary

if TYPE_CHECKING:
    from .visit import Visit


_BANDS = "The bands of the posterior"


@dataclass(frozen=True)
class LeftOut:
    """The star without one line."""

    window: LineWindow
    summary: Summary


class Findings(param.Parameterized):
    """None or empty until the job is done; emptied with every new star."""

    bands = param.ClassSelector(class_=Bands, doc="Bands of the posterior in use; None: those of the resimulation.")
    with_quantile_models = param.Boolean(default=False, doc="Whether a person wants to see the quantile models.")
    quantile_models = param.Array(doc="The quantile models of the posterior in use (4, N_PIXELS), if wanted.")
    lines = param.ClassSelector(class_=LineByLine, doc="The verdict on each diagnostic line.")
    left_out = param.ClassSelector(class_=LeftOut, doc="The star without the line that was left out last.")
    exact = param.ClassSelector(class_=tuple, default=(), doc="Exact models so far: the MAP, then the quantile models.")
    working = param.ListSelector(
        default=[], objects=["bands", "quantile models", "lines", "left out", "exact", "weights"], doc="Jobs that run."
    )

    def forget(self) -> None:
        """Empty everything: the star is another."""
        self.param.update(bands=None, quantile_models=None, lines=None, left_out=None, exact=(), working=[])

    def began(self, job: str) -> None:
        self.working = [*(name for name in self.working if name != job), job]

    def ended(self, job: str) -> None:
        self.working = [name for name in self.working if name != job]


def keep_current(visit: Visit) -> None:
    """From now on work out the lines of every new star, and its bands whenever the posterior in use changes."""
    state = visit.state

    def star(*_events: object) -> None:
        visit.found.forget()
        if state.analysis is not None:
            _judge_lines(visit)

    def posterior(*_events: object) -> None:
        if state.selection is not None:
            _find_bands(visit)
            quantiles()

    def quantiles(*_events: object) -> None:
        if visit.found.with_quantile_models and state.selection is not None:
            _find_quantile_models(visit)
        else:
            visit.found.quantile_models = None

    def kind(*_events: object) -> None:
        missing = state.analysis is not None and state.offer.importance is None
        if missing and state.kind is PosteriorKind.WEIGHTED:
            _weigh(visit)

    state.param.watch(star, "analysis")
    state.param.watch(kind, ["analysis", "kind"])
    state.param.watch(posterior, "selection")
    visit.found.param.watch(quantiles, "with_quantile_models")


def _find_bands(visit: Visit) -> None:
    analysis, selection, found = visit.state.analysis, visit.state.selection, visit.found

    def show(result: Bands) -> None:
        found.bands = result
        found.ended("bands")

    if selection.posterior is analysis.posterior and selection.weights is None:
        visit.jobs.stop(_BANDS)
        found.bands = None  # the resimulation's are those
        found.ended("bands")
        return
    found.began("bands")
    visit.jobs.start(
        _BANDS,
        lambda: bands(analysis.flux_vector, selection.posterior, selection.weights, visit.model()),
        show,
        otherwise=lambda: found.ended("bands"),
    )


def _find_quantile_models(visit: Visit) -> None:
    analysis, selection, found = visit.state.analysis, visit.state.selection, visit.found

    def show(result: NDArray) -> None:
        found.quantile_models = result if found.with_quantile_models else None
        found.ended("quantile models")

    found.began("quantile models")
    visit.jobs.start(
        "The quantile models",
        lambda: quantile_models(analysis.flux_vector, selection.posterior, selection.weights, visit.model()),
        show,
        otherwise=lambda: found.ended("quantile models"),
    )


def _judge_lines(visit: Visit) -> None:
    analysis, found = visit.state.analysis, visit.found

    def show(result: LineByLine) -> None:
        found.lines = result
        found.ended("lines")

    found.began("lines")
    visit.jobs.start(
        "The verdict on the lines",
        lambda: line_by_line(analysis, visit.model()),
        show,
        otherwise=lambda: found.ended("lines"),
    )


def _weigh(visit: Visit) -> None:
    state, found = visit.state, visit.found
    analysis = state.analysis

    def show(result: Importance) -> None:
        found.ended("weights")
        state.offer = replace(state.offer, importance=result)
        if result.failed:
            share = 100 * result.efficiency
            state.kind = PosteriorKind.FLOW
            state.warn(
                f"The samples cannot be weighed against the likelihood (effective share {share:.1f} %, "
                f"Pareto k {result.pareto_k:.2f}): the flow's own stay in use; look at the residuals."
            )

    found.began("weights")
    visit.jobs.start(
        "The weights against the likelihood",
        lambda: weigh_analysis(analysis, visit.model()),
        show,
        otherwise=lambda: found.ended("weights"),
    )


def leave_out(visit: Visit, window: LineWindow) -> None:
    """Infer the star again without a line."""
    analysis, found = visit.state.analysis, visit.found

    def show(summary: Summary) -> None:
        found.left_out = LeftOut(window, summary)
        found.ended("left out")

    found.began("left out")
    visit.jobs.start(
        "The star without a line",
        lambda: without_line(analysis, window, visit.model())[1],
        show,
        otherwise=lambda: found.ended("left out"),
    )


def synthesise(visit: Visit) -> None:
    """Compute the MAP and the quantile models exactly, one after the other; each is shown as soon as it is there."""
    analysis, selection, found = visit.state.analysis, visit.state.selection, visit.found
    found.exact = ()
    models: list[Iterator[Exact]] = []

    def one() -> Exact | None:
        if not models:
            models.append(
                resimulate_exactly(analysis.flux_vector, selection.posterior, selection.weights, visit.model())
            )
        return next(models[0], None)

    def show(result: Exact | None) -> None:
        if result is None:
            found.ended("exact")
        else:
            found.exact = (*found.exact, result)
            visit.jobs.start("The exact synthesis", one, show, otherwise=lambda: found.ended("exact"))

    found.began("exact")
    visit.jobs.start("The exact synthesis", one, show, otherwise=lambda: found.ended("exact"))
