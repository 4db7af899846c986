"""What the parts of the page are built from: the state of one visit, and the ways to have something computed for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import param

from cinn_core.analyse import weigh_analysis
from cinn_core.explanation.exact import Exact, resimulate_exactly
from cinn_core.explanation.line_by_line import LineByLine, line_by_line, without_line
from cinn_core.inference.model import Model
from cinn_core.inference.predictive import Bands, bands, quantile_models
from cinn_core.inference.selection import PosteriorKind
from cinn_core.lines import LineWindow
from cinn_core.stages import Importance, Summary

from .jobs import Jobs
from .state import SessionState, Settings, Source
from .uploads import Receiver

_JOBS = {
    "bands": "The bands of the posterior",
    "quantile models": "The quantile models",
    "lines": "The verdict on the lines",
    "left out": "The star without a line",
    "exact": "The exact synthesis",
    "weights": "The weights against the likelihood",
}
"""What is worked out, and its name in a sentence."""


@dataclass(frozen=True)
class LeftOut:
    """The star without one line."""

    window: LineWindow
    summary: Summary


class Findings(param.Parameterized):
    """None or empty until the job is done; all but what a person wants to see is emptied with every new star."""

    bands = param.ClassSelector(class_=Bands, doc="Bands of the posterior in use; None: those of the resimulation.")
    with_quantile_models = param.Boolean(default=False, doc="Whether a person wants to see the quantile models.")
    quantile_models = param.Array(doc="The quantile models of the posterior in use (4, N_PIXELS), if wanted.")
    lines = param.ClassSelector(class_=LineByLine, doc="The verdict on each diagnostic line.")
    left_out = param.ClassSelector(class_=LeftOut, doc="The star without the line that was left out last.")
    exact = param.ClassSelector(class_=tuple, default=(), doc="Exact models so far: the MAP, then the quantile models.")
    working = param.ListSelector(default=[], objects=list(_JOBS), doc="Jobs that run.")

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
            _find_quantile_models(visit)

    def kind(*_events: object) -> None:
        missing = state.analysis is not None and state.offer.importance is None
        if missing and state.kind is PosteriorKind.WEIGHTED:
            _weigh(visit)

    state.param.watch(star, "analysis")
    state.param.watch(kind, ["analysis", "kind"])
    state.param.watch(posterior, "selection")
    visit.found.param.watch(lambda _event: _find_quantile_models(visit), "with_quantile_models")


def _work_out(visit: Visit, job: str, compute: Callable[[], Any], show: Callable[[Any], object]) -> None:
    """Have a job of `_JOBS` computed beside the page and its result shown; an earlier one of the name is forgotten."""
    found = visit.found

    def done(result: Any) -> None:
        found.ended(job)
        show(result)

    found.began(job)
    visit.jobs.start(_JOBS[job], compute, done, otherwise=lambda: found.ended(job))


def _leave(visit: Visit, job: str) -> None:
    """Forget a job, if it runs."""
    visit.jobs.stop(_JOBS[job])
    visit.found.ended(job)


def _find_bands(visit: Visit) -> None:
    analysis, selection, found = visit.state.analysis, visit.state.selection, visit.found
    if selection.posterior is analysis.posterior and selection.weights is None:
        _leave(visit, "bands")
        found.bands = None  # the resimulation's are those
        return
    _work_out(
        visit,
        "bands",
        lambda: bands(analysis.flux_vector, selection.posterior, selection.weights, visit.model()),
        lambda result: found.param.update(bands=result),
    )


def _find_quantile_models(visit: Visit) -> None:
    analysis, selection, found = visit.state.analysis, visit.state.selection, visit.found
    if selection is None or not found.with_quantile_models:
        _leave(visit, "quantile models")
        found.quantile_models = None
        return
    _work_out(
        visit,
        "quantile models",
        lambda: quantile_models(analysis.flux_vector, selection.posterior, selection.weights, visit.model()),
        lambda result: found.param.update(quantile_models=result),
    )


def _judge_lines(visit: Visit) -> None:
    analysis, found = visit.state.analysis, visit.found
    _work_out(
        visit,
        "lines",
        lambda: line_by_line(analysis, visit.model()),
        lambda result: found.param.update(lines=result),
    )


def _weigh(visit: Visit) -> None:
    state, analysis = visit.state, visit.state.analysis

    def show(result: Importance) -> None:
        state.offer = replace(state.offer, importance=result)
        if result.failed:
            share = 100 * result.efficiency
            state.kind = PosteriorKind.FLOW
            state.warn(
                f"The samples cannot be weighed against the likelihood (effective share {share:.1f} %, "
                f"Pareto k {result.pareto_k:.2f}): the flow's own stay in use; look at the residuals."
            )

    _work_out(visit, "weights", lambda: weigh_analysis(analysis, visit.model()), show)


def leave_out(visit: Visit, window: LineWindow) -> None:
    """Infer the star again without a line."""
    analysis, found = visit.state.analysis, visit.found
    _work_out(
        visit,
        "left out",
        lambda: without_line(analysis, window, visit.model())[1],
        lambda summary: found.param.update(left_out=LeftOut(window, summary)),
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
        if result is not None:
            found.exact = (*found.exact, result)
            _work_out(visit, "exact", one, show)

    _work_out(visit, "exact", one, show)


Ask = Callable[[Callable[[], Source]], None]
"""Asks for the star of a source yet to be made; a SpectrumError of the making is shown."""


@dataclass(frozen=True)
class Visit:
    """One visit to the page.

    `ask` has another star analysed, `again` the same one with the state's settings and overrides as they are now;
    `found` is what was worked out beside the star; `soon` makes a call on the document's next turn;
    `jobs` runs what takes long beside the page; `model` gives the model, loaded once a process: call it in a job;
    `intake` takes what is dropped on the page.
    """

    state: SessionState
    jobs: Jobs
    model: Callable[[], Model]
    ask: Ask
    again: Callable[[], None]
    soon: Callable[[Callable[[], object]], None]
    devices: tuple[str, ...]
    examples: dict[str, Path]
    intake: Receiver
    found: Findings = field(default_factory=Findings)

    def set_up(self, settings: Settings) -> None:
        """Draw the posterior anew with other samples, seed or device."""
        self.state.settings = settings
        if self.state.source is not None:
            self.again()
