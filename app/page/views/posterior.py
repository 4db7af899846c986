"""Posterior tab: the corner to brush, the table of results, and the constraints from other sources."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.events import DoubleTap, SelectionGeometry

from cinn_core.inference.quantities import Quantity
from cinn_core.inference.selection import selected_quantities
from cinn_core.literature import KnownStar, literature_for
from cinn_core.output.bundle import SavedStar
from cinn_core.targets import TARGETS

from .. import theme
from ..figures.posterior import Corner
from ..session import Session
from ..state import SessionState
from .more import more_card
from .posterior_in_use import constraints_card
from .take_away import Download, download_link, exports
from .widgets import NARROW, card, fill, grid, html, live

_LABELS = {("A(Li)" if t.name == "li_fe" else t.label): t.name for t in TARGETS}
_ALIGN = {"mode": "right", "68 %": "right"}
TABLE_CSS = f"""
:host .tabulator {{ font-family: {theme.FONT}; font-variant-numeric: tabular-nums; letter-spacing: 0; }}
:host .tabulator .tabulator-header .tabulator-col {{ color: {theme.css("muted")}; font-size: {theme.text(12)}; }}
:host .tabulator .tabulator-header .tabulator-col .tabulator-col-content {{ padding: 4px !important; }}
:host .tabulator .tabulator-row {{ background: transparent !important; min-height: 0; }}
:host .tabulator .tabulator-row .tabulator-cell {{
  font-size: {theme.text(12)}; height: 30px; padding: 7px 4px !important; letter-spacing: 0; }}
:host .tabulator .tabulator-row .tabulator-cell:first-child {{ font-weight: 600; }}
"""
_LEGEND = fill(
    '<span><i style="border-top:2px solid {0}"></i>mode</span><span><i style="border-top:2px dotted {0}"></i>median</span>'
    '<span><i style="border-top:2px dashed {1}"></i>literature</span>'
    '<span><i style="border-top:2px dashed {2}"></i>prior</span>',
    theme.css("ink"), theme.css("literature"), theme.css("muted"),
)  # fmt: skip


def results_table(rows: tuple[Quantity, ...]) -> pd.DataFrame:
    """Mode, interval and status of every quantity, as the texts the page shows; the same columns for none."""
    return pd.DataFrame(
        {
            "quantity": [q.label if q.unit == "dex" else f"{q.label} [{q.unit}]" for q in rows],
            "mode": [q.status_text if q.limit95 is not None else q.text(q.map) for q in rows],
            "68 %": [f"{q.text(q.lo68)} … {q.text(q.hi68)}" for q in rows],
            "status": [q.status_text for q in rows],
        },
        dtype=object,
    )


def posterior(session: Session) -> pn.Column:
    """The tab; its corner is built anew for other samples or quantities, and redrawn in place for other weights."""
    state = session.state
    pane = pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0, css_classes=["tour-corner"])
    built: list[tuple[object, Corner]] = []
    some, clear, printed = _controls()
    download, note, table = download_link(), html(), _table()

    def names() -> tuple[str, ...]:
        chosen = tuple(name for label, name in _LABELS.items() if label in some.value)
        return chosen if len(chosen) > 1 else tuple(_LABELS.values())

    def draw() -> None:
        rows = selected_quantities(state.selection)
        shown = tuple(q for q in rows if q.name in names())
        vector = state.analysis.flux_vector
        key = (state.selection.posterior.labels.ctypes.data, names(), vector.sha256)
        if not built or built[0][0] != key:
            corner = Corner(shown, _values(literature_for(vector.star, vector.file)))
            corner.figure.on_event(SelectionGeometry, brushed)
            corner.figure.on_event(DoubleTap, lambda _event: unbrush())
            built[:] = [(key, corner)]
            pane.object = corner.figure
        corner = built[0][1]
        corner.show(shown, state.selection.weights, state.brush)
        table.value = results_table(rows)
        note.object = str(fill('<div class="sub">{}</div>', _words(state)))
        clear.visible = bool(state.brush)

    def brushed(event: SelectionGeometry) -> None:
        box = event.geometry
        if event.final and box.get("type") == "rect":
            state.brush = built[0][1].region(box["x0"], box["x1"], box["y0"], box["y1"])

    def unbrush(*_events: object) -> None:
        state.brush = ()

    clear.on_click(unbrush)
    printed.on_click(partial(print_corner, session, names, download))
    some.param.watch(lambda _event: draw(), "value")
    bar, title = _bar(some, clear, printed), _title()
    right = pn.Column(
        card(note, table, title="Results, with the shortest intervals"), constraints_card(session), more_card(session),
        sizing_mode="stretch_width", margin=0, styles=theme.STACK,
    )  # fmt: skip
    view = grid(
        card(title, bar, pane, exports(session, "corner", names), download),
        right,
        columns="minmax(0, 1.6fr) minmax(400px, 1fr)",
        below=NARROW,
    )
    live(session, view, ["analysis", "selection"], draw)
    return view


def print_corner(session: Session, names: Callable[[], tuple[str, ...]], download: Download, _event: object) -> None:
    """Have the corner of some quantities drawn for print, and sent."""
    state, selected = session.state, names()
    star = SavedStar(state.analysis, state.overrides, state.constraints)

    def show(files: dict[str, bytes]) -> None:
        for name, content in files.items():
            download.send(content, name)

    session.jobs.start("The print version", lambda: _print(star, selected), show)


def _bar(*controls: pn.viewable.Viewable) -> pn.Column:
    """The controls beside each other."""
    styles = {
        "display": "grid",
        "grid-template-columns": "minmax(0,1fr) auto auto",
        "gap": "10px",
        "align-items": "center",
    }
    return pn.Column(*controls, sizing_mode="stretch_width", margin=(8, 0), styles=styles)


def _title() -> pn.pane.HTML:
    """The heading of the corner, with its legend."""
    text = "Posterior: drag a region in any panel and everything follows; a double click clears"
    return html(fill('<div class="head"><span>{}</span><span class="legend">{}</span></div>', text, _LEGEND))


def _controls() -> tuple[pmui.MultiChoice, pmui.Button, pmui.Button]:
    """The choice of quantities, the button that clears the brush, and the one that prints."""
    some = pmui.MultiChoice(
        label="quantities", placeholder="all thirteen; choose two or more to see them large", options=list(_LABELS),
        margin=0, sizing_mode="stretch_width",
    )  # fmt: skip
    clear = pmui.Button(label="clear the brush", variant="text", size="small", margin=0, visible=False)
    return some, clear, pmui.Button(label="print version", variant="outlined", size="small", margin=0)


def _table() -> pn.widgets.Tabulator:
    """The table of results, empty."""
    return pn.widgets.Tabulator(
        results_table(()), disabled=True, show_index=False, layout="fit_columns", sizing_mode="stretch_width", margin=0,
        text_align=_ALIGN, header_align=_ALIGN, theme="simple", stylesheets=[TABLE_CSS], selectable=False, sortable=False,
        widths={"quantity": 90, "mode": 62, "status": 104},
    )  # fmt: skip


def _values(star: KnownStar | None) -> dict[str, float]:
    return {} if star is None else star.values


def _words(state: SessionState) -> str:
    chosen = state.selection
    n = len(chosen.posterior.labels)
    if chosen.weights is None:
        return f"all {n} samples"
    remaining = int(np.count_nonzero(chosen.weights)) if state.brush else n
    return f"{remaining} of {n} samples: {chosen.text}"


def _print(star: SavedStar, names: tuple[str, ...]) -> dict[str, bytes]:
    from ..figures.printed import corner_files  # matplotlib takes a second to load: not before it is wanted

    return corner_files(star, names)
