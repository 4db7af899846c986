"""Runs the analysis of a session off the event loop: one worker a process, stale requests skipped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from cinn_core.errors import KielError
from cinn_core.stages import Analysis

from .state import SessionState, Source

WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-inference")

Analyse = Callable[[Source, Callable[[str], None]], Analysis]
"""What to run: a source and where to report progress in, the analysis out."""

Post = Callable[[Callable[[], object]], object]
"""Has a call made on the turn of the session's own document, where alone it may be changed; safe from any thread."""


def infer(state: SessionState, analyse: Analyse, post: Post) -> Future[None]:
    """Analyse `state.source` on the worker; stages, star or refusal come back by `post`. Call it on the document's turn."""
    request, source = state.begin(), state.source

    def report(text: str) -> None:
        post(partial(state.report, request, text))

    def work() -> None:
        if not state.is_current(request):
            return
        try:
            analysis = analyse(source, report)
        except KielError as error:
            post(partial(state.refuse, request, str(error)))
        except Exception:
            logging.getLogger("kiel").exception("%r could not be analysed", source.name)
            fault = f"{source.name} could not be analysed because of a fault in Kiel; the log says where."
            post(partial(state.refuse, request, fault))
        else:
            post(partial(state.finish, request, analysis))

    return WORKER.submit(work)
