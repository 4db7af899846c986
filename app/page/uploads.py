"""Takes in what was dropped: sorted beside the page, then restored, asked about, or analysed one after the other."""

from __future__ import annotations

import asyncio
import io
import logging
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from cinn_core.errors import KielError, SpectrumError
from cinn_core.output.bundle import is_bundle, read_bundle
from cinn_core.readers import list_spectra
from cinn_core.stages import Analysis

from .jobs import QUICK, WORKER, Analyse, Post
from .state import MAX_UPLOAD_BYTES, Question, Request, SessionState, Settings, Source, Star

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


MAX_FILES = 100
"""Spectra in one zip or one drop."""
MAX_UNPACKED = 4 * MAX_UPLOAD_BYTES


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Stars that come back from their bundles, spectra to analyse in turn, and a file to ask about."""

    restored: tuple[Star, ...] = ()
    sources: tuple[Source, ...] = ()
    question: Question | None = None


def sort_arrivals(files: Mapping[str, bytes | str]) -> Arrivals:
    """Dropped files by name; SpectrumError, a sentence, where they cannot be used. Reads headers only."""
    restored: list[Star] = []
    sources: list[Source] = []
    for name, given in files.items():
        content = given.encode() if isinstance(given, str) else bytes(given)
        if is_bundle(content):
            restored.append(restored_star(content, name))
        elif zipfile.is_zipfile(io.BytesIO(content)):
            sources += unpack(content, name)
        else:
            sources.append(Source(content, name))
    if len(sources) > MAX_FILES:
        raise SpectrumError(f"{len(sources)} spectra at once are too many; drop at most {MAX_FILES}.")
    if len(sources) == 1:
        choices = _choices(sources[0])
        if choices:
            return Arrivals(tuple(restored), (), Question(sources[0], choices))
    return Arrivals(tuple(restored), tuple(sources))


def unpack(content: bytes, name: str) -> list[Source]:
    """The files of a zip as sources by their own names; SpectrumError where it is damaged, empty or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _hidden(m.filename)]
            if not members:
                raise SpectrumError(f"{name} holds no file; zip the spectra themselves.")
            if len(members) > MAX_FILES:
                raise SpectrumError(f"{name} holds {len(members)} files; drop at most {MAX_FILES} spectra at once.")
            if sum(m.file_size for m in members) > MAX_UNPACKED:
                raise SpectrumError(
                    f"{name} unpacks to more than {MAX_UNPACKED // 1024**2} MB; split it into several zips."
                )
            return [Source(archive.read(m), PurePosixPath(m.filename).name) for m in members]
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise SpectrumError(
            f"{name} cannot be unpacked ({error}); zip the spectra again, without a password."
        ) from error


def restored_star(content: bytes, name: str) -> Star:
    """The star of a bundle; where the bundle has no observed file, the star is shown but cannot be prepared anew."""
    saved = read_bundle(content, name)
    vector, posterior = saved.analysis.flux_vector, saved.analysis.posterior
    source = Source(saved.source or content, vector.file, saved.hdu, saved.row)
    asked = saved.analysis.provenance.get("samples")
    settings = Settings(asked if isinstance(asked, int) else len(posterior.labels), posterior.seed)
    return Star(Request(source, settings, saved.overrides), saved.analysis, saved.constraints)


def _choices(source: Source) -> tuple:
    try:
        return list_spectra(source.data, source.name)
    except SpectrumError:
        return ()  # the analysis will say what is wrong with it


def _hidden(path: str) -> bool:
    """What operating systems put into a zip beside the files of a person."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)
