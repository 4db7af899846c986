"""What a visit holds: spectra asked for, the stars that came of them, and what a person changed of each by hand."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path

from cinn_core.errors import KielError, SpectrumError
from cinn_core.inference.constraints import Constraint
from cinn_core.instrument import ARMS
from cinn_core.overrides import NOTHING_GIVEN, Overrides
from cinn_core.readers import Naming
from cinn_core.stages import Analysis

MAX_UPLOAD_BYTES = 64 * 1024 * 1024
"""Largest upload; the finest echelle spectra are ten times smaller, and every visitor may hold one in memory."""
MOST_CHANGES = 12
"""Changes of all stars of a visit that can be undone, some 5 MB each."""


@dataclass(frozen=True)
class Source:
    """A spectrum to analyse: a path or the bytes of a file, the name the person knows it by, and which one of several.

    others: further exposures of its star, which are added to it.
    """

    data: Path | bytes
    name: str
    hdu: int | None = None
    row: int | None = None
    naming: Naming | None = None
    others: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.data, bytes) and len(self.data) > MAX_UPLOAD_BYTES:
            raise SpectrumError(too_large(self.name))
        if isinstance(self.data, bytes) and not self.data:
            raise SpectrumError(f"{self.name} is empty; drop a file that holds a spectrum.")


@dataclass(frozen=True)
class Settings:
    """Settings of the posterior: number of samples, their seed, and the device that the network runs on."""

    n_samples: int = 4096
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class Request:
    """Input of an analysis: source, settings, overrides."""

    source: Source
    settings: Settings = Settings()
    overrides: Overrides = NOTHING_GIVEN


@dataclass(frozen=True, eq=False)
class Star:
    """One star of a session as it was analysed, with the constraints that it had when it was last shown."""

    request: Request
    analysis: Analysis
    constraints: tuple[Constraint, ...] = ()

    @property
    def key(self) -> tuple[str, int | None, int | None, Naming | None]:
        """Identity of the spectrum: the hash of its file, and its place among several in it."""
        source = self.request.source
        return self.analysis.flux_vector.sha256, source.hdu, source.row, source.naming

    @property
    def identity(self) -> str:
        """The key as one word: the hash of the file, or a hash of that and of the place in it where it holds several."""
        sha256, *place = self.key
        if all(part is None for part in place):
            return sha256
        return hashlib.sha256(" ".join(map(str, self.key)).encode()).hexdigest()

    @property
    def name(self) -> str:
        """What the star is called: by its file's header, else by its file."""
        return self.analysis.flux_vector.star or self.analysis.flux_vector.file


def too_large(name: str) -> str:
    """The sentence for an upload beyond the limit."""
    return f"{name} is larger than {MAX_UPLOAD_BYTES // 1024**2} MB; drop a file with one star's spectrum."


@dataclass(frozen=True)
class Pin:
    """A line of a reader's own list: what it is called, and its wavelength in air [Angstrom]."""

    name: str
    wavelength: float

    def __str__(self) -> str:
        return f"{self.name} {self.wavelength:g}".strip()


MOST_PINS = 60


def pins_of(text: str) -> tuple[Pin, ...]:
    """A list of lines as a person types it: name and wavelength, such as Ba II 6141.71, the next after a semicolon or a comma.

    KielError for what has no wavelength within an arm, and for more than can be drawn.
    """
    pins = []
    for part in re.split(r"[;\n]|,(?!\d)", text):
        if not part.strip():
            continue
        name, _, number = part.strip().rpartition(" ")
        try:
            at = float(number.replace(",", "."))
        except ValueError:
            at = math.nan
        if not any(arm.low <= at <= arm.high for arm in ARMS):
            arms = " or ".join(f"{arm.low:.0f}–{arm.high:.0f}" for arm in ARMS)
            raise KielError(f"{part.strip()!r} has no wavelength within {arms} Å; give lines such as Ba II 6141.71.")
        pins.append(Pin(name.strip()[:20], at))
    if len(pins) > MOST_PINS:
        raise KielError(f"These are {len(pins)} lines; a list holds at most {MOST_PINS}.")
    return tuple(pins)


@dataclass(frozen=True, eq=False)
class Change:
    """A change that a person made: what, in words, and the star before and after it."""

    words: str
    before: Star
    after: Star


@dataclass(frozen=True, eq=False)
class History:
    """Changes of the stars of a visit, each star's own to undo and to redo; the newest stand last."""

    done: tuple[Change, ...] = ()
    undone: tuple[Change, ...] = ()

    def last(self, star: Star | None) -> Change | None:
        """The newest change of a star; None without one."""
        return _newest(self.done, star)

    def next(self, star: Star | None) -> Change | None:
        """The change of a star that was undone last; None without one."""
        return _newest(self.undone, star)

    def add(self, before: Star, after: Star) -> History:
        """The history with one more change, where anything was changed; what was undone of that star is forgotten."""
        words = changed(before, after)
        if not words:
            return self
        undone = tuple(one for one in self.undone if one.after.key != after.key)
        return History((*self.done, Change(words, before, after))[-MOST_CHANGES:], undone)

    def undo(self, change: Change) -> History:
        """The history with a change taken back."""
        return replace(self, done=_without(self.done, change), undone=(*self.undone, change))

    def redo(self, change: Change) -> History:
        """The history with a change made again."""
        return replace(self, undone=_without(self.undone, change), done=(*self.done, change))


def _newest(changes: tuple[Change, ...], star: Star | None) -> Change | None:
    return next((one for one in reversed(changes) if star is not None and one.after.key == star.key), None)


def _without(changes: tuple[Change, ...], change: Change) -> tuple[Change, ...]:
    return tuple(one for one in changes if one is not change)


_NAMES = {
    "velocity": "velocity", "snr": "S/N", "medium": "wavelengths in", "resolving_power": "resolving power",
    "continuum": "continuum", "degrade_to_snr": "degraded to S/N", "noise_seed": "seed of the noise",
}  # fmt: skip
_UNITS = {"velocity": " km/s"}


def changed(before: Star, after: Star) -> str:
    """What differs in two states of one star, in words; empty where nothing does."""
    old, new = before.request, after.request
    words = [f"{_region(r)} left out" for r in new.overrides.masked if r not in old.overrides.masked]
    words += [f"{_region(r)} taken in again" for r in old.overrides.masked if r not in new.overrides.masked]
    for name, label in _NAMES.items():
        values = [getattr(one.overrides, name) for one in (old, new)]
        if values[0] != values[1]:
            words.append(f"{label} {' → '.join(_value(value, _UNITS.get(name, '')) for value in values)}")
    for field in fields(Settings):
        if field.name == "device":
            continue  # moves no number, and a star that comes back does not tell it
        was, now = (getattr(one.settings, field.name) for one in (old, new))
        if was != now:
            words.append(f"{field.name.removeprefix('n_')} {was} → {now}")
    words += [c.text for c in after.constraints if c not in before.constraints]
    kept = {c.target for c in after.constraints}
    words += [f"without {c.text}" for c in before.constraints if c.target not in kept]
    return ", ".join(words)


def _region(region: tuple[float, float]) -> str:
    return f"{region[0]:.1f}–{region[1]:.1f} Å"


def _value(value: object, unit: str) -> str:
    if value is None:
        return "measured"
    return str(value.value) if isinstance(value, Enum) else f"{value:g}{unit}"
