"""The right end of the bar: the tour, the list of keys, light and dark; what is typed goes to the shortcuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from .. import theme
from ..context import Visit
from ..shortcuts import SHORTCUTS, tab_shortcut
from .tabs import TABS


class Frame(JSComponent):
    """Buttons and keyboard; what needs the server comes as a message {"key": …} or {"tab": …}."""

    shortcuts = param.List(doc="One dict a shortcut: keys, does.")
    steps = param.List(doc="One dict a step of the tour: place (a CSS class), tab, title, text.")

    _esm = Path(__file__).with_name("frame.js")

    _stylesheets: ClassVar[list[str]] = [
        f"""
    .frame {{ display: flex; gap: 4px; font-family: {theme.FONT}; color: {theme.css("ink")}; font-size: 13px; }}
    button {{ all: unset; cursor: pointer; padding: 5px 10px; border-radius: 8px; color: {theme.css("muted")}; }}
    button:hover {{ color: {theme.css("model")}; background: {theme.css("chosen")}; }}
    button:focus-visible {{ outline: 2px solid {theme.css("model")}; }}
    dialog {{ border: 1px solid {theme.css("line")}; border-radius: 12px; padding: 16px 20px; background: {theme.css("card")};
      color: inherit; }}
    dialog::backdrop {{ background: rgb(10 15 25 / 45%); }}
    h2 {{ font-size: 15px; margin: 0 0 8px; }}
    td {{ padding: 4px 14px 4px 0; }}
    kbd {{ border: 1px solid {theme.css("faint")}; border-bottom-width: 2px; border-radius: 5px; padding: 0 6px; margin-right: 4px;
      font-family: inherit; font-size: 12px; }}
    .spot {{ position: fixed; z-index: 5000; border: 2px solid {theme.css("model")}; border-radius: 14px; pointer-events: none;
      box-shadow: 0 0 0 100vmax rgb(10 15 25 / 35%); box-sizing: border-box; }}
    .bubble {{ position: fixed; z-index: 5001; background: {theme.css("card")}; border: 1px solid {theme.css("line")};
      border-radius: 12px; padding: 14px 16px; box-sizing: border-box; box-shadow: 0 8px 30px rgb(10 15 25 / 25%); }}
    .bubble p {{ margin: 6px 0 10px; line-height: 1.4; }}
    .row {{ display: flex; gap: 4px; align-items: center; }}
    .row button:first-child {{ background: {theme.css("model")}; color: {theme.css("card")}; font-weight: 600; }}
    .count {{ margin-left: auto; color: {theme.css("faint")}; font-size: 12px; }}
    """
    ]


def frame(visit: Visit) -> Frame:
    """The frame of one visit."""
    shortcuts = (tab_shortcut(tuple(tab.slug for tab in TABS)), *SHORTCUTS)
    acts = {key: s.act for s in shortcuts for key in s.keys if s.act is not None}
    shown = [{"keys": list(s.keys), "does": s.does} for s in shortcuts]

    made = Frame(shortcuts=shown, steps=STEPS, margin=(0, 12))

    def heard(event: Any) -> None:
        key, tab = event.data.get("key"), event.data.get("tab")
        if key in acts:
            acts[key](visit, key)
        if tab in {t.slug for t in TABS}:
            visit.state.tab = tab

    made.on_msg(heard)
    return made


STEPS: list[dict[str, str]] = [
    {
        "place": "tour-upload", "tab": "overview", "title": "A spectrum",
        "text": "Drop the file of one star here, or take a simulated example. Below you see each stage of the work; "
        "it can be cancelled.",
    },
    {
        "place": "tour-star", "tab": "", "title": "The star",
        "text": "The verdict comes first: whether the network knows such stars. Then the velocity, S/N and how much of "
        "each arm was observed.",
    },
    {
        "place": "tour-tiles", "tab": "", "title": "Thirteen answers",
        "text": "Mode, 68 % interval and the whole distribution of each quantity. Click one to see which pixels it rests on.",
    },
    {
        "place": "tour-spectrum", "tab": "", "title": "Does it fit?",
        "text": "The observation, and the spectrum resimulated from the answer with bands of 68 and 95 %. Drag to zoom; the "
        "residual in units of the noise and the strip of pixels that matter follow.",
    },
    {
        "place": "tour-whose", "tab": "", "title": "Whose posterior?",
        "text": "The flow's own samples, or weighed against the likelihood of the spectrum; tiles, table, bands, lines and the "
        "Kiel diagram follow.",
    },
    {
        "place": "tour-kiel", "tab": "", "title": "Which kind of star?",
        "text": "The Kiel diagram the program is named after: this star's posterior over the stars it was trained on.",
    },
]  # fmt: skip
"""`place` is a CSS class, `tab` the tab to open first (empty: stay)."""
