"""Uploads: the files that were dropped on the page, sorted, unpacked, and analysed one after the other."""

from __future__ import annotations

import asyncio
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from cinn_core.errors import KielError, SpectrumError
from cinn_core.output.bundle import TABLES, is_bundle, read_bundle
from cinn_core.readers import list_arrays, list_names, list_spectra
from cinn_core.stages import Analysis

from .figures.stars import sketch
from .jobs import QUICK, Analyse, Post, run_behind, run_job
from .state import Question, SessionState
from .visit import MAX_UPLOAD_BYTES, Request, Settings, Source, Star

PAUSE_S = 0.2
"""Files that come within this time of each other were dropped together."""


class Uploads:
    """Uploads of a session: sorted beside the page, then restored, asked about, or analysed one after the other.

    Its methods are called on the document's turn; what takes long runs on the pools.
    """

    def __init__(self, state: SessionState, analyse: Analyse, post: Post, show: Callable[[Source], object]) -> None:
        """`show` analyses one source and puts its star on the page."""
        self._state, self._analyse, self._post, self._show = state, analyse, post, show
        self._files: list[tuple[str, bytes | str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._queue: list[Source] = []
        self._busy = False
        self._asked = 0
        self._before: Analysis | None = None

    def add_file(self, name: str, content: bytes | str) -> None:
        """Take one uploaded file; those that come shortly after it belong to the same drop."""
        self._files.append((name, content))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self._post, self._sort)

    def analyse_all(self, sources: tuple[Source, ...]) -> None:
        """Analyse sources in turn; the first that can be used is shown, the others join the list.

        Where an earlier drop is still being analysed they wait for their turn behind it.
        """
        if self._busy:
            self._queue += sources
        elif sources:
            self._before = self._state.analysis
            self._show(sources[0])
            self._asked = self._state.latest
            self._queue = list(sources[1:])
            self._analyse_next()
        self._state.expect(len(self._queue))

    def _sort(self) -> None:
        """Sort the files of one drop and go on with them."""
        files, self._files = self._files, []
        if files:
            run_job(
                QUICK, self._post, partial(sort_files, files), self._open, self._state.complain, "The upload failed"
            )

    def _open(self, files: SortedFiles) -> None:
        if not self._busy:
            self._state.close_message()
        for star in files.restored:
            self._state.restore(star)
        if files.question is not None:
            self._state.question = files.question
        self.analyse_all(files.sources)
        for complaint in files.complaints:
            self._state.complain(complaint)

    def _analyse_next(self) -> None:
        self._busy = bool(self._queue)
        if self._busy:
            request = Request(self._queue.pop(0), self._state.settings)
            run_behind(self._state, self._analyse, self._post, request, self._go_on)

    def _go_on(self, analysis: Analysis | None) -> None:
        """Show the star that has come where the page waits for one of its drop, and begin with the next file."""
        try:
            came = next((star for star in self._state.stars if star.analysis is analysis), None)
            if came is not None and self._waits_for_one():
                self._state.put(came)
        finally:  # a view that fails must not keep the next file waiting for ever
            remaining = len(self._queue)
            self._analyse_next()
            self._state.expect(len(self._queue) if remaining else 0)

    def _waits_for_one(self) -> bool:
        """Whether the first file of the drop was refused, and nobody has turned to another star since."""
        state = self._state
        return state.is_current(self._asked) and state.status != "working" and state.analysis is self._before


MAX_FILES = 100
"""Spectra in one zip or one drop."""
MAX_UNPACKED = 4 * MAX_UPLOAD_BYTES


@dataclass(frozen=True, eq=False)
class SortedFiles:
    """Uploaded files by what they are: stars that come back from their bundles, spectra to analyse in turn, and a file to ask about."""

    restored: tuple[Star, ...] = ()
    sources: tuple[Source, ...] = ()
    question: Question | None = None
    complaints: tuple[str, ...] = ()


def sort_files(files: Iterable[tuple[str, bytes | str]]) -> SortedFiles:
    """Sort uploaded files (name, data) in their order, reading headers only; a sentence for each that cannot be used."""
    restored: list[Star] = []
    sources: list[Source] = []
    complaints: list[str] = []
    for name, data in files:
        content = data.encode() if isinstance(data, str) else bytes(data)
        try:
            if is_bundle(content):
                restored.append(restored_star(content, name))
            elif zipfile.is_zipfile(io.BytesIO(content)):
                good, bad = unpack(content, name)
                stars = [one for one in good if isinstance(one.data, bytes) and is_bundle(one.data)]
                restored += [restored_star(bytes(one.data), one.name) for one in stars]
                sources += [one for one in good if one not in stars and not (stars and one.name in TABLES)]
                complaints += bad
            else:
                sources.append(Source(content, name))
        except KielError as error:
            complaints.append(str(error))
    if len(sources) > MAX_FILES:
        left = len(sources) - MAX_FILES
        complaints.append(
            f"Of {len(sources)} spectra the first {MAX_FILES} are analysed; drop the other {left} after them."
        )
        sources = sources[:MAX_FILES]
    if len(sources) == 1:
        choices = _choices(sources[0])
        if choices:
            return SortedFiles(tuple(restored), (), Question(sources[0], choices), tuple(complaints))
        names = list_names(sources[0].data, sources[0].name)
        if names:
            arrays = list_arrays(sources[0].data, sources[0].name)
            sketches = tuple(sketch(arrays[n]) if n in arrays else "" for n in names)
            question = Question(sources[0], names=names, sketches=sketches)
            return SortedFiles(tuple(restored), (), question, tuple(complaints))
    return SortedFiles(tuple(restored), tuple(sources), None, tuple(complaints))


def unpack(content: bytes, name: str) -> tuple[list[Source], list[str]]:
    """Files of a zip as sources by their own names, and a sentence for each that cannot be one.

    SpectrumError where the zip as a whole is damaged, empty or too large.
    """
    sources: list[Source] = []
    complaints: list[str] = []
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
            for member in members:
                try:
                    sources.append(Source(archive.read(member), PurePosixPath(member.filename).name))
                except SpectrumError as error:
                    complaints.append(str(error))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, zlib.error) as error:
        raise SpectrumError(
            f"{name} cannot be unpacked ({error}); zip the spectra again, without a password."
        ) from error
    return sources, complaints


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
