"""Runs the work of a session off the event loop: the analysis of a star, and the smaller jobs beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from cinn_core.errors import KielError
from cinn_core.stages import Analysis

from .state import Request, SessionState

WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-inference")
"""One analysis at a time in a process."""
SIDE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-side")
"""Bands, a line left out, exact synthesis: seconds each, after the star is shown."""
QUICK = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-quick")
"""What must answer a moving slider: tens of milliseconds each, never behind a long job."""

Analyse = Callable[[Request, Callable[[str], None]], Analysis]
"""What to run: a request and where to report progress in, the analysis out."""

Post = Callable[[Callable[[], object]], object]
"""Has a call made on the turn of the session's own document, where alone it may be changed; safe from any thread."""

_LOG = logging.getLogger("kiel")


class _Stale(Exception):
    """Nobody waits for this any more."""


def infer(state: SessionState, analyse: Analyse, post: Post) -> Future[None]:
    """Analyse what `state` asks for on the worker; stages, star or refusal come back by `post`. Call it on the document's turn.

    A request that has become stale, or was cancelled, ends when its next stage would begin.
    """
    number = state.begin()
    request = state.request
    assert request is not None  # begin() refuses where there is none

    def report(text: str) -> None:
        if not state.is_current(number):
            raise _Stale
        post(partial(state.report, number, text))

    def work() -> None:
        if not state.is_current(number):
            return
        name, began = request.source.name, time.perf_counter()
        try:
            analysis = analyse(request, report)
        except _Stale:
            _note("stale", began)
        except KielError as error:
            _note("refused", began)
            post(partial(state.refuse, number, str(error)))
        except Exception:
            _LOG.exception("an analysis failed")
            fault = f"{name} could not be analysed because of a fault in Kiel; the log says where."
            post(partial(state.refuse, number, fault))
        else:
            _note("answered", began)
            post(partial(state.finish, number, analysis))

    return WORKER.submit(work)


def _note(outcome: str, began: float) -> None:
    """Log how an analysis ended and how long it took; nothing of whose it was."""
    _LOG.info("analysis", extra={"numbers": {"outcome": outcome, "seconds": round(time.perf_counter() - began, 2)}})


class Jobs:
    """A session's smaller jobs: the newest of each kind wins, and none outlives the star it was begun for."""

    def __init__(self, state: SessionState, post: Callable[[], Post]) -> None:
        self._state = state
        self._post = post
        self._newest: dict[str, int] = {}

    def start(
        self,
        kind: str,
        compute: Callable[[], Any],
        show: Callable[[Any], object],
        pool: ThreadPoolExecutor = SIDE,
        otherwise: Callable[[], object] = lambda: None,
    ) -> Future[None]:
        """Run `compute` on a pool and `show` its result on the document's turn; call it on that turn too.

         What went wrong is shown in `state.message`, and `otherwise` called.
        `kind` names the job: a newer one of the same kind makes it stale.
        """
        number = self._newest[kind] = self._newest.get(kind, 0) + 1
        star, post = self._state.analysis, self._post()

        def wanted() -> bool:
            return self._newest[kind] == number and self._state.analysis is star

        def deliver(call: Callable[[], object]) -> None:
            post(lambda: call() if wanted() else None)

        def work() -> None:
            if not wanted():
                return
            try:
                result = compute()
            except KielError as error:
                deliver(partial(self._state.warn, str(error)))
                deliver(otherwise)
            except Exception:
                _LOG.exception("a job beside an analysis failed")
                fault = f"{kind} could not be computed because of a fault in Kiel; the log says where."
                deliver(partial(self._state.warn, fault))
                deliver(otherwise)
            else:
                deliver(partial(show, result))

        return pool.submit(work)

    def stop(self, kind: str) -> None:
        """Make the running job of a kind stale."""
        self._newest[kind] = self._newest.get(kind, 0) + 1
