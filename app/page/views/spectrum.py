"""Spectrum card: both arms with residual and saliency strip on one wavelength axis, and what can be laid over them."""

from __future__ import annotations

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import Range1d
from numpy.typing import NDArray

from cinn_core.explanation.exact import can_synthesise
from cinn_core.inference.predictive import Bands
from cinn_core.inference.quantities import label_of
from cinn_core.instrument import ARMS, Arm
from cinn_core.lines import find_window
from cinn_core.stages import Analysis
from cinn_core.targets import COLUMN

from .. import theme
from ..figures.spectrum import (
    FLUX_RANGE,
    RESIDUAL_LIMIT,
    Shown,
    clipped,
    draw_clipped,
    draw_flux,
    draw_names,
    draw_residual,
    draw_saliency,
    panel,
    visible_flux,
)
from ..session import Session, synthesise
from ..state import SessionState
from .widgets import card, fill, grid, heading, html, join

LOOK_ANGSTROM = 5.0
"""Half-width of what is shown of a line that was jumped to."""

_LEGEND = fill(
    '<span><i style="border-top:2px solid {0}"></i>observed</span>'
    '<span><i style="border-top:2px solid {1}"></i>resimulated at the mode of the flow</span>'
    '<span><i style="height:9px;background:{1};opacity:.45"></i>68 %</span>'
    '<span><i style="height:9px;background:{1};opacity:.2"></i>95 %</span>'
    '<span><i style="height:9px;background:{4};opacity:.35"></i>missing</span>'
    '<span><i style="height:9px;background:{5};opacity:.35"></i>telluric</span>'
    '<span><i style="height:9px;background:{6};opacity:.45"></i>model not trusted</span>'
    '<span><i style="height:9px;width:34px;filter:{7};background:linear-gradient(90deg,{2},#fff,{3})"></i>lowers · raises</span>',
    theme.css("ink"), theme.css("model"), theme.SALIENCY[0], theme.SALIENCY[-1], theme.css("faint"),
    theme.css("literature"), theme.UNTRUSTED, theme.css("figure"),
)  # fmt: skip


class Zoom(param.Parameterized):
    """Range of wavelength shown of one arm, between the browser's shared range and the panels that depend on it."""

    window = param.Tuple(length=2, doc="Lower and upper wavelength [Angstrom] that are shown.")
    height = param.Tuple(default=FLUX_RANGE, length=2, doc="Lower and upper flux that are shown.")

    def __init__(self, session: Session, arm: Arm) -> None:
        super().__init__(window=(arm.low, arm.high))
        self.arm, self.flux, self._state = arm, Range1d(*FLUX_RANGE, bounds=None), session.state
        session.state.param.watch(lambda _event: self.fit(), "analysis")
        self.range = Range1d(arm.low, arm.high, bounds=None)
        self.range.reset_start, self.range.reset_end = arm.low, arm.high
        for end in ("start", "end"):
            self.range.on_change(end, lambda _name, _old, _new: session.post(self._follow))

    def _follow(self) -> None:
        self.window = clipped(self.range.start, self.range.end, self.arm)
        self.fit()

    def fit(self) -> None:
        """Let the flux axis follow what is visible."""
        if self._state.analysis is not None:
            self.height = visible_flux(self._state.analysis, self.arm, *self.window)
            self.flux.start, self.flux.end = self.height

    def go(self, low: float, high: float) -> None:
        """Show a stretch of the arm."""
        self.range.start, self.range.end = clipped(low, high, self.arm)


def arm_panes(session: Session, arm: Arm, zoom: Zoom) -> list[pn.viewable.Viewable]:
    """The three panels of an arm; they follow the star, the posterior in use and the target without being built anew."""
    state, results = session.state, session.results

    def flux(analysis: Analysis, bands: Bands | None, exact: tuple, quantile_models: NDArray | None) -> hv.Overlay:
        return draw_flux(Shown(analysis, bands, quantile_models, exact), arm)

    star = hv.streams.Params(state, ["analysis"])
    shown = [star, hv.streams.Params(results, ["bands", "exact", "quantile_models"])]
    window = hv.streams.Params(zoom, ["window"])
    names = hv.DynamicMap(
        lambda window, height: draw_names(arm, *window, *height),
        streams=[hv.streams.Params(zoom, ["window", "height"])],
    )
    strip = hv.DynamicMap(
        lambda analysis, target, window: draw_saliency(analysis.saliency.weights[COLUMN[target]], arm, *window),
        streams=[hv.streams.Params(state, ["analysis", "target"]), window],
    )
    residual = hv.DynamicMap(
        lambda analysis: (
            draw_residual(analysis.resimulation.residual, arm) * draw_clipped(analysis.resimulation.residual, arm)
        ),
        streams=[star],
    )
    overlay = (hv.DynamicMap(flux, streams=shown) * names).opts(
        hv.opts.Overlay(**panel(236, zoom.range, zoom.flux), show_legend=False, xaxis=None, yticks=5)
    )
    residual = residual.opts(
        hv.opts.Overlay(
            **panel(74, zoom.range, (-RESIDUAL_LIMIT, RESIDUAL_LIMIT)), show_legend=False, xaxis=None, yticks=[-4, 0, 4]
        )
    )
    strip = strip.opts(hv.opts.Image(**panel(58, zoom.range, (0, 1)), xlabel="", yaxis=None))
    return [
        pn.pane.HoloViews(figure, sizing_mode="stretch_width", margin=0, min_width=300, linked_axes=False)
        for figure in (overlay, residual, strip)
    ]


def spectrum_card(session: Session) -> pn.Column:
    """Both arms side by side, with the switches for what is laid over them."""
    state = session.state
    zooms = [Zoom(session, arm) for arm in ARMS]
    arms = pn.Column(sizing_mode="stretch_width", margin=0, min_height=380)

    def title(target: str) -> str:
        return str(heading(f"Spectrum, residual (σ), what {label_of(target)} looks at", _LEGEND))

    def draw() -> None:
        panes = [arm_panes(session, arm, zoom) for arm, zoom in zip(ARMS, zooms, strict=True)]
        columns = [pn.Column(*three, sizing_mode="stretch_width", margin=0) for three in panes]
        arms.objects = [grid(*columns, columns="minmax(0, 1fr) minmax(0, 1fr)")]

    def look(*_events: object) -> None:
        at = state.look_at
        for zoom in zooms:
            if at is not None and zoom.arm.low <= at <= zoom.arm.high:
                zoom.go(at - LOOK_ANGSTROM, at + LOOK_ANGSTROM)

    state.param.watch(look, "look_at")
    for zoom in zooms:
        zoom.fit()
    session.post(draw)
    session.post(look)
    caption = html(
        fill(
            '<div class="caption">wavelength in air [Å] · drag to zoom, wheel too, double-click to reset; flux follows what '
            "is visible · ◆ residual beyond ± 6 σ</div>"
        )
    )
    return card(
        html(pn.bind(title, state.param.target)),
        arms,
        caption,
        switches(session),
        css_classes=["tour-spectrum"],
    )


def look_for(state: SessionState, text: str) -> None:
    """Zoom on a wavelength or a line by what a person types; what is in neither arm gets a sentence."""
    window = find_window(text)
    try:
        at = float(text.replace(",", ".")) if window is None or text.strip()[0].isdigit() else window.wavelength
    except ValueError:
        state.warn(
            f"There is no diagnostic line {text}; give a wavelength in Å such as 6707.8, or an element such as Mg."
        )
        return
    if any(arm.low <= at <= arm.high for arm in ARMS):
        state.warn("")
        state.look_at = None
        state.look_at = at
    else:
        arms = " and ".join(f"{arm.low:.0f}–{arm.high:.0f}" for arm in ARMS)
        state.warn(f"{at:g} Å lies outside {arms} Å; give a wavelength within them.")


def switches(session: Session) -> pn.FlexBox:
    """Quantile models, exact resimulation, and what came of it."""
    quantiles = pmui.Checkbox.from_param(
        session.results.param.with_quantile_models, label="quantile models", size="small", margin=0,
        description="The four models whose labels all stand at 2.5, 16, 84 and 97.5 % of their marginals, as the paper draws them.",
    )  # fmt: skip
    exactly = pmui.Button(
        label="Resimulate exactly", variant="outlined", size="small", margin=0, visible=can_synthesise(),
        description="The mode and the quantile models by full synthesis with Turbospectrum, some 7 s each, in the background.",
    )  # fmt: skip
    exactly.on_click(lambda _event: synthesise(session))
    note = html(pn.bind(_exact_line, session.results.param.exact, session.results.param.working))
    go = pmui.TextInput(
        label="wavelength [Å] or line", placeholder="6707.8, Mg, Fe II", size="small", margin=0, width=190,
        description="Shows 10 Å around a wavelength in air, or around the first line of an element.",
    )  # fmt: skip

    def asked(*_events: object) -> None:
        if go.value:
            look_for(session.state, go.value)

    go.param.watch(asked, "value")
    return pn.FlexBox(go, quantiles, exactly, note, gap="4px 16px", align_items="center", margin=0)


def _exact_line(exact: tuple, working: list[str]) -> str:
    parts = [
        fill("<span>{}: rms {:.2f} %, largest {:.1f} %</span> ", e.name, 100 * e.rms, 100 * e.largest) for e in exact
    ]
    if "exact" in working:
        parts.append(fill("<span>synthesising …</span>"))
    intro = fill("<span>synthesised − emulated: </span>") if exact else ""
    return str(fill('<div class="sub exact">{}{}</div>', intro, join(parts)))
