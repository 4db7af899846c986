"""What the parts of the page are built from: the state of one visit, and the ways to have something computed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cinn_core.model import Model

from .findings import Findings
from .inference import Jobs
from .receive import Receiver
from .state import SessionState, Settings, Source

Ask = Callable[[Callable[[], Source]], None]
"""Asks for the star of a source yet to be made; a SpectrumError of the making is shown."""


@dataclass(frozen=True)
class Visit:
    """One visit to the page.

    `ask` has another star analysed, `again` the same one with the state's settings and overrides as they are now;
    `found` is what was worked out beside the star; `soon` makes a call on the document's next turn;
    `jobs` runs what takes long beside the page; `model` gives the model, loaded once a process: call it in a job;
    `intake` takes what is dropped on the page.
    """

    state: SessionState
    jobs: Jobs
    model: Callable[[], Model]
    ask: Ask
    again: Callable[[], None]
    soon: Callable[[Callable[[], object]], None]
    devices: tuple[str, ...]
    examples: dict[str, Path]
    intake: Receiver
    found: Findings = field(default_factory=Findings)

    def set_up(self, settings: Settings) -> None:
        """Draw the posterior anew with other samples, seed or device."""
        self.state.settings = settings
        if self.state.source is not None:
            self.again()
