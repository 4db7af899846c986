"""Saliency tab: the pixels that each target depends on, in this star or in typical ones, and the strongest peaks by name."""

from __future__ import annotations

from functools import cache

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param

from cinn_core.explanation.peaks import Peak, elements_of_pixels, strongest_peaks, typical_saliency
from cinn_core.explanation.saliency import load_background
from cinn_core.inference.model import Model
from cinn_core.inference.quantities import MINUS, label_of
from cinn_core.instrument import ARMS
from cinn_core.stages import Saliency
from cinn_core.targets import COLUMN, TARGETS

from .. import theme
from ..figures.saliency import ROW_HEIGHT, draw_map, map_options
from ..session import Session
from .posterior import TABLE_CSS
from .spectrum import Zoom
from .take_away import exports
from .widgets import SWITCH, card, fill, grid, heading, html, live

TYPICAL_STARS, TYPICAL_SEED = 24, 1
_HEIGHT = len(TARGETS) * ROW_HEIGHT + 45
_LEGEND = fill(
    '<span><i style="height:9px;width:50px;filter:{};background:linear-gradient(90deg,{},#fff,{})"></i>'
    "flux here lowers · raises the target</span>",
    theme.css("figure"), theme.SALIENCY[0], theme.SALIENCY[-1],
)  # fmt: skip


@cache
def _typical(model: Model) -> Saliency:
    """Once a process: the median of the test stars that ships with the network; for another network, simulated stars."""
    shipped = load_background(model)
    return Saliency(shipped) if shipped is not None else typical_saliency(model, TYPICAL_STARS, TYPICAL_SEED)


class Background(param.Parameterized):
    """Choice of the saliency shown, of the star or of typical ones, and the elements that name its peaks."""

    typical = param.Boolean(default=False)
    weights = param.Array(doc="(13, N_PIXELS), None until computed.")
    elements = param.Array(doc="(N_PIXELS,) symbols of this star, None until computed.")


def saliency(session: Session) -> pn.Column:
    """The tab."""
    state, background = session.state, Background()
    switch = pmui.RadioButtonGroup(
        options={"this star": False, "test stars": True}, value=False, size="small", margin=(4, 0), width=200, sx=SWITCH,
        description="This star's own map, or the median over held-out stars at S/N 250 per Å (of a network of your own: the root "
        f"mean square over {TYPICAL_STARS} simulated stars).",
    )  # fmt: skip
    switch.link(background, value="typical")

    def refresh(*_events: object) -> None:
        analysis = state.analysis
        if background.typical:
            session.jobs.start(
                "The saliency of typical stars",
                lambda: _typical(session.model()).weights,
                lambda result: setattr(background, "weights", result),
            )
        else:
            background.weights = analysis.saliency.weights

    def star() -> None:
        background.elements = None
        analysis = state.analysis
        session.jobs.start(
            "The elements behind the pixels",
            lambda: elements_of_pixels(analysis, session.model()),
            lambda result: setattr(background, "elements", result),
        )
        refresh()

    background.param.watch(refresh, "typical")
    title = html(heading("What each target looks at", _LEGEND))
    left = card(title, switch, maps(session, background), exports(session, "saliency"), css_classes=["tour-saliency"])
    view = grid(left, peak_card(session, background), columns="minmax(0, 2.4fr) minmax(320px, 1fr)")
    live(session, view, ["analysis"], star)
    return view


def maps(session: Session, background: Background) -> pn.Column:
    """Both arms, side by side, their wavelengths free to zoom."""
    state = session.state
    place = pn.Column(sizing_mode="stretch_width", margin=0, min_height=_HEIGHT)
    zooms = [Zoom(session, arm) for arm in ARMS]

    def one(zoom: Zoom, names: bool) -> pn.pane.HoloViews:
        def figure(weights: np.ndarray | None, window: tuple[float, float], target: str) -> hv.Overlay:
            shown = state.analysis.saliency.weights if weights is None else weights
            return draw_map(shown, zoom.arm, *window, COLUMN[target])

        streams = [
            hv.streams.Params(background, ["weights"]),
            hv.streams.Params(zoom, ["window"]),
            hv.streams.Params(state, ["target"]),
        ]
        plot = hv.DynamicMap(figure, streams=streams).opts(
            hv.opts.Overlay(**map_options(zoom.arm, zoom.range, state.choose_target, names))
        )
        return pn.pane.HoloViews(plot, sizing_mode="stretch_width", margin=0, linked_axes=False)

    def draw() -> None:
        place.objects = [grid(one(zooms[0], True), one(zooms[1], False), columns="minmax(0, 1.12fr) minmax(0, 1fr)")]

    def look(*_events: object) -> None:
        for zoom in zooms:
            if state.look_at is not None and zoom.arm.low <= state.look_at <= zoom.arm.high:
                zoom.go(state.look_at - 20, state.look_at + 20)

    session.post(draw)
    state.param.watch(look, "look_at")
    return place


def peak_table(peaks: tuple[Peak, ...]) -> pd.DataFrame:
    """The peaks as the texts the page shows; the same columns for none."""
    return pd.DataFrame(
        {
            "Å": [f"{p.wavelength:.1f}" for p in peaks],
            "line": [p.line.name if p.line else "" for p in peaks],
            "eV": ["" if p.line is None else f"{p.line.excitation:.2f}" for p in peaks],
            "by": [p.element or "–" for p in peaks],
            "±": ["+" if p.raises else MINUS for p in peaks],
            "%": [f"{100 * p.share:.1f}" for p in peaks],
        },
        dtype=object,
    )


def peak_card(session: Session, background: Background) -> pn.Column:
    """The ten strongest peaks of the chosen target; a click shows the spectrum there."""
    state = session.state
    table = pn.widgets.Tabulator(
        peak_table(()), disabled=True, show_index=False, layout="fit_columns", sizing_mode="stretch_width", margin=0,
        theme="simple", stylesheets=[TABLE_CSS], selectable=1, sortable=False,
        text_align={"%": "right"}, widths={"Å": 50, "line": 80, "eV": 40, "by": 34, "±": 26},
    )  # fmt: skip
    now: list[tuple[Peak, ...]] = [()]

    def draw(*_events: object) -> None:
        if state.analysis is None:
            return
        weights = state.analysis.saliency.weights if background.weights is None else background.weights
        elements = np.full(weights.shape[1], "") if background.elements is None else background.elements
        now[0] = strongest_peaks(weights[COLUMN[state.target]], elements)
        table.value, table.selection = peak_table(now[0]), []

    def clicked(event: object) -> None:
        peak = now[0][event.row]  # type: ignore[attr-defined]
        state.look_at = None
        state.look_at = peak.wavelength
        if peak.line is not None:
            state.line = peak.line.name
        state.tab = "overview"

    def title(target: str) -> str:
        return str(heading(f"{label_of(target)}: ten strongest peaks; a click shows the spectrum there"))

    table.on_click(clicked)
    background.param.watch(draw, ["weights", "elements"])
    state.param.watch(draw, "target")
    draw()
    note = fill(
        '<div class="sub">eV: excitation energy of a diagnostic line; by: the element to whose abundance the model flux '
        "answers most at that pixel; ±: whether more flux there raises the target; %: share of its squared saliency.</div>"
    )
    return card(html(pn.bind(title, state.param.target)), table, html(note))
