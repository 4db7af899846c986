"""The drop zone and the examples: what a person can ask for, with the limits kept on the server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import panel_material_ui as pmui
import param

from app import theme
from app.state import MAX_UPLOAD_BYTES, SessionState, Source, too_large
from cinn_core.errors import SpectrumError

from .parts import card, fill, html

Ask = Callable[[Callable[[], Source]], None]
"""Asks for the star of a source yet to be made; a SpectrumError of the making is shown."""


class SpectrumDropper(pn.widgets.FileDropper):
    """A drop zone that stops buffering an upload once it exceeds the limit, whatever the browser claims."""

    refused = param.String(doc="Name of the last upload that was too large.")

    _rename: ClassVar[dict[str, str | None]] = {"refused": None}

    def _process_event(self, event: Any) -> None:
        if event.event_name == "upload_event":
            name, first = event.data["name"], event.data["chunk"] == 1
            if first:
                self.refused = ""
            elif name not in self._file_buffer:
                return  # the rest of an upload already refused
            buffered = 0 if first else sum(map(len, self._file_buffer[name]))
            if buffered + len(event.data["data"]) > MAX_UPLOAD_BYTES:
                self._file_buffer.pop(name, None)
                self.refused = name
                return
        super()._process_event(event)


def as_source(name: str, content: bytes | str) -> Source:
    """An upload as a source; text files arrive decoded."""
    return Source(content.encode() if isinstance(content, str) else bytes(content), name)


def refuse(name: str) -> Source:
    """In place of a source that was too large."""
    raise SpectrumError(too_large(name))


def drop_zone(ask: Ask) -> SpectrumDropper:
    """A drop zone that hands each upload on and keeps none, so that the next file can be dropped or chosen at once."""
    dropper = SpectrumDropper(sizing_mode="stretch_width", margin=0, previews=[], stylesheets=[_DROPPER_CSS])

    def dropped(_event: object) -> None:
        if dropper.value:
            name, content = dropper.value.popitem()
            ask(partial(as_source, name, content))

    def refused(event: param.parameterized.Event) -> None:
        if event.new:
            ask(partial(refuse, event.new))

    dropper.param.watch(dropped, "value")
    dropper.param.watch(refused, "refused")
    return dropper


def upload_card(state: SessionState, examples: dict[str, Path], ask: Ask) -> pn.Column:
    """The drop zone, the example stars and a line telling what the analysis is doing."""
    buttons = [_example_button(name, path, ask) for name, path in examples.items()]
    return card(
        drop_zone(ask),
        html(fill('<div class="sub">Simulated examples</div>')),
        pn.FlexBox(*buttons, gap="0 6px", margin=0),
        html(pn.bind(_progress_line, state.param.progress)),
    )


def _progress_line(text: str) -> str:
    return str(fill('<div class="progress" role="status" aria-live="polite">{}</div>', text))


def _example_button(name: str, path: Path, ask: Ask) -> pmui.Button:
    button = pmui.Button(
        label=name.replace("-", " "), variant="text", size="small", margin=0, color="primary", height=24, sx=_LINK
    )
    button.on_click(lambda _event: ask(partial(Source, path, path.name)))
    return button


_LINK = {"padding": "0 2px", "minWidth": 0, "fontSize": "13px", "lineHeight": 1.6}
_DROPPER_CSS = f"""
.bk-input.filepond--root {{ font-family: {theme.FONT}; font-size: 13px; margin: 0 0 4px; min-height: 70px; box-shadow: none;
  background: transparent; border: 1px dashed {theme.FAINT}; border-radius: 10px; box-sizing: border-box; overflow: hidden; }}
.bk-input.filepond--root:not([disabled]):hover {{ border: 1px dashed {theme.MODEL}; box-shadow: none; }}
.filepond--root:has([data-filepond-item-state="processing-complete"]) .filepond--list-scroller {{ display: none; }}
.filepond--root:has([data-filepond-item-state="processing-complete"]) .filepond--drop-label {{
  opacity: 1 !important; visibility: visible !important; pointer-events: auto !important; transform: none !important; }}
.filepond--panel-root, .filepond--panel > * {{ background: transparent !important; border: 0; box-shadow: none !important; }}
.filepond--drop-label {{ color: {theme.MUTED}; min-height: 70px; }}
.filepond--drop-label label {{ font-size: 0; cursor: pointer; }}
.filepond--drop-label label::before {{ content: "Drop a spectrum, or click to choose"; font-size: 13px; display: block; }}
.filepond--drop-label label::after {{ content: "FITS, text, ECSV, gz"; font-size: 12px; color: {theme.FAINT}; }}
"""
