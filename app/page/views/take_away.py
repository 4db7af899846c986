"""Downloads: everything about a star in one zip, and what to cite."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import panel_material_ui as pmui
import param
from panel.custom import JSComponent

from cinn_core.output.bundle import SavedStar, bundle_bytes
from cinn_core.output.report import citation
from cinn_core.stages import Importance, MoreElements

from .. import theme
from ..jobs import SIDE, run_job
from ..session import Session
from ..state import SessionState
from ..visit import Star
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
    text.styles = {
        "white-space": "pre-wrap",
        "font-size": theme.text(11),
        "overflow": "auto",
        "max-height": "260px",
    }

    def take(_event: object) -> None:
        if state.answer is not None:
            state.warn("The figures of this star are on their way; take it away when they are there.")
            return
        if state.star is None:
            return
        star, name = saved_star(state.star, state.corrections.importance, session.results.more), file_name(state)
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


def saved_star(star: Star, importance: Importance | None = None, more: MoreElements | None = None) -> SavedStar:
    """A star of the session with everything needed to restore it, with the weights and the elements beside the targets that
    were found for it since."""
    source = star.request.source  # of the star itself: what was asked for since may be another one
    data = source.data.read_bytes() if isinstance(source.data, Path) and source.data.is_file() else source.data
    content = data if isinstance(data, bytes) and not source.others else None  # a sum has no file of its own
    own = star.analysis
    analysis = replace(own, importance=importance or own.importance, more=more or own.more)
    return SavedStar(analysis, star.request.overrides, star.constraints, content, source.hdu, source.row, source.naming)


def file_name(state: SessionState) -> str:
    """The zip's name: the star's with what file systems do not like left out."""
    plain = re.sub(r"[^A-Za-z0-9+.-]+", "-", state.analysis.flux_vector.star).strip("-.")[:60]
    return f"kiel-{plain or 'star'}.zip"


def _bundle(star: SavedStar) -> bytes:
    from ..figures.printed import printed_files  # matplotlib takes a second to load: not before it is wanted

    return bundle_bytes(star, printed_files(star))


_SAVE = """
function saved(model, root) {
  model.on("number", () => {
    const url = URL.createObjectURL(new Blob([model.payload], { type: "application/octet-stream" }))
    const link = document.createElement("a")
    link.href = url; link.download = model.file_name; root.append(link); link.click(); link.remove()
    setTimeout(() => URL.revokeObjectURL(url), 10000)
  })
  return root
}
"""


class Download(JSComponent):
    """Invisible; `send` saves bytes under a name in the visitor's downloads."""

    payload = param.Bytes(default=b"", doc="The file.")
    number = param.Integer(default=0, doc="Counts the files sent.")
    file_name = param.String(default="", doc="What the file is to be called.")

    _esm = f"{_SAVE} export function render({{ model }}) {{ return saved(model, document.createElement('span')) }}"

    def send(self, content: bytes, file_name: str) -> None:
        """Save `content` as `file_name` on the visitor's machine."""
        self.param.update(payload=content, file_name=file_name)
        self.number += 1
        self.payload = b""


def download_link() -> Download:
    """Download to put beside a button."""
    return Download(width=0, height=0, margin=0)


class Exports(Download):
    """Small buttons that save a card, each as one kind of file; sends {"kind": …}, and "drawing …" stands there meanwhile."""

    card = param.String(doc="What is saved.")
    kinds = param.List(doc="Kinds of file.")
    busy = param.Boolean(default=False, doc="Whether a file is being drawn.")

    _esm = f"""{_SAVE}
    export function render({{ model }}) {{
      const root = document.createElement("div"), wait = document.createElement("span")
      root.setAttribute("role", "group"); root.setAttribute("aria-label", `save the ${{model.card}}`)
      const buttons = model.kinds.map((kind) => {{
        const b = document.createElement("button")
        b.type = "button"; b.textContent = kind === "csv" ? "data" : kind.toUpperCase()
        b.title = `Save the ${{model.card}} as ${{kind.toUpperCase()}}`
        b.onclick = () => model.send_msg({{ kind }})
        return b
      }})
      wait.setAttribute("role", "status")
      const tell = () => {{
        wait.textContent = model.busy ? "drawing …" : ""
        for (const b of buttons) b.disabled = model.busy
      }}
      root.append(...buttons, wait); model.on("busy", tell); tell()
      return saved(model, root)
    }}
    """

    _stylesheets: ClassVar[list[str]] = [
        f"""
    div {{ display: flex; gap: 2px; align-items: center; font: {theme.text(12)} {theme.FONT}; color: {theme.css("muted")}; }}
    button {{ all: unset; cursor: pointer; padding: 2px 7px; border-radius: 6px; color: {theme.css("model")}; }}
    button:hover {{ background: {theme.css("chosen")}; }}
    button:disabled {{ opacity: .45; cursor: default; }}
    button:focus-visible {{ outline: 2px solid {theme.css("model")}; }}
    """
    ]


def exports(session: Session, card: str, names: Callable[[], tuple[str, ...] | None] = lambda: None) -> Exports:
    """Buttons that save a card of `CARDS` of the star shown, as a figure for print or its numbers; names: those of a corner."""
    state, row = session.state, Exports(card=card, kinds=["png", "svg", "pdf", "csv"], margin=0)

    def heard(event: Any) -> None:
        kind, star = event.data.get("kind"), state.star
        if kind not in row.kinds or star is None or row.busy:
            return
        saved, chosen, row.busy = saved_star(star, state.corrections.importance), names(), True
        name = file_name(state).removesuffix(".zip")

        def ended(then: Callable[[Any], object], result: Any) -> None:
            row.busy = False
            then(result)

        show = partial(ended, lambda content: row.send(content, f"{name}-{card}.{kind}"))
        run_job(
            SIDE, session.post, lambda: _card(card, kind, saved, chosen), show, partial(ended, state.warn), "The figure"
        )

    row.on_msg(heard)
    return row


def _card(card: str, kind: str, star: SavedStar, names: tuple[str, ...] | None) -> bytes:
    from ..figures.printed import card_file  # matplotlib takes a second to load: not before it is wanted

    return card_file(card, kind, star, names)
