"""The dashboard with made-up stars instead of a network, for tests of the page itself; served by `panel serve`."""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import replace
from pathlib import Path

import panel as pn
from fake_analysis import fake_analysis

from app.page import theme
from app.page.start import start_session
from cinn_core.analyse import load_model
from cinn_core.errors import SpectrumError
from cinn_core.files import EXAMPLES
from cinn_core.stages import Answer


def make_up(request, report):
    """A star named after its file; a file that begins with "refuse" is refused, "slow" takes a while, "late" its figures do."""
    source, masked = request.source, len(request.overrides.masked)
    for stage in ("Reading the file", "Drawing samples"):
        report(stage)
        time.sleep(4.0 if source.name.startswith("slow") else 0.1)
    if source.name.startswith("refuse"):
        raise SpectrumError(f"{source.name} holds no spectrum; drop a file with wavelengths and fluxes.")
    star = fake_analysis(
        star=f"Star of {source.name}", file=source.name, seed=zlib.crc32(source.name.encode()) + masked
    )
    digest = hashlib.sha256(source.name.encode()).hexdigest()  # the file's, whatever was changed by hand
    posterior = replace(star.posterior, seed=request.settings.seed)  # as it was asked for
    star = replace(star, flux_vector=replace(star.flux_vector, sha256=digest), posterior=posterior)
    report(Answer(star.flux_vector, star.posterior, star.summary))
    time.sleep(4.0 if source.name.startswith("late") else 0.1)
    return star


def model():
    """The shipped model, once a process."""
    return pn.state.as_cached("kiel-model", load_model)


pn.extension("tabulator", "filedropper", raw_css=[theme.ROOT_CSS])
start_session(make_up, model, {name: Path(f"{name}.fits") for name in EXAMPLES}).servable()
