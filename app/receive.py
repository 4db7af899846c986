"""Takes in what was dropped: sorted beside the page, then restored, asked about, or analysed one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from cinn_core.errors import KielError
from cinn_core.stages import Analysis

from .arrivals import Arrivals, sort_arrivals
from .inference import QUICK, WORKER, Analyse, Post
from .state import Request, SessionState, Source, Star

_LOG = logging.getLogger("kiel")
PAUSE_S = 0.2
"""Files that come within this time of each other were dropped together."""


class Receiver:
    """A session's intake; its calls come on the document's turn, its work runs on the pools."""

    def __init__(
        self, state: SessionState, analyse: Analyse, post: Callable[[], Post], show: Callable[[Source], object]
    ) -> None:
        """`show` analyses one source and puts its star on the page."""
        self._state, self._analyse, self._post, self._show = state, analyse, post, show
        self._files: dict[str, bytes | str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._queue: list[Source] = []
        self._busy = False
        self._complaints: list[str] = []

    def collect(self, name: str, content: bytes | str) -> None:
        """Take one file; those that come shortly after it belong to the same drop."""
        self._files[name] = content
        if self._timer is not None:
            self._timer.cancel()
        post = self._post()
        self._timer = asyncio.get_running_loop().call_later(PAUSE_S, lambda: post(self._collected))

    def _collected(self) -> None:
        files, self._files = self._files, {}
        if files:
            self.receive(files)

    def receive(self, files: Mapping[str, bytes | str]) -> None:
        """Sort what was dropped and go on with it."""
        post = self._post()

        def work() -> None:
            try:
                arrivals = sort_arrivals(files)
            except KielError as error:
                post(partial(self._state.warn, str(error)))
            except Exception:
                _LOG.exception("an upload could not be sorted")
                post(partial(self._state.warn, "The upload failed because of a fault in Kiel; the log says where."))
            else:
                post(partial(self._arrived, arrivals))

        QUICK.submit(work)

    def analyse_all(self, sources: tuple[Source, ...]) -> None:
        """Analyse sources in turn, the page's own star in between; the first is shown, the others join the list."""
        if self._busy:
            self._queue += sources
        elif sources:
            self._show(sources[0])
            self._queue, self._complaints = list(sources[1:]), []
            self._next(self._post())
        self._state.waiting = len(self._queue)

    def stop(self) -> None:
        """Leave the rest of an upload of several."""
        self._queue.clear()
        self._state.waiting = 0

    def _arrived(self, arrivals: Arrivals) -> None:
        for star in arrivals.restored:
            self._state.restore(star)
        if arrivals.question is not None:
            self._state.question = arrivals.question
        self.analyse_all(arrivals.sources)

    def _next(self, post: Post) -> None:
        self._busy = bool(self._queue)
        if not self._busy:
            return
        source = self._queue.pop(0)
        request = Request(source, self._state.settings)

        def done(analysis: Analysis | None, complaint: str) -> None:
            try:
                if analysis is not None:
                    self._state.keep(Star(request, analysis))
                elif complaint:
                    self._complaints.append(complaint)
                    self._state.warn(" ".join(self._complaints))
            finally:  # a view that fails must not keep the next files waiting for ever
                left = len(self._queue)
                self._next(post)
                self._state.waiting = left

        def work() -> None:
            analysis, complaint = None, ""
            try:
                analysis = self._analyse(request, lambda _text: None)
            except KielError as error:
                complaint = str(error)
            except Exception:
                _LOG.exception("a star of several could not be analysed")
                complaint = f"{source.name} failed because of a fault in Kiel; the log says where."
            post(partial(done, analysis, complaint))

        WORKER.submit(work)
