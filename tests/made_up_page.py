"""The dashboard with made-up stars instead of a network, for tests of the page itself; served by `panel serve`."""

from __future__ import annotations

import time
from pathlib import Path

import panel as pn
from fake_analysis import fake_analysis

from app.session import session
from cinn_core.assets import EXAMPLES
from cinn_core.errors import SpectrumError


def make_up(source, report):
    """A star named after its file; a file that begins with "refuse" is refused, "slow" takes a while."""
    for stage in ("Reading the file", "Drawing samples"):
        report(stage)
        time.sleep(1.0 if source.name.startswith("slow") else 0.1)
    if source.name.startswith("refuse"):
        raise SpectrumError(f"{source.name} holds no spectrum; drop a file with wavelengths and fluxes.")
    return fake_analysis(star=f"Star of {source.name}", file=source.name, seed=len(source.name))


pn.extension("tabulator", "filedropper")
session(make_up, {name: Path(f"{name}.fits") for name in EXAMPLES}).servable()
