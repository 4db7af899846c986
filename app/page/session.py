"""One session as the views see it: its state, its results on demand, and the ways to have something computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import param

from cinn_core.analyse import more_of_analysis, weigh_analysis
from cinn_core.explanation.exact import Exact, resimulate_exactly
from cinn_core.explanation.line_by_line import LineByLine, line_by_line, without_line
from cinn_core.inference.model import Model
from cinn_core.inference.predictive import Bands, bands, quantile_models
from cinn_core.inference.selection import PosteriorKind
from cinn_core.lines import LineWindow
from cinn_core.stages import Importance, MoreElements, PosteriorSamples, Summary

from .jobs import Jobs, Post
from .state import SessionState
from .uploads import Uploads
from .visit import Settings, Source

_JOBS = {
    "bands": "The bands of the posterior",
    "quantile models": "The quantile models",
    "lines": "The verdict on the lines",
    "left out": "The star without a line",
    "exact": "The exact synthesis",
    "weights": "The weights against the likelihood",
    "more": "The elements beside the targets",
}
"""Results on demand, and the name of each in a sentence."""


@dataclass(frozen=True)
class LeftOut:
    """The star without one line."""

    window: LineWindow
    posterior: PosteriorSamples
    summary: Summary


class Results(param.Parameterized):
    """Results on demand: None or empty until their job is done, and again with every new star."""

    bands = param.ClassSelector(class_=Bands, doc="Bands of the selected posterior; None: those of the resimulation.")
    with_quantile_models = param.Boolean(default=False, doc="Whether a person wants to see the quantile models.")
    quantile_models = param.Array(doc="The quantile models of the selected posterior (4, N_PIXELS).")
    lines = param.ClassSelector(class_=LineByLine, doc="The verdict on each diagnostic line.")
    left_out = param.ClassSelector(class_=LeftOut, doc="The star without the line that was left out last.")
    exact = param.ClassSelector(class_=tuple, default=(), doc="Exact models so far: the MAP, then the quantile models.")
    more = param.ClassSelector(class_=MoreElements, doc="Thirteen elements beside the targets, once asked for.")
    working = param.ListSelector(default=[], objects=list(_JOBS), doc="Jobs that run.")

    def clear(self) -> None:
        """Empty everything, for another star."""
        self.param.update(bands=None, quantile_models=None, lines=None, left_out=None, exact=(), more=None, working=[])

    def mark_begun(self, job: str) -> None:
        self.working = [*(name for name in self.working if name != job), job]

    def mark_ended(self, job: str) -> None:
        self.working = [name for name in self.working if name != job]


def keep_results_current(session: Session) -> None:
    """Judge the lines of every new star, and compute its bands whenever another posterior is selected."""
    state = session.state

    def star(*_events: object) -> None:
        session.results.clear()
        if state.analysis is not None:
            session.results.more = state.analysis.more
            _judge_lines(session)

    def posterior(*_events: object) -> None:
        if state.selection is not None:
            _compute_bands(session)
            _compute_quantile_models(session)

    def kind(*_events: object) -> None:
        missing = state.analysis is not None and state.corrections.importance is None
        if missing and state.kind is PosteriorKind.WEIGHTED:
            _weigh(session)

    state.param.watch(star, "analysis")
    state.param.watch(kind, ["analysis", "kind"])
    state.param.watch(posterior, "selection")
    session.results.param.watch(lambda _event: _compute_quantile_models(session), "with_quantile_models")


def _compute(session: Session, job: str, compute: Callable[[], Any], show: Callable[[Any], object]) -> None:
    """Compute a result of `_JOBS` beside the page and show it; an earlier job of the name is forgotten."""
    results = session.results

    def done(result: Any) -> None:
        results.mark_ended(job)
        show(result)

    results.mark_begun(job)
    session.jobs.start(_JOBS[job], compute, done, otherwise=lambda: results.mark_ended(job))


def _forget(session: Session, job: str) -> None:
    """Forget the result of a job that may run."""
    session.jobs.stop(_JOBS[job])
    session.results.mark_ended(job)


def _compute_bands(session: Session) -> None:
    analysis, selection, results = session.state.analysis, session.state.selection, session.results
    if selection.posterior is analysis.posterior and selection.weights is None:
        _forget(session, "bands")
        results.bands = None  # the resimulation's are those
        return
    _compute(
        session,
        "bands",
        lambda: bands(analysis.flux_vector, selection.posterior, selection.weights, session.model()),
        lambda result: results.param.update(bands=result),
    )


def _compute_quantile_models(session: Session) -> None:
    analysis, selection, results = session.state.analysis, session.state.selection, session.results
    if selection is None or not results.with_quantile_models:
        _forget(session, "quantile models")
        results.quantile_models = None
        return
    _compute(
        session,
        "quantile models",
        lambda: quantile_models(analysis.flux_vector, selection.posterior, selection.weights, session.model()),
        lambda result: results.param.update(quantile_models=result),
    )


def _judge_lines(session: Session) -> None:
    analysis, results = session.state.analysis, session.results
    _compute(
        session,
        "lines",
        lambda: line_by_line(analysis, session.model()),
        lambda result: results.param.update(lines=result),
    )


def _weigh(session: Session) -> None:
    state, analysis = session.state, session.state.analysis

    def show(result: Importance) -> None:
        state.corrections = replace(state.corrections, importance=result)
        if result.failed:
            share = 100 * result.efficiency
            state.kind = PosteriorKind.FLOW
            state.warn(
                f"The samples cannot be weighed against the likelihood (effective share {share:.1f} %, "
                f"Pareto k {result.pareto_k:.2f}): the flow's own stay in use; look at the residuals."
            )

    _compute(session, "weights", lambda: weigh_analysis(analysis, session.model()), show)


def draw_more(session: Session) -> None:
    """Draw the thirteen elements beside the targets."""
    analysis, results = session.state.analysis, session.results
    _compute(
        session,
        "more",
        lambda: more_of_analysis(analysis, session.model()),
        lambda result: results.param.update(more=result),
    )


def leave_out(session: Session, window: LineWindow) -> None:
    """Infer the star again without a line."""
    analysis, results = session.state.analysis, session.results
    _compute(
        session,
        "left out",
        lambda: LeftOut(window, *without_line(analysis, window, session.model())),
        lambda result: results.param.update(left_out=result),
    )


def synthesise(session: Session) -> None:
    """Compute the MAP and the quantile models exactly, one after the other; each is shown as soon as it is there."""
    analysis, selection, results = session.state.analysis, session.state.selection, session.results
    results.exact = ()
    models: list[Iterator[Exact]] = []

    def one() -> Exact | None:
        if not models:
            models.append(
                resimulate_exactly(analysis.flux_vector, selection.posterior, selection.weights, session.model())
            )
        return next(models[0], None)

    def show(result: Exact | None) -> None:
        if result is not None:
            results.exact = (*results.exact, result)
            _compute(session, "exact", one, show)

    _compute(session, "exact", one, show)


def undo(session: Session) -> None:
    """Take back what was changed of the star last: a line that is left out on trial, else the last change."""
    if session.results.left_out is not None:
        session.results.left_out = None
    else:
        session.state.undo()


AnalyseSource = Callable[[Callable[[], Source]], None]
"""Analyses a source that its argument makes on the document's turn; a SpectrumError of the making is shown."""


@dataclass(frozen=True)
class Session:
    """One session of the page.

    `analyse_source` has another star analysed, `analyse_again` the same one with the settings and overrides that the
    state has now; `post` has a call made on the document's next turn; `jobs` runs what takes long beside the page;
    `results` are computed there on demand; `model` gives the model, loaded once a process: call it in a job; `uploads`
    takes what is dropped on the page.
    """

    state: SessionState
    jobs: Jobs
    model: Callable[[], Model]
    analyse_source: AnalyseSource
    analyse_again: Callable[[], None]
    post: Post
    devices: tuple[str, ...]
    examples: dict[str, Path]
    uploads: Uploads
    results: Results = field(default_factory=Results)

    def change_settings(self, settings: Settings) -> None:
        """Draw the posterior anew with other samples, seed or device."""
        self.state.settings = settings
        if self.state.source is not None:
            self.analyse_again()
