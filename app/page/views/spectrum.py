"""Spectrum card: both arms with residual and saliency strip on one wavelength axis, and what can be laid over them."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import Range1d
from numpy.typing import NDArray

from cinn_core.errors import KielError
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
from ..visit import pins_of
from .take_away import exports
from .widgets import Seen, card, fill, grid, heading, html, join

LOOK_ANGSTROM = 5.0
"""Half-width of what is shown of a line that was jumped to."""

_LEGEND = fill(
    '<span><i style="border-top:2px solid {0}"></i>observed</span>'
    '<span><i style="border-top:2px solid {1}"></i>resimulated at the mode of the flow</span>'
    '<span><i style="height:9px;background:{1};opacity:.45"></i>68 %</span>'
    '<span><i style="height:9px;background:{1};opacity:.2"></i>95 %</span>'
    '<span><i style="filter:{7};border-top:2px dashed {8}"></i>quantiles 16, 84 %</span>'
    '<span><i style="filter:{7};border-top:2px dotted {8}"></i>2.5, 97.5 %</span>'
    '<span><i style="height:9px;background:{4};opacity:.35"></i>missing</span>'
    '<span><i style="height:9px;background:{5};opacity:.35"></i>telluric</span>'
    '<span><i style="height:9px;background:{6};opacity:.45"></i>model not trusted</span>'
    '<span><i style="height:9px;width:34px;filter:{7};background:linear-gradient(90deg,{2},#fff,{3})"></i>lowers · raises</span>',
    theme.css("ink"), theme.css("model"), theme.SALIENCY[0], theme.SALIENCY[-1], theme.css("faint"),
    theme.css("literature"), theme.UNTRUSTED, theme.css("figure"), theme.QUANTILES,
)  # fmt: skip


class Zoom(param.Parameterized):
    """Range of wavelength shown of one arm, between the browser's shared range and the panels that depend on it."""

    window = param.Tuple(length=2, doc="Lower and upper wavelength [Angstrom] that are shown.")
    height = param.Tuple(default=FLUX_RANGE, length=2, doc="Lower and upper flux that are shown.")

    def __init__(self, session: Session, arm: Arm) -> None:
        super().__init__(window=(arm.low, arm.high))
        self.arm, self.flux, self._state = arm, Range1d(*FLUX_RANGE, bounds=None), session.state
        self._given: tuple[float, float] | None = None
        session.state.param.watch(lambda _event: self.fit(), "analysis")
        self.range = Range1d(arm.low, arm.high, bounds=None)
        self.range.reset_start, self.range.reset_end = arm.low, arm.high
        for end in ("start", "end"):
            self.range.on_change(end, lambda _name, _old, _new: session.post(self._follow))

    def _follow(self) -> None:
        self.window = clipped(self.range.start, self.range.end, self.arm)
        self.fit()

    def fit(self) -> None:
        """Let the flux axis follow what is visible, or stay where a person has put it."""
        if self._state.analysis is not None:
            self.height = self._given or visible_flux(self._state.analysis, self.arm, *self.window)
            self.flux.start, self.flux.end = self.height

    def give(self, ends: tuple[float, float] | None) -> None:
        """Put the ends of the flux axis; None lets it follow again."""
        self._given = ends
        self.fit()

    def go(self, low: float, high: float) -> None:
        """Show a stretch of the arm."""
        self.range.start, self.range.end = clipped(low, high, self.arm)


def arm_panes(seen: Seen, arm: Arm, zoom: Zoom) -> list[pn.viewable.Viewable]:
    """The three panels of an arm; they follow the star, the posterior in use and the target without being built anew."""

    def flux(analysis: Analysis, bands: Bands | None, exact: tuple, quantile_models: NDArray | None) -> hv.Overlay:
        return draw_flux(Shown(analysis, bands, quantile_models, exact), arm)

    star = hv.streams.Params(seen, ["analysis"])
    shown = [hv.streams.Params(seen, ["analysis", "bands", "exact", "quantile_models"])]
    window = hv.streams.Params(zoom, ["window"])
    names = hv.DynamicMap(
        lambda window, height, pins: draw_names(
            arm, window[0], window[1], height[0], height[1], tuple((pin.name, pin.wavelength) for pin in pins)
        ),
        streams=[hv.streams.Params(zoom, ["window", "height"]), hv.streams.Params(seen, ["pins"])],
    )
    strip = hv.DynamicMap(
        lambda analysis, target, window: draw_saliency(analysis.saliency.weights[COLUMN[target]], arm, *window),
        streams=[hv.streams.Params(seen, ["analysis", "target"]), window],
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


def spectrum_card(session: Session, seen: Seen) -> pn.Column:
    """Both arms side by side, with the switches for what is laid over them."""
    state = session.state
    zooms = [Zoom(session, arm) for arm in ARMS]
    arms = pn.Column(sizing_mode="stretch_width", margin=0, min_height=380)

    def title(target: str) -> str:
        return str(heading(f"Spectrum, residual (σ), what {label_of(target)} looks at", _LEGEND))

    def draw() -> None:
        panes = [arm_panes(seen, arm, zoom) for arm, zoom in zip(ARMS, zooms, strict=True)]
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
        switches(session, zooms),
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


def flux_ends(text: str) -> tuple[float, float] | None:
    """Two ends of the flux axis from what a person types, such as 0.8 1.05; None for an empty text. KielError for others."""
    parts = text.replace("…", " ").replace(";", " ").split()
    try:
        ends = tuple(float(part.replace(",", ".")) for part in parts)
    except ValueError:
        ends = ()
    if not parts:
        return None
    if len(ends) != 2 or not ends[0] < ends[1] or not np.isfinite(ends).all():
        raise KielError(
            f"{text!r} is no range of flux; give its lower and its upper end, such as 0.8 1.05, or nothing."
        )
    return ends[0], ends[1]


def flux_box(session: Session, zooms: list[Zoom]) -> pmui.TextInput:
    """Box for the ends of both flux axes; empty, they follow what is visible."""
    box = pmui.TextInput(
        label="flux", placeholder="follows", size="small", margin=0, width=130,
        description="Ends of the flux axis, such as 0.8 1.05; empty: it follows what is visible. Shift and wheel zoom it, too.",
    )  # fmt: skip

    def asked(*_events: object) -> None:
        try:
            ends = flux_ends(box.value)
        except KielError as error:
            session.state.warn(str(error))
            return
        for zoom in zooms:
            zoom.give(ends)

    box.param.watch(asked, "value")
    return box


def pin_box(session: Session) -> pmui.TextInput:
    """Box for the reader's own list of lines; they are drawn over every star of the visit."""
    state = session.state
    box = pmui.TextInput(
        label="my lines", placeholder="Ba II 6141.71; Fe I 6430.85", size="small", margin=0, width=230,
        value="; ".join(map(str, state.pins)),
        description="Lines of your own, name and wavelength in air, one after a semicolon; drawn in the spectrum of every star.",
    )  # fmt: skip

    def typed(*_events: object) -> None:
        try:
            state.pins = pins_of(box.value)
        except KielError as error:
            state.warn(str(error))
        else:
            state.warn("")

    box.param.watch(typed, "value")
    return box


def switches(session: Session, zooms: list[Zoom]) -> pn.FlexBox:
    """Wavelength and flux shown, quantile models, exact resimulation, and what came of it."""
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
        label="wavelength [Å] or line", placeholder="6707.8, Mg, Fe II", size="small", margin=0, width=215,
        description="Shows 10 Å around a wavelength in air, or around the first line of an element.",
    )  # fmt: skip

    def asked(*_events: object) -> None:
        if go.value:
            look_for(session.state, go.value)

    go.param.watch(asked, "value")
    return pn.FlexBox(
        go,
        flux_box(session, zooms),
        pin_box(session),
        quantiles,
        exactly,
        note,
        exports(session, "spectrum"),
        gap="4px 16px",
        align_items="center",
        margin=0,
    )


def _exact_line(exact: tuple, working: list[str]) -> str:
    parts = [
        fill("<span>{}: rms {:.2f} %, largest {:.1f} %</span> ", e.name, 100 * e.rms, 100 * e.largest) for e in exact
    ]
    if "exact" in working:
        parts.append(fill("<span>synthesising …</span>"))
    intro = fill("<span>synthesised − emulated: </span>") if exact else ""
    return str(fill('<div class="sub exact">{}{}</div>', intro, join(parts)))
