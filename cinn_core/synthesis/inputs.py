"""What a user brings to a synthesis in place of the data folder's: line lists, and one model atmosphere."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .atmosphere import MarcsModel

if TYPE_CHECKING:
    from .atmosphere import Atmospheres


@dataclass(frozen=True)
class OwnInputs:
    """Line lists (Turbospectrum's format or VALD's) that replace all but hydrogen's, and a MARCS model (.mod); may be none."""

    lines: tuple[Path, ...] = ()
    atmosphere: Path | None = None

    @property
    def line_names(self) -> str:
        """Name of the lists together, for grid files."""
        return "+".join(path.name for path in self.lines)

    def digest(self) -> str:
        """SHA-256 of the line lists, one after the other."""
        found = hashlib.sha256()
        for path in self.lines:
            found.update(path.read_bytes())
        return found.hexdigest()

    def described(self, atmospheres: Atmospheres | MarcsModel) -> str:
        """The atmospheres in words, for the provenance."""
        if not isinstance(atmospheres, MarcsModel):
            return "plane-parallel, ATLAS9"
        geometry = "plane-parallel" if atmospheres.atmosphere.sphere is None else "spherical"
        return f"{geometry}, MARCS" + (f" ({self.atmosphere.name})" if self.atmosphere else "")


NO_INPUTS = OwnInputs()


def write_text(path: Path, text: str) -> None:
    """Writes a text whole or not at all; processes that write the same file at once do not meet."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="latin-1")
    os.replace(part, path)
