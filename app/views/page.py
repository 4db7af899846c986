"""The page: one bar with the tabs, a left column that never changes, and what the chosen tab shows."""

from __future__ import annotations

from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from app import theme
from app.state import SessionState

from .overview import overview
from .parts import fill, html
from .posterior import posterior
from .preparation import preparation
from .star import star_cards
from .tiles import tile_row
from .upload import Ask, upload_card

TABS = {"Overview": overview, "Posterior": posterior, "Preparation": preparation}
SIDEBAR_WIDTH = 288


def page(state: SessionState, examples: dict[str, Path], ask: Ask) -> pmui.Page:
    """The whole page of one session."""
    tabs = pmui.TabMenu(items=list(TABS), active=0, margin=(0, 20), sx=_TABS)
    bodies = {name: view(state) for name, view in TABS.items()}
    tiles = tile_row(state)
    waiting = html(pn.bind(waiting_line, state.param.status))

    def show(*_events: object) -> None:
        ready, chosen = state.analysis is not None, list(TABS)[tabs.active]
        waiting.visible = not ready
        tiles.visible = chosen != "Preparation"
        for name, body in bodies.items():
            body.visible = ready and name == chosen

    state.param.watch(show, "analysis")
    tabs.param.watch(show, "active")
    show()
    main = pn.Column(
        alert(state), tiles, waiting, *bodies.values(), sizing_mode="stretch_width", margin=0,
        styles={**theme.STACK, "padding": "14px 14px 20px 0"},
    )  # fmt: skip
    left = pn.Column(
        upload_card(state, examples, ask), star_cards(state), sizing_mode="stretch_width", margin=0,
        styles={**theme.STACK, "padding": "14px"},
    )  # fmt: skip
    return pmui.Page(
        title="Kiel", header=[tabs], sidebar=[left], main=[main], sidebar_width=SIDEBAR_WIDTH, sidebar_resizable=False,
        theme_config=theme.MATERIAL, sidebar_variant="permanent", sx=_PAGE, theme_toggle=False, busy_indicator="linear",
    )  # fmt: skip


def waiting_line(status: str) -> str:
    """What stands in place of the figures before there is a star."""
    text = "The first star is on its way." if status == "working" else "Drop a spectrum or choose an example."
    return str(fill('<div class="empty">{}</div>', text))


def alert(state: SessionState) -> pn.pane.HTML:
    """One sentence on what went wrong with the last file; gone with the next that works."""
    pane = html()

    def refresh(*_events: object) -> None:
        pane.object = str(fill('<div class="alert" role="alert">{}</div>', state.message)) if state.message else ""
        pane.visible = bool(state.message)

    state.param.watch(refresh, "message")
    refresh()
    return pane


_PAGE = {
    "& main": {"backgroundColor": theme.GROUND},
    "& header .MuiTypography-root": {"color": f"{theme.INK} !important", "fontWeight": 700, "fontSize": "18px"},
}
_TABS = {
    "minHeight": "34px",
    "& .MuiTabs-indicator": {"display": "none"},
    "& .MuiTab-root": {
        "minHeight": "34px", "borderRadius": "8px", "padding": "6px 16px", "fontSize": "13px", "textTransform": "none",
        "color": f"{theme.MUTED} !important",
    },
    "& .MuiTab-root.Mui-selected": {
        "backgroundColor": "#e6f1f8", "color": f"{theme.MODEL} !important", "fontWeight": 600,
    },
}  # fmt: skip
