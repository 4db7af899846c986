"""The overview: both arms with residual and saliency, the five diagnostic lines, and the Kiel diagram."""

from __future__ import annotations

import holoviews as hv
import panel as pn

from app import theme
from app.figures.kiel import draw_kiel
from app.figures.lines import ZOOMS, draw_zoom
from app.figures.spectrum import draw_overlay, draw_residual, draw_saliency
from app.state import SessionState
from app.visit import Visit
from cinn_core.instrument import ARMS, Arm
from cinn_core.stages import Analysis
from cinn_core.targets import COLUMN, TARGETS

from .parts import card, fill, grid, heading, html, live

_LEGEND = fill(
    '<span><i style="border-top:2px solid {0}"></i>observed</span>'
    '<span><i style="border-top:2px solid {1}"></i>resimulated at the mode</span>'
    '<span><i style="height:9px;background:{1};opacity:.45"></i>68 %</span>'
    '<span><i style="height:9px;background:{1};opacity:.2"></i>95 %</span>'
    '<span><i style="height:9px;width:34px;background:linear-gradient(90deg,{2},#fff,{3})"></i>lowers · raises</span>',
    theme.css("ink"), theme.css("model"), theme.SALIENCY[0], theme.SALIENCY[-1],
)  # fmt: skip


def arm_figure(state: SessionState, arm: Arm) -> hv.Layout:
    """One arm's three panels on one wavelength axis; they follow the star and the chosen target without a redraw."""
    star = hv.streams.Params(state, ["analysis"])
    chosen = hv.streams.Params(state, ["analysis", "target"])

    def saliency(analysis: Analysis, target: str, x_range: tuple[float, float] | None = None) -> hv.Image:
        return draw_saliency(analysis, COLUMN[target], arm, x_range)

    panels = [
        hv.DynamicMap(lambda analysis: draw_overlay(analysis, arm), streams=[star]),
        hv.DynamicMap(lambda analysis: draw_residual(analysis, arm), streams=[star]),
        hv.DynamicMap(saliency, streams=[chosen, hv.streams.RangeX()]),
    ]
    return hv.Layout(panels).cols(1).opts(toolbar=None)


def spectrum_card(visit: Visit) -> pn.Column:
    """Both arms side by side; drawn when the first star arrives."""

    state = visit.state

    def title(target: str) -> str:
        label = "A(Li)" if target == "li_fe" else TARGETS[COLUMN[target]].label
        return str(heading(f"Spectrum, residual (σ), what {label} looks at", _LEGEND))

    arms = pn.Row(sizing_mode="stretch_width", margin=0, min_height=380)

    def first_star() -> None:
        arms.objects = [
            pn.pane.HoloViews(arm_figure(state, arm), sizing_mode="stretch_width", margin=0, min_width=300)
            for arm in ARMS
        ]

    visit.soon(first_star)
    caption = fill('<div class="caption">wavelength in air [Å] · drag to zoom, double-click to reset</div>')
    return card(html(pn.bind(title, state.param.target)), arms, html(caption))


def lines_card(visit: Visit) -> pn.Column:
    """The five diagnostic lines as small multiples."""
    panes = [pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0, min_width=120) for _ in ZOOMS]

    def draw() -> None:
        for pane, zoom in zip(panes, ZOOMS, strict=True):
            pane.object = draw_zoom(visit.state.analysis, zoom)

    made = card(pn.Row(*panes, sizing_mode="stretch_width", margin=0), title="Diagnostic lines")
    live(visit, made, ["analysis"], draw)
    return made


def kiel_card(visit: Visit) -> pn.Column:
    """The posterior in the Kiel diagram."""
    pane = pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0)

    def draw() -> None:
        pane.object = draw_kiel(visit.state.analysis)

    made = card(pane, title="Kiel diagram: posterior within the prior", css_classes=["tour-kiel"])
    live(visit, made, ["analysis"], draw)
    return made


def overview(visit: Visit) -> pn.Column:
    """The first tab of the page, below the tiles."""
    lower = grid(lines_card(visit), kiel_card(visit), columns="minmax(0, 2.8fr) minmax(0, 1fr)")
    return pn.Column(spectrum_card(visit), lower, sizing_mode="stretch_width", margin=0, styles=theme.STACK)
