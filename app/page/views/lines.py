"""Lines tab: a panel for each diagnostic line, by species; a click shows what the line drives and the star without it."""

from __future__ import annotations

import math

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup

from cinn_core.explanation.line_by_line import LineByLine, LineVerdict, drives
from cinn_core.forward_model.nlte_change import describe_physics, elements_in_nlte
from cinn_core.inference.predictive import Bands
from cinn_core.inference.quantities import label_of, quantities, value_text
from cinn_core.lines import LineWindow, line_windows
from cinn_core.stages import Analysis, Summary
from cinn_core.targets import COLUMN, TARGETS

from .. import theme
from ..figures.lines import draw_line, draw_lines, rows_of
from ..session import LeftOut, Session, leave_out
from .take_away import exports
from .widgets import NARROW, Seen, card, fill, grid, heading, html, join

COLUMNS = 6
ROW_HEIGHT = 128
LITHIUM = "Li I 6707.8"
_LOOKED_AT = ["analysis", "line", "compare_lte", "bands", "lines"]
DRIVEN = 5
"""Targets listed of those that a line drives."""

_LEGEND = fill(
    '<span><i style="border-top:2px solid {0}"></i>observed</span>'
    '<span><i style="border-top:2px solid {1}"></i>resimulated at the mode of the flow</span>'
    '<span><i style="height:9px;background:{1};opacity:.45"></i>68 %</span>'
    '<span><i style="height:9px;background:{1};opacity:.2"></i>95 %</span>'
    '<span><i style="border-top:2px dashed {2}"></i>± 1 σ</span>'
    '<span style="color:{3}">! disagrees</span>',
    theme.css("ink"), theme.css("model"), theme.css("literature"), theme.css("alert-ink"),
)  # fmt: skip


def line_grid(
    session: Session, seen: Seen, windows: tuple[LineWindow, ...], columns: int, row_height: int
) -> pn.Column:
    """Panels of some lines; they follow star, posterior in use and verdicts, and a click chooses one and opens its tab."""
    state = session.state
    height = rows_of(len(windows), columns) * row_height
    place = pn.Column(sizing_mode="stretch_width", margin=0, height=height, styles={"max-height": "none"})

    def figure(
        analysis: Analysis, line: str, compare_lte: bool, bands: Bands | None, lines: LineByLine | None
    ) -> hv.Overlay:
        return draw_lines(analysis, bands, lines, windows, columns, row_height, line, state.show_line, compare_lte)

    def draw() -> None:
        plot = hv.DynamicMap(figure, streams=[hv.streams.Params(seen, _LOOKED_AT)])
        place.objects = [pn.pane.HoloViews(plot, sizing_mode="stretch_width", margin=0, linked_axes=False)]

    session.post(draw)
    return place


def species() -> dict[str, tuple[LineWindow, ...]]:
    """The windows of each species, in the order of the table."""
    names = dict.fromkeys(w.species for w in line_windows())
    return {name: tuple(w for w in line_windows() if w.species == name) for name in names}


def lines(session: Session) -> pn.Column:
    """The tab."""
    groups, seen = [], Seen(session, "lines")
    for name, windows in species().items():
        if name == "Li I":
            continue  # always large, on the right
        groups += [
            html(fill('<div class="group">{}</div>', name)),
            line_grid(session, seen, windows, COLUMNS, ROW_HEIGHT),
        ]
    title = html(heading("Diagnostic lines: the mode and its bands; a click opens a line", _LEGEND))
    left = card(title, lte_switch(session), *groups, exports(session, "lines"), css_classes=["tour-lines"])
    right = pn.Column(
        large_line(session, seen), line_card(session), lithium_card(session, seen),
        sizing_mode="stretch_width", margin=0, styles=theme.STACK,
    )  # fmt: skip
    return grid(left, right, columns="minmax(0, 2.6fr) minmax(300px, 1fr)", below=NARROW)


def lte_switch(session: Session) -> pn.FlexBox:
    """Switch that draws the lines in LTE too, and says which elements are in NLTE; hidden where none is."""
    state = session.state
    switch = pmui.Checkbox.from_param(
        state.param.compare_lte, label="in LTE too", size="small", margin=0,
        description="The same labels without departures from LTE: what a network in LTE would make up with other abundances.",
    )  # fmt: skip
    note = html()
    row = pn.FlexBox(switch, note, gap="4px 16px", align_items="center", margin=0, visible=False)

    def refresh(*_events: object) -> None:
        if state.analysis is not None:
            row.visible = bool(elements_in_nlte(state.analysis.physics))
            mark = fill('<span><i style="border-top:2px solid {}"></i>the mode in LTE</span>', theme.css("in-lte"))
            note.object = str(
                fill('<div class="sub legend">{}; {}</div>', describe_physics(state.analysis.physics), mark)
            )

    state.param.watch(refresh, "analysis")
    refresh()
    return row


def large_line(session: Session, seen: Seen, name: str | None = None) -> pn.Column:
    """One line large: the chosen one, or the one named."""
    state = session.state
    place = pn.Column(sizing_mode="stretch_width", margin=0, min_height=250)

    def figure(
        analysis: Analysis, line: str, compare_lte: bool, bands: Bands | None, lines: LineByLine | None
    ) -> hv.Overlay:
        return draw_line(analysis, bands, lines, name or line, compare_lte)

    def draw() -> None:
        plot = hv.DynamicMap(figure, streams=[hv.streams.Params(seen, _LOOKED_AT)])
        place.objects = [pn.pane.HoloViews(plot, sizing_mode="stretch_width", margin=0, linked_axes=False)]

    def title(line: str, analysis: Analysis | None) -> str:
        window = next(w for w in line_windows() if w.name == (name or line))
        return str(heading(_title(window, analysis)))

    session.post(draw)
    return card(html(pn.bind(title, state.param.line, state.param.analysis)), place)


def lithium_card(session: Session, seen: Seen) -> pn.Column:
    """The lithium line, always there: below the chosen one where that is another."""
    line = large_line(session, seen, LITHIUM)
    line.visible = session.state.param.line.rx() != LITHIUM
    return line


def _title(window: LineWindow, analysis: Analysis | None) -> Markup:
    if analysis is None:
        return fill("{} Å", window.name)
    q = quantities(analysis)[COLUMN[window.target]]  # lithium as the tiles have it
    value = (
        q.status_text if q.limit95 is not None else f"{q.value_text} ± {q.text((q.hi68 - q.lo68) / 2, signed=False)}"
    )
    return fill("{} Å · {} {}; ± 1 σ dashed", window.name, q.label, value)


def line_card(session: Session) -> pn.Column:
    """Verdict on the line chosen, the targets that it drives, and the star without it."""
    state, results = session.state, session.results
    button = pmui.Button(
        label="Leave it out", variant="contained", size="small", margin=(4, 0),
        description="Infers the star again without the line's pixels, same seed.",
    )  # fmt: skip

    def clicked(_event: object) -> None:
        leave_out(session, next(w for w in line_windows() if w.name == state.line))

    button.on_click(clicked)
    note = html(pn.bind(_verdict_html, state.param.line, results.param.lines))
    driven = html(pn.bind(_driven_html, state.param.line, state.param.analysis))
    without = html(
        pn.bind(_without_html, state.param.line, state.param.analysis, results.param.left_out, results.param.working)
    )
    return card(note, driven, button, without)


def _verdict_html(line: str, results: LineByLine | None) -> str:
    verdict = next((v for v in results.verdicts if v.window.name == line), None) if results else None
    if verdict is None:
        return str(heading("Judging the lines …"))
    return str(verdict_markup(verdict))


def verdict_markup(verdict: LineVerdict) -> Markup:
    """The verdict on a line in words and numbers."""
    name = verdict.window.name
    if math.isnan(verdict.chi2):
        return fill('<div class="head">{} was not observed</div>', name)
    alone = math.isnan(verdict.others)
    head = "disagrees" if verdict.disagrees else "is the only line of its element" if alone else "agrees with the rest"
    asks = fill("{} ± {:.2f} dex", value_text(verdict.shift, 2, signed=True), verdict.error)
    others = fill("{} dex", value_text(verdict.others, 2, signed=True)) if not math.isnan(verdict.others) else fill("–")
    return fill(
        '<div class="head {}"><span>{} {}</span></div><div class="sub">{}</div>'
        "<dl><div><dt>χ² per pixel</dt><dd>{:.2f}</dd></div><div><dt>this line alone asks for, beside the mode</dt><dd>{}</dd></div>"
        "<div><dt>the others of its element ask for</dt><dd>{}</dd></div></dl>",
        "bad" if verdict.disagrees else "", name, head, verdict.reason, verdict.chi2, asks, others,
    )  # fmt: skip


def _driven_html(line: str, analysis: Analysis | None) -> str:
    if analysis is None:
        return ""
    share = drives(analysis.saliency, next(w for w in line_windows() if w.name == line))
    order = sorted(range(len(TARGETS)), key=lambda i: -share[i])[:DRIVEN]
    bars = join(
        fill(
            '<div class="small"><span>{}</span><span>{:.1f} %</span></div>'
            '<div class="bar"><i class="model" style="width:{:.1f}%"></i></div>',
            label_of(TARGETS[i].name), 100 * share[i], 100 * share[i] / max(share[order[0]], 1e-9),
        )
        for i in order
    )  # fmt: skip
    return str(
        fill('<div class="head" style="margin-top:8px">What it drives: its share of each saliency</div>{}', bars)
    )


def _without_html(line: str, analysis: Analysis | None, left_out: LeftOut | None, working: list[str]) -> str:
    if "left out" in working:
        return str(fill('<div class="sub">Inferring without the line …</div>'))
    if analysis is None or left_out is None or left_out.window.name != line:
        return ""
    share = drives(analysis.saliency, left_out.window)
    order = sorted(range(len(TARGETS)), key=lambda i: -share[i])[:DRIVEN]
    rows = join(_row(TARGETS[i].name, analysis.summary, left_out.summary) for i in order)
    return str(
        fill(
            '<table class="plain"><tr><th></th><th>with</th><th>without {}</th></tr>{}</table>',
            left_out.window.name,
            rows,
        )
    )


def _row(name: str, with_it: Summary, without: Summary) -> Markup:
    def text(summary: Summary) -> str:
        target, decimals = summary.targets[name], TARGETS[COLUMN[name]].decimals
        return f"{value_text(target.map, decimals)} ± {(target.hi68 - target.lo68) / 2:.{decimals}f}"

    return fill("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", TARGETS[COLUMN[name]].label, text(with_it), text(without))
