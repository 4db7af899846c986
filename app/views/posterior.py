"""The posterior in full: the 13-dimensional corner and the table of results."""

from __future__ import annotations

import pandas as pd
import panel as pn

from app import theme
from app.figures.corner import draw_corner
from app.quantities import Quantity, quantities
from app.visit import Visit

from .parts import card, grid, live

_ALIGN = {"mode": "right", "68 %": "right", "95 %": "right"}
_TABLE_CSS = f"""
:host .tabulator {{ font-family: {theme.FONT}; font-variant-numeric: tabular-nums; letter-spacing: 0; }}
:host .tabulator .tabulator-header .tabulator-col {{ color: {theme.css("muted")}; font-size: 12px; }}
:host .tabulator .tabulator-header .tabulator-col .tabulator-col-content {{ padding: 4px !important; }}
:host .tabulator .tabulator-row {{ background: transparent !important; min-height: 0; }}
:host .tabulator .tabulator-row .tabulator-cell {{ font-size: 12px; height: 30px; padding: 7px 4px !important; letter-spacing: 0; }}
:host .tabulator .tabulator-row .tabulator-cell:first-child {{ font-weight: 600; }}
"""


def results_table(rows: tuple[Quantity, ...]) -> pd.DataFrame:
    """Mode and intervals of every quantity, as the texts the page shows."""
    return pd.DataFrame(
        {
            "quantity": [q.label if q.unit == "dex" else f"{q.label} [{q.unit}]" for q in rows],
            "mode": [q.text(q.map) for q in rows],
            "68 %": [f"{q.text(q.lo68)} … {q.text(q.hi68)}" for q in rows],
            "95 %": [f"{q.text(q.lo95)} … {q.text(q.hi95)}" for q in rows],
        }
    )


def posterior(visit: Visit) -> pn.Column:
    """The second tab; its corner is built when the tab is first looked at, and anew for each star while it is."""
    state = visit.state
    corner = pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0)
    table = pn.widgets.Tabulator(
        pd.DataFrame(), disabled=True, show_index=False, layout="fit_columns", sizing_mode="stretch_width", margin=0,
        text_align=_ALIGN,
        header_align=_ALIGN, theme="simple",
        widths={"quantity": 94, "mode": 52}, stylesheets=[_TABLE_CSS], selectable=False, sortable=False,
    )  # fmt: skip

    def draw() -> None:
        rows = quantities(state.analysis)
        corner.object, table.value = draw_corner(rows), results_table(rows)

    view = grid(
        card(corner, title="Posterior of the thirteen quantities: regions of 68, 95 and 99 %, the mode as a cross"),
        card(table, title="Results, with the shortest intervals"),
        columns="minmax(0, 1.6fr) minmax(0, 1fr)",
    )
    live(visit, view, ["analysis"], draw)
    return view
