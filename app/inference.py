"""Runs the analysis of one session off the event loop: one worker a process, stale requests skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

from cinn_core.errors import KielError
from cinn_core.stages import Analysis

from .state import SessionState, Source

WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kiel-inference")

Analyse = Callable[[Source, Callable[[str], None]], Analysis]
"""What to run: a source and where to report progress in, the analysis out."""

Post = Callable[[Callable[[], None]], None]
"""Schedules a call on the session's own thread."""


Batch = Callable[[], AbstractContextManager[object]]
"""Holds back the page's updates until the end of its block."""


async def infer(state: SessionState, analyse: Analyse, post: Post, batch: Batch = nullcontext) -> None:
    """Analyse `state.source` on the worker; the page stays alive, learns of each stage, and changes star at once."""
    request, source = state.begin(), state.source

    def report(text: str) -> None:
        post(lambda: state.report(request, text))

    def work() -> Analysis | None:
        return analyse(source, report) if state.is_current(request) else None

    try:
        analysis = await asyncio.get_running_loop().run_in_executor(WORKER, work)
    except KielError as error:
        state.refuse(request, str(error))
    except Exception:
        state.refuse(request, f"{source.name} could not be analysed because of a fault in Kiel; the log says where.")
        raise
    else:
        if analysis is not None:
            with batch():
                state.finish(request, analysis)
