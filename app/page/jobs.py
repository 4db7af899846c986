"""Jobs of a session, run off the event loop: the analysis of a star, and the smaller ones beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from cinn_core.errors import KielError
from cinn_core.stages import Analysis, Answer

from .state import SessionState
from .visit import Request

WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-inference")
"""One analysis at a time in a process."""
SIDE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-side")
"""Bands, a line left out, exact synthesis: seconds each, after the star is shown."""
QUICK = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-quick")
"""Answers to a moving slider: tens of milliseconds each, never behind a long job."""

Analyse = Callable[[Request, Callable[[str | Answer], None]], Analysis]
"""Analyses a request; its second argument takes the name of each stage as it begins, and the numbers once they are there."""

Post = Callable[[Callable[[], object]], object]
"""Posts a call, safely from any thread, to the next turn of the session's document, where alone it may be changed."""

_LOG = logging.getLogger("kiel")
_T = TypeVar("_T")


class Stale(Exception):
    """A job whose result is no longer waited for; raised by what computes it, it ends without a word."""


def run_job(
    pool: ThreadPoolExecutor,
    post: Post,
    compute: Callable[[], _T],
    show: Callable[[_T], object],
    refuse: Callable[[str], object],
    failure: str,
) -> Future[None]:
    """Run `compute` on a pool, then post `show` with its result, or `refuse` with one sentence on what went wrong.

    That is the sentence of a KielError; for any other error it is `failure` and where to look, and the log has the rest.
    """

    def work() -> None:
        try:
            result = compute()
        except Stale:
            return
        except KielError as error:
            post(partial(refuse, str(error)))
        except Exception:
            _LOG.exception("a job of a session failed")
            post(partial(refuse, f"{failure} because of a fault in Kiel; the log says where."))
        else:
            post(partial(show, result))

    return pool.submit(work)


def run_analysis(state: SessionState, analyse: Analyse, post: Post) -> Future[None]:
    """Analyse what `state` asks for on the worker, and have it show stages, star or refusal; call it on the document's turn.

    A request that was cancelled or superseded ends when its next stage would begin.
    """
    number, request = state.begin(), state.request
    assert request is not None  # begin() refuses where there is none
    return _run(state, analyse, post, number, request)


def run_behind(
    state: SessionState, analyse: Analyse, post: Post, request: Request, after: Callable[[Analysis | None], object]
) -> Future[None]:
    """Analyse a request on the worker for the list alone; `after` is called with its analysis, or None, in the end."""
    return _run(state, analyse, post, state.begin_behind(request), request, after)


def _run(
    state: SessionState, analyse: Analyse, post: Post, number: int, request: Request,
    after: Callable[[Analysis | None], object] = lambda _analysis: None,
) -> Future[None]:  # fmt: skip
    def report(what: str | Answer) -> None:
        if not state.is_wanted(number):
            raise Stale
        post(partial(state.report, number, what))

    def compute() -> Analysis:
        if not state.is_wanted(number):
            raise Stale
        with _logged_outcome():
            return analyse(request, report)

    def show(analysis: Analysis) -> None:
        try:
            state.finish(number, analysis)
        finally:
            after(analysis)

    def refuse(message: str) -> None:
        try:
            state.refuse(number, message)
        finally:
            after(None)

    return run_job(WORKER, post, compute, show, refuse, f"{request.source.name} could not be analysed")


@contextmanager
def _logged_outcome() -> Iterator[None]:
    """Log how an analysis ended and how long it took; nothing of whose it was."""
    began, outcome = time.perf_counter(), ""
    try:
        yield
        outcome = "answered"
    except (Stale, KielError) as error:
        outcome = "stale" if isinstance(error, Stale) else "refused"
        raise
    finally:
        if outcome:
            seconds = round(time.perf_counter() - began, 2)
            _LOG.info("analysis", extra={"numbers": {"outcome": outcome, "seconds": seconds}})


class Jobs:
    """Smaller jobs of a session: the newest of each name wins, and none outlives the star it was begun for."""

    def __init__(self, state: SessionState, post: Post) -> None:
        self._state = state
        self._post = post
        self._newest: dict[str, int] = {}

    def start(
        self,
        name: str,
        compute: Callable[[], _T],
        show: Callable[[_T], object],
        pool: ThreadPoolExecutor = SIDE,
        otherwise: Callable[[], object] = lambda: None,
    ) -> Future[None]:
        """Run `compute` on a pool and `show` its result on the document's turn; call it on that turn too.

        What went wrong is shown in `state.message`, and `otherwise` called. A newer job of the same name, which a
        sentence can begin with, makes this one stale.
        """
        number = self._newest[name] = self._newest.get(name, 0) + 1
        star = self._state.analysis

        def is_current() -> bool:
            return self._newest[name] == number and self._state.analysis is star

        def compute_if_current() -> _T:
            if not is_current():
                raise Stale
            return compute()

        def show_if_current(result: _T) -> None:
            if is_current():
                show(result)

        def refuse(message: str) -> None:
            if is_current():
                self._state.warn(message)
                otherwise()

        return run_job(pool, self._post, compute_if_current, show_if_current, refuse, f"{name} could not be computed")

    def stop(self, name: str) -> None:
        """Make the running job of a name stale."""
        self._newest[name] = self._newest.get(name, 0) + 1
