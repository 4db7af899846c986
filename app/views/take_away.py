"""Take away: everything about the star in one zip, and what to cite."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from app.state import SessionState
from app.visit import Visit
from cinn_core.output.bundle import SavedStar, bundle_bytes
from cinn_core.output.citation import citation

from .deliver import deliver
from .parts import card, fill, html


def take_away_card(visit: Visit) -> pn.Column:
    """Two buttons; hidden until there is a star."""
    state, download = visit.state, deliver()
    zipped = pmui.Button(
        label="Take away", variant="contained", size="small", margin=0, disable_elevation=True,
        description="One zip with posterior, results, spectra, figures, report and provenance; drop it here to come back",
    )  # fmt: skip
    cite = pmui.Button(label="Cite", variant="outlined", size="small", margin=0)
    told, text = html(), html(fill("<pre>{}</pre>", citation()), visible=False)
    text.styles = {"white-space": "pre-wrap", "font-size": "11px", "overflow": "auto", "max-height": "260px"}

    def take(_event: object) -> None:
        star, name = saved_star(state), file_name(state)
        told.object = str(fill('<div class="sub">drawing the figures …</div>'))

        def show(content: bytes) -> None:
            told.object = str(fill('<div class="sub">{}: {} MB</div>', name, f"{len(content) / 1e6:.1f}"))
            download.send(content, name)

        visit.jobs.start("The zip", lambda: _bundle(star), show)

    zipped.on_click(take)
    cite.on_click(lambda _event: text.param.update(visible=not text.visible))
    made = card(
        pn.FlexBox(zipped, cite, gap="8px", margin=0), told, text, download, visible=False, css_classes=["tour-take"]
    )

    def refresh(*_events: object) -> None:
        made.visible, told.object = state.analysis is not None, ""

    state.param.watch(refresh, "analysis")
    return made


def saved_star(state: SessionState) -> SavedStar:
    """The star on the page with everything needed to restore it."""
    source = state.source
    data = source.data.read_bytes() if isinstance(source.data, Path) and source.data.is_file() else source.data
    kept = data if isinstance(data, bytes) else None
    analysis = replace(state.analysis, importance=state.offer.importance)
    return SavedStar(analysis, state.overrides, state.constraints, kept, source.hdu, source.row)


def file_name(state: SessionState) -> str:
    """The zip's name: the star's with what file systems do not like left out."""
    plain = re.sub(r"[^A-Za-z0-9+.-]+", "-", state.analysis.flux_vector.star).strip("-.")[:60]
    return f"kiel-{plain or 'star'}.zip"


def _bundle(star: SavedStar) -> bytes:
    from app.figures.printed import printed_files  # matplotlib takes a second to load: not before it is wanted

    return bundle_bytes(star, printed_files(star))
