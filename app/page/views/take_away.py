"""Downloads: everything about a star in one zip, and what to cite."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
import param
from panel.custom import JSComponent

from cinn_core.output.bundle import SavedStar, bundle_bytes
from cinn_core.output.report import citation

from ..session import Session
from ..state import SessionState
from .widgets import card, fill, html


def take_away_card(session: Session) -> pn.Column:
    """Two buttons; hidden until there is a star."""
    state, download = session.state, download_link()
    zipped = pmui.Button(
        label="Take away", variant="contained", size="small", margin=0, disable_elevation=True,
        description="One zip with posterior, results, spectra, figures, report and provenance; drop it here to come back",
    )  # fmt: skip
    cite = pmui.Button(label="Cite", variant="outlined", size="small", margin=0)
    note, text = html(), html(fill("<pre>{}</pre>", citation()), visible=False)
    text.styles = {"white-space": "pre-wrap", "font-size": "11px", "overflow": "auto", "max-height": "260px"}

    def take(_event: object) -> None:
        star, name = saved_star(state), file_name(state)
        note.object = str(fill('<div class="sub">drawing the figures …</div>'))

        def show(content: bytes) -> None:
            note.object = str(fill('<div class="sub">{}: {} MB</div>', name, f"{len(content) / 1e6:.1f}"))
            download.send(content, name)

        session.jobs.start("The zip", lambda: _bundle(star), show)

    zipped.on_click(take)
    cite.on_click(lambda _event: text.param.update(visible=not text.visible))
    view = card(
        pn.FlexBox(zipped, cite, gap="8px", margin=0), note, text, download, visible=False, css_classes=["tour-take"]
    )

    def refresh(*_events: object) -> None:
        view.visible, note.object = state.analysis is not None, ""

    state.param.watch(refresh, "analysis")
    return view


def saved_star(state: SessionState) -> SavedStar:
    """The star on the page with everything needed to restore it."""
    source = state.source
    data = source.data.read_bytes() if isinstance(source.data, Path) and source.data.is_file() else source.data
    content = data if isinstance(data, bytes) and not source.others else None  # a sum has no file of its own
    analysis = replace(state.analysis, importance=state.corrections.importance)
    return SavedStar(analysis, state.overrides, state.constraints, content, source.hdu, source.row, source.naming)


def file_name(state: SessionState) -> str:
    """The zip's name: the star's with what file systems do not like left out."""
    plain = re.sub(r"[^A-Za-z0-9+.-]+", "-", state.analysis.flux_vector.star).strip("-.")[:60]
    return f"kiel-{plain or 'star'}.zip"


def _bundle(star: SavedStar) -> bytes:
    from ..figures.printed import printed_files  # matplotlib takes a second to load: not before it is wanted

    return bundle_bytes(star, printed_files(star))


class Download(JSComponent):
    """Invisible; `send` saves bytes under a name in the visitor's downloads."""

    payload = param.Bytes(default=b"", doc="The file.")
    number = param.Integer(default=0, doc="Counts the files sent.")
    file_name = param.String(default="", doc="What the file is to be called.")

    _esm = """
    export function render({ model }) {
      const root = document.createElement("span")
      model.on("number", () => {
        const url = URL.createObjectURL(new Blob([model.payload], { type: "application/octet-stream" }))
        const link = document.createElement("a")
        link.href = url; link.download = model.file_name; root.append(link); link.click(); link.remove()
        setTimeout(() => URL.revokeObjectURL(url), 10000)
      })
      return root
    }
    """

    def send(self, content: bytes, file_name: str) -> None:
        """Save `content` as `file_name` on the visitor's machine."""
        self.param.update(payload=content, file_name=file_name)
        self.number += 1
        self.payload = b""


def download_link() -> Download:
    """Download to put beside a button."""
    return Download(width=0, height=0, margin=0)
