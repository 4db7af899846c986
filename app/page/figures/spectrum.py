"""One arm of a spectrum: the observation under its resimulation, the residual, and the pixels that a target depends on."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.models import CustomJSHover, HoverTool, Range1d, WheelZoomTool
from numpy.typing import NDArray

from cinn_core.explanation.exact import Exact
from cinn_core.explanation.saliency import magnitude
from cinn_core.forward_model.model_error import shipped_model_error
from cinn_core.inference.predictive import Bands
from cinn_core.instrument import ARMS, TELLURIC_OXYGEN, WAVELENGTH, Arm, arm_slices
from cinn_core.lines import line_windows
from cinn_core.stages import Analysis

from .. import theme
from .style import quiet, zoom_along_x

STRIP_COLUMNS = 600
RESIDUAL_LIMIT = 6.0
FLUX_RANGE = (0.0, 1.16)
_LEAST_SPAN = 0.02
"""Flux that the axis spans at least: below it lies the noise of the best spectra."""
LEFT_BORDER = 38
H_ALPHA = ("Hα", 6562.80)
_LANDMARK_GAP = 0.065
"""Smallest distance between two names above an arm, as a fraction of what is shown of it; half of it from the ends."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Curves that are laid over one another in the flux panel."""

    analysis: Analysis
    bands: Bands | None = None
    quantile_models: NDArray | None = None
    exact: tuple[Exact, ...] = ()


def pixels(arm: Arm) -> slice:
    """Slice of an arm in a vector over all arms."""
    return arm_slices()[ARMS.index(arm)]


def wavelength_dimension(arm: Arm) -> hv.Dimension:
    """The axis that an arm's panels share and the other arm's do not."""
    return hv.Dimension(f"wavelength_{arm.name}", label=f"{arm.name} arm, wavelength in air", unit="Å")


def panel(height: int, x_range: Range1d, y_range: tuple[float, float] | Range1d) -> dict[str, Any]:
    """Options of a panel that zooms along its arm's shared range; of a height of its own, or of one that the view keeps, too."""
    kept = weakref.ref(y_range) if isinstance(y_range, Range1d) else None
    fixed, shared = None if isinstance(y_range, Range1d) else Range1d(*y_range, bounds=None), weakref.ref(x_range)

    def share(plot: Any, _element: object) -> None:
        fig, along, own = plot.state, shared(), fixed if kept is None else kept()
        fig.x_range, fig.y_range = along, own
        plot.handles["x_range"], plot.handles["y_range"] = along, own
        zoom_along_x(fig)
        if kept is not None and not fig.select({"name": "kiel-flux-zoom"}):
            fig.add_tools(WheelZoomTool(name="kiel-flux-zoom", dimensions="height", modifiers={"shift": True}))

    return {
        "responsive": True, "show_grid": False, "toolbar": None, "height": height, "apply_ranges": False, "ylabel": "",
        "hooks": [share, quiet], "default_tools": ["xpan", "xbox_zoom", "xwheel_zoom", "reset"],
        "active_tools": ["xbox_zoom"], "backend_opts": {"plot.min_border_left": LEFT_BORDER},
    }  # fmt: skip


def draw_flux(shown: Shown, arm: Arm) -> hv.Overlay:
    """Observed flux, 95 and 68 % bands of the resimulation, the resimulation at the mode, and what else is asked for."""
    s, x, y = pixels(arm), wavelength_dimension(arm), hv.Dimension(f"flux_{arm.name}", label="flux")
    wave, fit, vector = WAVELENGTH[s], shown.analysis.resimulation, shown.analysis.flux_vector
    edges95, edges68 = (shown.bands or fit).band95, (shown.bands or fit).band68
    four = np.empty((0, wave.size)) if shown.quantile_models is None else shown.quantile_models[:, s]
    exact = np.stack([e.flux[s] for e in shown.exact]) if shown.exact else np.empty((0, wave.size))
    observed = hv.Curve((wave, vector.flux[s], fit.map_flux[s]), x, [y, "model"])
    return hv.Overlay(
        [
            spans(runs(~vector.good[s], wave), x).opts(color=theme.FAINT, alpha=0.22, line_alpha=0),
            spans([TELLURIC_OXYGEN] if arm.low < TELLURIC_OXYGEN[0] < arm.high else [], x).opts(
                color=theme.LITERATURE, alpha=0.10, line_alpha=0
            ),
            spans(runs(shipped_model_error().masked[s] & vector.good[s], wave), x).opts(
                color=theme.UNTRUSTED, alpha=0.25, line_alpha=0
            ),
            band(wave, edges95[:, s], x, y).opts(fill_alpha=theme.BAND95_ALPHA),
            band(wave, edges68[:, s], x, y).opts(fill_alpha=theme.BAND68_ALPHA),
            *(
                hv.Curve(stacked(wave, four[pair]), x, y).opts(color=theme.QUANTILES, line_width=0.9, line_dash=dash)
                for pair, dash in ((slice(1, 3), "dashed"), (slice(0, 4, 3), "dotted"))
            ),
            observed.opts(color=theme.OBSERVED, line_width=1.1, hooks=[hover(arm)]),
            hv.Curve((wave, fit.map_flux[s]), x, y).opts(color=theme.MODEL, line_width=1.0, line_alpha=0.85),
            hv.Curve(stacked(wave, exact), x, y).opts(color=theme.LITERATURE, line_width=1.1, line_dash="dashed"),
        ]
    )


def visible_flux(analysis: Analysis, arm: Arm, low: float, high: float) -> tuple[float, float]:
    """Ends of the flux axis for a stretch of an arm: what is observed and modelled there, with room for the names above it."""
    s = pixels(arm)
    inside = (WAVELENGTH[s] >= low) & (WAVELENGTH[s] <= high)
    good = inside & analysis.flux_vector.good[s]
    values = np.concatenate([analysis.flux_vector.flux[s][good], analysis.resimulation.map_flux[s][inside]])
    values = values[np.isfinite(values)]
    if not values.size:
        return FLUX_RANGE
    bottom, top = float(values.min()), float(values.max())
    span = max(top - bottom, _LEAST_SPAN)
    return bottom - 0.05 * span, top + 0.20 * span


def draw_names(
    arm: Arm,
    low: float,
    high: float,
    bottom: float = FLUX_RANGE[0],
    top: float = FLUX_RANGE[1],
    pinned: tuple[tuple[str, float], ...] = (),
) -> hv.Overlay:
    """Names of lines above what is shown of an arm, as many as can be read; those pinned all, with a line down to the foot."""
    at_name, at_foot, at_head = (bottom + share * (top - bottom) for share in (0.94, 0.888, 0.909))
    x, y = wavelength_dimension(arm), hv.Dimension(f"flux_{arm.name}", label="flux")
    own = [(name, at) for name, at in pinned if low < at < high]
    names = [(name, at) for name, at in landmarks(low, high) if all(abs(at - other) > 0.5 for _, other in own)]
    labels = hv.Labels([(at, at_name, name) for name, at in names], [x, y], "feature")
    ticks = hv.Segments([(at, at_foot, at, at_head) for _, at in names], [x, y, "end", "top"])
    own_labels = hv.Labels(
        [(at, bottom + 0.05 * (top - bottom), name or f"{at:.1f}") for name, at in own], [x, y], "pinned"
    )
    down = hv.Segments([(at, bottom, at, at_head) for _, at in own], [x, y, "end", "top"])
    return (
        labels.opts(text_color=theme.MUTED, text_font_size="10px")
        * ticks.opts(color=theme.MUTED)
        * down.opts(color=theme.PINNED, line_dash="dashed", line_width=1)
        * own_labels.opts(text_color=theme.PINNED, text_font_size="11px", text_align="left")
    )


def hover(arm: Arm) -> Any:
    """A hook: the pointer tells wavelength, flux, model and the nearest line."""
    lines = [(w.wavelength, w.name) for w in line_windows()] + [(H_ALPHA[1], H_ALPHA[0])]
    near = CustomJSHover(
        args={"at": [line[0] for line in lines], "names": [line[1] for line in lines]},
        code="""
        let best = 0
        for (let i = 1; i < at.length; i++) if (Math.abs(at[i] - special_vars.x) < Math.abs(at[best] - special_vars.x)) best = i
        const away = special_vars.x - at[best]
        return `${names[best]} (${away < 0 ? "−" : "+"}${Math.abs(away).toFixed(2)} Å)`
        """,
    )

    def add(plot: Any, element: hv.Curve) -> None:
        plot.handles["source"].data["model"] = element.dimension_values("model")  # HoloViews sends x and y alone
        if plot.state.select({"name": "kiel-hover"}):
            return
        field = f"wavelength_{arm.name}"
        plot.state.add_tools(
            HoverTool(
                name="kiel-hover", renderers=[plot.handles["glyph_renderer"]], mode="vline", line_policy="nearest",
                tooltips=[("Å", "$snap_x{0.00}"), ("flux", f"@flux_{arm.name}{{0.000}}"), ("model", "@model{0.000}"),
                          ("nearest", f"@{field}{{custom}}")],
                formatters={f"@{field}": near, "@model": "numeral"}, point_policy="snap_to_data",
            )
        )  # fmt: skip

    return add


def stacked(wave: NDArray, curves: NDArray) -> tuple[NDArray, NDArray]:
    """Curves (k, n) as one line with a gap between each and the next."""
    gap = np.full((len(curves), 1), np.nan)
    return np.tile(np.append(wave, np.nan), len(curves)), np.concatenate([curves, gap], 1).ravel()


def spans(pairs: list[tuple[float, float]], x: hv.Dimension) -> hv.VSpans:
    """Shaded stretches of wavelength."""
    low, high = (np.array([pair[i] for pair in pairs], float) for i in (0, 1))
    return hv.VSpans((low, high), kdims=[x, f"{x.name}_end"])


def runs(mask: NDArray, wave: NDArray) -> list[tuple[float, float]]:
    """Stretches of wavelength where a mask (n,) is set, from edge to edge of its pixels."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    half = 0.5 * (wave[1] - wave[0])
    return [(float(wave[a] - half), float(wave[b - 1] + half)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def band(wave: NDArray, edges: NDArray, x: hv.Dimension, y: hv.Dimension) -> hv.Area:
    """A filled interval of flux, `edges` (2, n) lower and upper."""
    upper = hv.Dimension(f"{y.name}_upper", label="upper flux")  # a label shared with y would be taken for y
    return hv.Area((wave, edges[0], edges[1]), x, [y, upper]).opts(color=theme.MODEL, line_alpha=0)


def draw_residual(residual: NDArray, arm: Arm) -> hv.Curve:
    """Observed minus model in units of the pixel noise (N_PIXELS,), on the arm's wavelength axis."""
    s, y = pixels(arm), hv.Dimension(f"residual_{arm.name}", label="residual", unit="σ")
    curve = hv.Curve((WAVELENGTH[s], residual[s]), wavelength_dimension(arm), y)
    return curve.opts(color=theme.MUTED, line_width=0.8)


def draw_clipped(residual: NDArray, arm: Arm) -> hv.Points:
    """Marks at the edge of the residual's panel where it goes on beyond."""
    s = pixels(arm)
    beyond = np.abs(residual[s]) > RESIDUAL_LIMIT  # False where it is not a number
    y = hv.Dimension(f"residual_{arm.name}", label="residual", unit="σ")
    marks = hv.Points(
        (WAVELENGTH[s][beyond], 0.93 * np.clip(residual[s][beyond], -RESIDUAL_LIMIT, RESIDUAL_LIMIT)),
        [wavelength_dimension(arm), y],
    )
    return marks.opts(color=theme.LITERATURE, marker="diamond", size=5, line_alpha=0)


def draw_saliency(row: NDArray, arm: Arm, low: float, high: float) -> hv.Image:
    """The weights of one target (N_PIXELS,) as a one-row image: the strongest pixel of each screen column, so that none is lost."""
    s, x = pixels(arm), wavelength_dimension(arm)
    values = strongest_per_column(WAVELENGTH[s], row[s], low, high, STRIP_COLUMNS)
    limit = float(magnitude(row, 99.8)) or 1.0
    image = hv.Image(values[None, :], bounds=(low, 0, high, 1), kdims=[x, "row"], vdims=["saliency"])
    return image.opts(cmap=list(theme.SALIENCY), clim=(-limit, limit))


def clipped(low: float, high: float, arm: Arm) -> tuple[float, float]:
    """The part of a zoomed range that lies within the arm; all of the arm where nothing does."""
    low, high = max(arm.low, min(low, high)), min(arm.high, max(low, high))
    return (low, high) if high > low else (arm.low, arm.high)


def strongest_per_column(wave: NDArray, values: NDArray, low: float, high: float, columns: int) -> NDArray:
    """The value of largest magnitude, with its sign, in each of at most `columns` equal steps of wavelength."""
    inside = (wave >= low) & (wave <= high)
    columns = max(1, min(columns, int(inside.sum())))
    out = np.zeros(columns)
    column = np.minimum(((wave[inside] - low) / (high - low) * columns).astype(int), columns - 1)
    order = np.argsort(np.abs(values[inside]), kind="stable")
    out[column[order]] = values[inside][order]  # the last written, so the strongest, stays
    return out


def landmarks(low: float, high: float, apart: float = _LANDMARK_GAP) -> list[tuple[str, float]]:
    """Names over a stretch of wavelength, far enough apart to be read: H alpha, then the rarer species first."""
    lines = [(line.species, line.wavelength) for line in line_windows()]
    species = [name for name, _ in lines]
    candidates = [H_ALPHA, *sorted(lines, key=lambda line: species.count(line[0]))]
    gap = apart * (high - low)
    chosen: list[tuple[str, float]] = []
    for name, at in candidates:
        if low + gap / 2 < at < high - gap / 2 and all(abs(at - other) > gap for _, other in chosen):
            chosen.append((name, at))
    return chosen
