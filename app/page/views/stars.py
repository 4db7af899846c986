"""Stars tab: a table to sort and walk through, two stars compared, differences from the literature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models.widgets.tables import NumberFormatter

from cinn_core.inference.quantities import quantities
from cinn_core.inference.trust import Level, difference_in_sigma, real_error, trust_in
from cinn_core.instrument import ARMS
from cinn_core.literature import FLOOR
from cinn_core.output.bundle import all_bytes
from cinn_core.output.catalogue import Row, as_csv, as_votable, catalogue_row
from cinn_core.output.glossary import FLAG_TEXT
from cinn_core.output.verdicts import Grade
from cinn_core.targets import COLUMN, TARGETS

from .. import theme
from ..figures.stars import draw_comparison, draw_difference, draw_differences, thumbnail
from ..jobs import SIDE, run_job
from ..session import Session
from ..state import SessionState
from ..visit import Source, Star
from .posterior import TABLE_CSS
from .take_away import Download, download_link, saved_star
from .verdict import given_line, grade_text, verdict_card, verdict_on
from .widgets import card, fill, grid, heading, html, join

_SHOWN = tuple(t for t in TARGETS if t.name in FLOOR)
_DRAWING = "Ca I 6162"
_FORMATTERS = (
    {_DRAWING: {"type": "html"}, "S/N": NumberFormatter(format="0", nan_format="–")}
    | {t.label: NumberFormatter(format="0.00" if t.decimals else "0", nan_format="–") for t in _SHOWN}
    | {f"± {t.label}": NumberFormatter(format="0.00" if t.decimals else "0", nan_format="–") for t in _SHOWN}
    | {f"Δ {t.label}": NumberFormatter(format="+0.00" if t.decimals else "+0", nan_format="–") for t in _SHOWN}
    | {f"z {t.label}": NumberFormatter(format="+0.0", nan_format="–") for t in _SHOWN}
)
_COLUMNS = (
    {"star": object, "trust": object, _DRAWING: object, "verdict": object}
    | {name: float for t in _SHOWN for name in (t.label, f"± {t.label}")}
    | {"A(Li)": object}
    | {f"{mark} {t.label}": float for t in _SHOWN for mark in "Δz"}
    | {"S/N": float, "flags": object, "file": object}
)
_CSS = f"""
:host .tabulator .tabulator-row.tabulator-selected, :host .tabulator .tabulator-row.tabulator-selected .tabulator-cell {{
  background: {theme.css("chosen")} !important; color: {theme.css("ink")} !important; }}
:host .tabulator .tabulator-frozen {{ background: {theme.css("card")} !important; }}
:host .tabulator .tabulator-row .tabulator-cell svg {{ display: block; margin-top: -4px; }}
"""


def stars(session: Session) -> pn.Column:
    """The tab; a click on a row shows its star, two marked rows are compared."""
    state, listed = session.state, list[Star]()
    table, filters, buttons, columns = _table(), _filters(), _buttons(), _column_choice()
    title, compared = html(), pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
    figures = [pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0) for _ in FLOOR]
    thumbnails: dict[object, str] = {}

    def draw(*_events: object) -> None:
        if not view.visible:
            return
        for star in state.stars:
            thumbnails.setdefault(star.key, thumbnail(star.analysis))
        catalogue = rows_of(state)
        at = [i for i, row in enumerate(catalogue) if _wanted(row, *(f.value for f in filters.values()))]
        listed[:] = [state.stars[i] for i in at]
        table.value = frame(
            [
                table_row(catalogue[i], star, thumbnails[star.key], grade_text(*verdict_on(state, star)))
                for i, star in zip(at, listed, strict=True)
            ]
        )
        title.object = _title(len(listed), len(state.stars), state.waiting)
        benchmark.visible = any(np.isfinite(row[f"{name}_difference"]) for row in catalogue for name in FLOOR)
        for pane, name in zip(figures, FLOOR, strict=True):
            pane.object = draw_differences(catalogue, name) if benchmark.visible else None

    def clicked(event: object) -> None:
        column, row = getattr(event, "column", None), getattr(event, "row", None)
        if column != "_selector" and row is not None and row < len(listed):
            state.restore(listed[row])

    def marked() -> list[Star]:
        return [listed[i] for i in sorted(table.selection) if i < len(listed)]

    download = _connect(session, buttons, marked, compared)
    table.on_click(clicked)
    benchmark = grid(
        *(card(pane, title=f"Δ {t.label}: mode − literature") for pane, t in zip(figures, _SHOWN, strict=True)),
        columns="repeat(3, minmax(0, 1fr))",
    )
    for one in filters.values():
        one.param.watch(lambda _event: session.post(draw), "value")
    columns.param.watch(lambda event: setattr(table, "hidden_columns", hidden(event.new)), "value")
    bar = pn.FlexBox(*buttons.values(), download, gap="6px", margin=(8, 0))
    upper = grid(
        card(title, bar, _filter_row(filters), columns, table, css_classes=["tour-table"]),
        verdict_card(session),
        columns="minmax(0, 1fr) 260px",
    )
    view = pn.Column(upper, compared, benchmark, sizing_mode="stretch_width", margin=0, styles=theme.STACK)
    state.param.watch(lambda *_events: session.post(draw), ["stars", "waiting", "verdicts"])
    view.param.watch(lambda _event: session.post(draw), "visible")
    session.post(draw)
    return view


def rows_of(state: SessionState) -> list[Row]:
    """The rows of all stars, with the verdict that counts for each."""
    return [catalogue_row(star.analysis, verdict_on(state, star)[0]) for star in state.stars]


def _buttons() -> dict[str, pmui.Button]:
    """What can be done with the stars, by its label."""
    tips = {
        "compare 2": "The spectra and modes of two marked stars, and their differences",
        "combine": "Add marked exposures of one star",
        "CSV": "The table of all stars, with intervals and limits",
        "VOTable": "The same with units, UCDs and descriptions",
        "take all away": "One zip with the table and everything about every star; drop it on the page to come back",
    }
    return {
        label: pmui.Button(label=label, variant="outlined", size="small", margin=0, description=tip)
        for label, tip in tips.items()
    }


def _connect(
    session: Session, buttons: dict[str, pmui.Button], marked: Callable[[], list[Star]], compared: pn.Column
) -> Download:
    """Have the buttons do what they say; the result brings the files to the visitor."""
    state, download = session.state, download_link()

    def compare(_event: object) -> None:
        two, compared.visible = marked()[:2], True
        text = html(fill('<div class="sub">Mark two stars first.</div>'))
        compared.objects = [comparison(*two) if len(two) == 2 else text]

    def combine(_event: object) -> None:
        chosen = marked()
        if len(chosen) < 2:
            state.warn("Mark two or more exposures of one star in the table; combine adds them.")
        else:
            session.analyse_source(partial(summed, [star.request.source for star in chosen]))

    def take_all(_event: object) -> None:
        saved, rows, button = [saved_star(star) for star in state.stars], rows_of(state), buttons["take all away"]
        button.disabled = True

        def ended(then: Callable[[Any], object], result: Any) -> None:
            button.disabled = False
            then(result)

        show = partial(ended, lambda content: download.send(content, "kiel-stars.zip"))
        run_job(SIDE, session.post, lambda: all_bytes(saved, rows), show, partial(ended, state.warn), "The zip of all")

    buttons["compare 2"].on_click(compare)
    buttons["combine"].on_click(combine)
    buttons["CSV"].on_click(lambda _event: download.send(as_csv(rows_of(state)), "kiel-stars.csv"))
    buttons["VOTable"].on_click(lambda _event: download.send(as_votable(rows_of(state)), "kiel-stars.vot"))
    buttons["take all away"].on_click(take_all)
    return download


_ANY, _NONE = "any", "none yet"


def _filters() -> dict[str, pmui.TextInput | pmui.Select]:
    """What of the stars is listed: a text in name, file or flags, the verdict, and how far the numbers can be believed."""
    text = pmui.TextInput(label="name, file or flag", size="small", margin=0, sizing_mode="stretch_width")
    choices = {"verdict": (_ANY, _NONE, *(g.value for g in Grade)), "trust": (_ANY, *(level.value for level in Level))}
    return {"text": text} | {
        name: pmui.Select(
            label=name, options=list(options), value=_ANY, size="small", margin=0, sizing_mode="stretch_width"
        )
        for name, options in choices.items()
    }


def _column_choice() -> pmui.MultiChoice:
    """The choice of columns; the name of a star always stands there."""
    return pmui.MultiChoice(
        label="columns", placeholder="all; choose those to see", options=[name for name in _COLUMNS if name != "star"],
        margin=(0, 0, 8, 0), sizing_mode="stretch_width",
    )  # fmt: skip


def hidden(chosen: list[str]) -> list[str]:
    """Columns that are not to be seen where some are chosen; none chosen means all."""
    return [name for name in _COLUMNS if name != "star" and name not in chosen] if chosen else []


def _filter_row(filters: dict[str, pmui.TextInput | pmui.Select]) -> pn.Column:
    """The filters beside each other."""
    styles = {"display": "grid", "grid-template-columns": "minmax(0, 2fr) minmax(0, 1fr) minmax(0, 1fr)", "gap": "8px"}
    return pn.Column(*filters.values(), sizing_mode="stretch_width", margin=(4, 0, 8, 0), styles=styles)


def _wanted(row: Row, text: str, verdict: str, trust: str) -> bool:
    """Whether a row passes the filters."""
    flags = " ".join(FLAG_TEXT[flag] for flag in str(row["flags"]).split())
    found = text.strip().lower() in f"{row['star']} {row['file']} {row['flags']} {flags}".lower()
    judged = verdict == _ANY or (row["grade"] or _NONE) == verdict
    return found and judged and trust in (_ANY, row["trust_level"])


def _table() -> pn.widgets.Tabulator:
    """The table of stars, empty; the name stays where the rest is scrolled."""
    return pn.widgets.Tabulator(
        frame([]), disabled=True, show_index=False, layout="fit_data_stretch", sizing_mode="stretch_width", margin=0,
        theme="simple", stylesheets=[TABLE_CSS, _CSS], selectable="checkbox", max_height=480, widths={"star": 170, "flags": 150},
        formatters=_FORMATTERS, text_align={name: "right" for name in _FORMATTERS if name != _DRAWING},
        frozen_columns=["star"],
    )  # fmt: skip


def _title(listed: int, n: int, waiting: int) -> str:
    """The heading of the table: how many stars there are, how many of them are listed, and how many are to come."""
    some = f"{listed} of " if listed != n else ""
    more = f", {waiting} to come" if waiting else ""
    return str(heading(f"{some}{n} star{'' if n == 1 else 's'}{more}: click to show, mark two to compare or combine"))


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
        measured = row[f"{target.name}_status"] == "measured"
        shown[target.label] = row[target.name] if measured else np.nan
        half = 0.5 * (row[f"{target.name}_hi68"] - row[f"{target.name}_lo68"])
        shown[f"± {target.label}"] = half if measured else np.nan
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
    draw = (draw_comparison, draw_difference)
    panes = [
        pn.pane.Bokeh(f(one.analysis, other.analysis, arm), sizing_mode="stretch_width") for arm in ARMS for f in draw
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
