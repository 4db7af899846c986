"""Uploads: the files that were dropped on the page, sorted, unpacked, and analysed one after the other."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from cinn_core.errors import SpectrumError
from cinn_core.output.bundle import is_bundle, read_bundle
from cinn_core.readers import list_names, list_spectra
from cinn_core.stages import Analysis

from .jobs import QUICK, WORKER, Analyse, Post, run_job
from .state import MAX_UPLOAD_BYTES, Question, Request, SessionState, Settings, Source, Star

PAUSE_S = 0.2
"""Files that come within this time of each other were dropped together."""


class Uploads:
    """Uploads of a session: sorted beside the page, then restored, asked about, or analysed one after the other.

    Its methods are called on the document's turn; what takes long runs on the pools.
    """

    def __init__(self, state: SessionState, analyse: Analyse, post: Post, show: Callable[[Source], object]) -> None:
        """`show` analyses one source and puts its star on the page."""
        self._state, self._analyse, self._post, self._show = state, analyse, post, show
        self._files: dict[str, bytes | str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._queue: list[Source] = []
        self._busy = False
        self._complaints: list[str] = []

    def add_file(self, name: str, content: bytes | str) -> None:
        """Take one uploaded file; those that come shortly after it belong to the same drop."""
        self._files[name] = content
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self._post, self._sort)

    def analyse_all(self, sources: tuple[Source, ...]) -> None:
        """Analyse sources in turn, the page's own star in between; the first is shown, the others join the list."""
        if self._busy:
            self._queue += sources
        elif sources:
            self._show(sources[0])
            self._queue, self._complaints = list(sources[1:]), []
            self._analyse_next()
        self._state.waiting = len(self._queue)

    def _sort(self) -> None:
        """Sort the files of one drop and go on with them."""
        files, self._files = self._files, {}
        if files:
            run_job(QUICK, self._post, partial(sort_files, files), self._open, self._state.warn, "The upload failed")

    def _open(self, files: SortedFiles) -> None:
        for star in files.restored:
            self._state.restore(star)
        if files.question is not None:
            self._state.question = files.question
        self.analyse_all(files.sources)

    def _analyse_next(self) -> None:
        self._busy = bool(self._queue)
        if not self._busy:
            return
        request = Request(self._queue.pop(0), self._state.settings)

        def show(analysis: Analysis) -> None:
            with self._going_on():
                self._state.keep(Star(request, analysis))

        def refuse(complaint: str) -> None:
            with self._going_on():
                self._complaints.append(complaint)
                self._state.warn(" ".join(self._complaints))

        compute = partial(self._analyse, request, lambda _text: None)
        run_job(WORKER, self._post, compute, show, refuse, f"{request.source.name} failed")

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Begin with the next file in the end; a view that fails must not keep it waiting for ever."""
        try:
            yield
        finally:
            remaining = len(self._queue)
            self._analyse_next()
            self._state.waiting = remaining


MAX_FILES = 100
"""Spectra in one zip or one drop."""
MAX_UNPACKED = 4 * MAX_UPLOAD_BYTES


@dataclass(frozen=True, eq=False)
class SortedFiles:
    """Uploaded files by what they are: stars that come back from their bundles, spectra to analyse in turn, and a file to ask about."""

    restored: tuple[Star, ...] = ()
    sources: tuple[Source, ...] = ()
    question: Question | None = None


def sort_files(files: Mapping[str, bytes | str]) -> SortedFiles:
    """Sort uploaded files, data by name, reading headers only; SpectrumError where they cannot be used."""
    restored: list[Star] = []
    sources: list[Source] = []
    for name, data in files.items():
        content = data.encode() if isinstance(data, str) else bytes(data)
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
            return SortedFiles(tuple(restored), (), Question(sources[0], choices))
        names = list_names(sources[0].data, sources[0].name)
        if names:
            return SortedFiles(tuple(restored), (), Question(sources[0], names=names))
    return SortedFiles(tuple(restored), tuple(sources))


def unpack(content: bytes, name: str) -> list[Source]:
    """Files of a zip as sources by their own names; SpectrumError where it is damaged, empty or too large."""
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
    source = Source(saved.source or content, vector.file, saved.hdu, saved.row, saved.naming)
    asked = saved.analysis.provenance.get("samples")
    settings = Settings(asked if isinstance(asked, int) else len(posterior.labels), posterior.seed)
    return Star(Request(source, settings, saved.overrides), saved.analysis, saved.constraints)


def _choices(source: Source) -> tuple:
    try:
        return list_spectra(source.data, source.name)
    except SpectrumError:
        return ()  # the analysis will say what is wrong with it


def _hidden(path: str) -> bool:
    """Whether a path in a zip was put there by an operating system beside the files of a person."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)
