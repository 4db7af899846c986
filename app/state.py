"""What one session holds: the spectrum asked for, the star shown, and how far the work is; no widgets, no event loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import param

from cinn_core.errors import SpectrumError
from cinn_core.stages import Analysis
from cinn_core.targets import TARGET_NAMES

MAX_UPLOAD_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """A spectrum to analyse: a path or the bytes of a file, and the name the person knows it by."""

    data: Path | bytes
    name: str

    def __post_init__(self) -> None:
        if isinstance(self.data, bytes) and len(self.data) > MAX_UPLOAD_BYTES:
            raise SpectrumError(too_large(self.name))
        if isinstance(self.data, bytes) and not self.data:
            raise SpectrumError(f"{self.name} is empty; drop a file that holds a spectrum.")


def too_large(name: str) -> str:
    """The sentence for an upload beyond the limit."""
    return f"{name} is larger than {MAX_UPLOAD_BYTES // 1024**2} MB; drop a file with one star's spectrum."


class SessionState(param.Parameterized):
    """One session's inputs, stages, status and message; every change of star goes through begin, then finish or refuse."""

    source = param.ClassSelector(class_=Source, doc="The spectrum asked for last.")
    analysis = param.ClassSelector(class_=Analysis, doc="The stages of the star on the page.")
    status = param.Selector(default="empty", objects=["empty", "working", "ready"])
    progress = param.String(doc="What the analysis is doing now.")
    message = param.String(doc="One sentence on what went wrong with the last file; empty when nothing did.")
    target = param.Selector(default="li_fe", objects=list(TARGET_NAMES), doc="The target of the saliency strip.")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self._request = 0
        self._shown: Source | None = None

    def load(self, source: Source) -> None:
        """Ask for a spectrum; nothing is computed yet."""
        self.source = source

    def begin(self) -> int:
        """Number of a new request; every earlier one is stale from now on."""
        if self.source is None:
            raise SpectrumError("No spectrum is loaded; drop a file or choose an example first.")
        self._request += 1
        self.param.update(status="working", progress=f"reading {self.source.name}", message="")
        return self._request

    def is_current(self, request: int) -> bool:
        """Whether nothing newer was asked for."""
        return request == self._request

    def report(self, request: int, text: str) -> None:
        """Say what a request is doing, unless it is stale or over."""
        if self.is_current(request) and self.status == "working":
            self.progress = text

    def finish(self, request: int, analysis: Analysis) -> bool:
        """Show a result and say so; a stale one is dropped."""
        if not self.is_current(request):
            return False
        self._shown = self.source
        self.param.update(analysis=analysis, status="ready", progress="")
        return True

    def refuse(self, request: int, message: str) -> bool:
        """Say why a file cannot be used and return to the star shown before; a stale refusal is dropped."""
        if not self.is_current(request):
            return False
        status = "empty" if self.analysis is None else "ready"
        self.param.update(source=self._shown, status=status, progress="", message=message)
        return True

    def warn(self, message: str) -> None:
        """Say why something asked for was not even begun; whatever runs or is shown stays."""
        self.message = message
