"""What a person drops on the page, sorted: stars to restore, spectra to analyse, and a file of several to ask about."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from app.state import MAX_UPLOAD_BYTES, Question, Request, Settings, Source, Star
from cinn_core.errors import SpectrumError
from cinn_core.output.bundle import is_bundle, read_bundle
from cinn_core.readers import list_spectra

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
