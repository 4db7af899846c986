"""Stars tab: a table to sort and walk through, two stars compared, differences from the literature."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models.widgets.tables import NumberFormatter

from cinn_core.inference.quantities import quantities
from cinn_core.inference.trust import difference_in_sigma, real_error, trust_in
from cinn_core.instrument import ARMS
from cinn_core.literature import FLOOR
from cinn_core.output.catalogue import Row, as_csv, as_votable, catalogue_row
from cinn_core.output.glossary import FLAG_TEXT
from cinn_core.targets import COLUMN, TARGETS

from .. import theme
from ..figures.stars import draw_comparison, draw_differences, thumbnail
from ..session import Session
from ..state import Source, Star
from .posterior import TABLE_CSS
from .take_away import download_link
from .verdict import given_line, grade_text, verdict_card, verdict_on
from .widgets import card, fill, grid, heading, html, join

_SHOWN = tuple(t for t in TARGETS if t.name in FLOOR)
_DRAWING = "Ca I 6162"
_FORMATTERS = (
    {_DRAWING: {"type": "html"}, "S/N": NumberFormatter(format="0", nan_format="–")}
    | {t.label: NumberFormatter(format="0.00" if t.decimals else "0", nan_format="–") for t in _SHOWN}
    | {f"Δ {t.label}": NumberFormatter(format="+0.00" if t.decimals else "+0", nan_format="–") for t in _SHOWN}
    | {f"z {t.label}": NumberFormatter(format="+0.0", nan_format="–") for t in _SHOWN}
)
_COLUMNS = (
    {"star": object, "trust": object, _DRAWING: object, "verdict": object}
    | {t.label: float for t in _SHOWN}
    | {"A(Li)": object}
    | {f"{mark} {t.label}": float for t in _SHOWN for mark in "Δz"}
    | {"S/N": float, "flags": object, "file": object}
)
_CSS = f"""
:host .tabulator .tabulator-row.tabulator-selected, :host .tabulator .tabulator-row.tabulator-selected .tabulator-cell {{
  background: {theme.css("chosen")} !important; color: {theme.css("ink")} !important; }}
:host .tabulator .tabulator-row .tabulator-cell svg {{ display: block; margin-top: -4px; }}
"""


def stars(session: Session) -> pn.Column:
    """The tab; a click on a row shows its star, two marked rows are compared."""
    state, download = session.state, download_link()
    table = _table()
    title, compared = html(), pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
    figures = [pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0) for _ in FLOOR]
    compare, combine, csv, votable = (
        pmui.Button(label=label, variant="outlined", size="small", margin=0)
        for label in ("compare 2", "combine", "CSV", "VOTable")
    )
    thumbnails: dict[object, str] = {}

    def rows() -> list[Row]:
        return [catalogue_row(star.analysis, verdict_on(state, star)[0]) for star in state.stars]

    def draw(*_events: object) -> None:
        if not view.visible:
            return
        for star in state.stars:
            thumbnails.setdefault(star.key, thumbnail(star.analysis))
        catalogue = rows()
        table.value = frame(
            [
                table_row(row, star, thumbnails[star.key], grade_text(*verdict_on(state, star)))
                for row, star in zip(catalogue, state.stars, strict=True)
            ]
        )
        title.object = _title(len(state.stars), state.waiting)
        benchmark.visible = any(np.isfinite(row[f"{name}_difference"]) for row in catalogue for name in FLOOR)
        for pane, name in zip(figures, FLOOR, strict=True):
            pane.object = draw_differences(catalogue, name) if benchmark.visible else None

    def clicked(event: object) -> None:
        column, row = getattr(event, "column", None), getattr(event, "row", None)
        if column != "_selector" and row is not None and row < len(state.stars):
            state.restore(state.stars[row])

    def compare_two(_event: object) -> None:
        chosen = [state.stars[i] for i in table.selection if i < len(state.stars)][:2]
        compared.visible = True
        compared.objects = (
            [comparison(*chosen)] if len(chosen) == 2 else [html(fill('<div class="sub">Mark two stars first.</div>'))]
        )

    def combine_marked(_event: object) -> None:
        chosen = [state.stars[i] for i in sorted(table.selection) if i < len(state.stars)]
        if len(chosen) < 2:
            state.warn("Mark two or more exposures of one star in the table; combine adds them.")
        else:
            session.analyse_source(partial(summed, [star.request.source for star in chosen]))

    compare.on_click(compare_two)
    combine.on_click(combine_marked)
    csv.on_click(lambda _event: download.send(as_csv(rows()), "kiel-stars.csv"))
    votable.on_click(lambda _event: download.send(as_votable(rows()), "kiel-stars.vot"))
    table.on_click(clicked)
    benchmark = grid(
        *(
            card(pane, title=f"Δ {label}: mode − literature")
            for pane, label in zip(figures, (t.label for t in _SHOWN), strict=True)
        ),
        columns="repeat(3, minmax(0, 1fr))",
    )
    buttons = pn.FlexBox(compare, combine, csv, votable, download, gap="6px", margin=0, flex_wrap="nowrap")
    bar = grid(title, buttons, columns="minmax(0, 1fr) auto")
    upper = grid(card(bar, table), verdict_card(session), columns="minmax(0, 1fr) 260px")
    view = pn.Column(upper, compared, benchmark, sizing_mode="stretch_width", margin=0, styles=theme.STACK)
    state.param.watch(lambda *_events: session.post(draw), ["stars", "waiting", "verdicts"])
    view.param.watch(lambda _event: session.post(draw), "visible")
    session.post(draw)
    return view


def _table() -> pn.widgets.Tabulator:
    """The table of stars, empty."""
    return pn.widgets.Tabulator(
        frame([]), disabled=True, show_index=False, layout="fit_data_stretch", sizing_mode="stretch_width", margin=0,
        theme="simple", stylesheets=[TABLE_CSS, _CSS], selectable="checkbox", max_height=480, widths={"star": 170, "flags": 150},
        formatters=_FORMATTERS, text_align={name: "right" for name in _FORMATTERS if name != _DRAWING},
    )  # fmt: skip


def _title(n: int, waiting: int) -> str:
    """The heading of the table: how many stars there are, and how many are to come."""
    more = f", {waiting} to come" if waiting else ""
    return str(
        heading(
            f"{n} star{'' if n == 1 else 's'}{more}: click to show, mark two to compare, or exposures of one star to combine"
        )
    )


def summed(sources: list[Source]) -> Source:
    """One source for the sum of several exposures of a star, sums among them taken apart."""
    apart = [one for source in sources for one in (replace(source, others=()), *source.others)]
    return replace(apart[0], others=tuple(apart[1:]))


def frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The table's content, always of the same columns: the browser loses every change that comes with new ones while it
    draws the table for the first time (Panel 1.9.4 sets them before the table has a head to put them in)."""
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def table_row(row: Row, star: Star, drawing: str, verdict: str) -> dict[str, object]:
    """One line of the table; numbers stay numbers, so that it sorts."""
    shown: dict[str, object] = {"star": row["star"] or row["file"], _DRAWING: drawing}
    shown["trust"] = trust_in(star.analysis).level.value
    shown["verdict"] = verdict
    for target in _SHOWN:
        shown[target.label] = row[target.name] if row[f"{target.name}_status"] == "measured" else np.nan
    lithium = quantities(star.analysis)[COLUMN["li_fe"]]
    shown["A(Li)"] = lithium.status_text if lithium.limit95 is not None else lithium.text(lithium.map)
    for target in _SHOWN:
        shown[f"Δ {target.label}"] = row[f"{target.name}_difference"]
        shown[f"z {target.label}"] = row[f"{target.name}_z"]
    shown["S/N"] = star.analysis.flux_vector.snr_per_angstrom
    shown["flags"] = ", ".join(FLAG_TEXT[flag] for flag in star.analysis.flags)
    shown["file"] = row["file"]
    return shown


def comparison(one: Star, other: Star) -> pn.Column:
    """Both spectra over each other, and the difference of every quantity in units of both intervals together."""
    panes = [
        pn.pane.Bokeh(draw_comparison(one.analysis, other.analysis, arm), sizing_mode="stretch_width") for arm in ARMS
    ]
    lines = []
    for a, b in zip(quantities(one.analysis), quantities(other.analysis), strict=True):
        errors = tuple(real_error(star.analysis, a.name) for star in (one, other))
        sigmas = difference_in_sigma(a, b, errors)
        sigma = "–" if sigmas is None else f"{sigmas:+.1f} σ{' *' if errors == (None, None) else ''}"
        lines.append(
            fill(
                "<tr><td><b>{}</b></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                a.label,
                a.status_text if a.limit95 is not None else a.text(a.map),
                b.status_text if b.limit95 is not None else b.text(b.map),
                sigma,
            )
        )
    names = [star.analysis.flux_vector.star or star.request.source.name for star in (one, other)]
    head = fill("<tr><th></th><th>{}</th><th>{}</th><th>second − first</th></tr>", *names)
    note = "σ: the 68 % intervals of both and what real stars of their kind miss by; *: the intervals alone."
    results = html(fill('<table class="plain">{}{}</table><div class="sub">{}</div>', head, join(lines), note))
    legend = fill('<span><i style="border-top:2px solid {0}"></i>{2}</span><span><i style="border-top:2px solid {1}"></i>{3}</span>',
                  theme.css("ink"), theme.css("literature"), *names)  # fmt: skip
    spectra = card(html(heading("Two stars compared", legend)), *panes)
    return grid(spectra, card(results, title="Their modes"), columns="minmax(0, 1.7fr) minmax(0, 1fr)")


def stars_card(session: Session) -> pn.Column:
    """The stars of the session in the left column; a click shows one. Hidden while there is but one."""
    state = session.state
    box, note = pn.Column(sizing_mode="stretch_width", margin=0), html()
    given = given_line(session)
    view = card(box, note, given, title="Stars", visible=False, css_classes=["tour-stars"])

    def draw(*_events: object) -> None:
        view.visible = len(state.stars) > 1 or state.waiting > 0 or bool(state.given)
        if not view.visible:
            return
        at = state.current
        shown = range(max(0, (at or 0) - 4), min(len(state.stars), (at or 0) + 6))
        box.objects = [_star_button(session, i, i == at) for i in shown]
        more = f"{state.waiting} to come · " if state.waiting else ""
        note.object = str(
            fill(
                '<div class="small"><span>{}{} stars · keys j k next, previous · g u b verdict</span></div>',
                more,
                len(state.stars),
            )
        )

    state.param.watch(lambda *_events: session.post(draw), ["stars", "waiting", "analysis", "verdicts", "given"])
    return view


def _star_button(session: Session, index: int, current: bool) -> pmui.Button:
    star = session.state.stars[index]
    button = pmui.Button(
        label=f"{star.name}   {grade_text(*verdict_on(session.state, star))}"[:60], variant="text", size="small",
        margin=0, sizing_mode="stretch_width",
        sx={"justifyContent": "flex-start", "fontWeight": 700 if current else 400, "padding": "2px 6px", "textAlign": "left"},
    )  # fmt: skip
    button.on_click(lambda _event: session.state.restore(session.state.stars[index]))
    return button
