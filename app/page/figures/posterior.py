"""Posterior as figures: the corner, image tiles and marginals in one Bokeh figure redrawn in place, and the Kiel diagram."""

from __future__ import annotations

import holoviews as hv
import numpy as np
from bokeh.core.properties import value
from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool, LinearColorMapper, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from cinn_core.inference.marginals import BINS, bounds, corner_grid, correlations, prior_outline, prior_stars
from cinn_core.inference.quantities import Quantity
from cinn_core.inference.selection import Range, Selection, range_of
from cinn_core.inference.weighted import representatives
from cinn_core.stages import Analysis
from cinn_core.targets import COLUMN

from .. import theme
from .style import dress, quiet

SHOWN_SAMPLES = 800
TRAINING_STARS = 1200
_AXES = [hv.Dimension("teff", label="Teff", unit="K"), hv.Dimension("logg", label="log g")]
_PAIR = [COLUMN["teff"], COLUMN["logg"]]

TILE = 0.93
_SHADES = ("#ffffff00", "#cfe3f0", "#8dbfdf", "#3f93c6")
"""Outside 99 %, then within 99, 95 and 68 % of the samples."""
_PALE = ("#ffffff00", "#e9edf2", "#dde3ea", "#cfd7e0")
"""Regions of all samples, where only some of them are selected."""
_HEIGHT = 0.95 * TILE


def draw_kiel(analysis: Analysis, selection: Selection, height: int = 225) -> hv.Overlay:
    """Hot stars on the left and giants on top, as astronomers draw it; the mode as a cross."""
    labels = selection.posterior.labels
    chosen = labels[representatives(selection.weights, len(labels), SHOWN_SAMPLES)][:, _PAIR]
    mode = [tuple(selection.summary.targets[name].map for name in ("teff", "logg"))]
    overlay = hv.Overlay(
        [
            hv.Path([np.column_stack(prior_outline())], _AXES).opts(color=theme.FAINT, line_alpha=0.7),
            hv.Points(prior_stars(TRAINING_STARS), _AXES).opts(color=theme.FAINT, size=2.2, alpha=0.45),
            hv.Points(chosen, _AXES).opts(color=theme.MODEL, size=4, alpha=0.2, line_alpha=0),
            hv.Points(mode, _AXES).opts(color=theme.LITERATURE, marker="cross", size=13, line_width=2),
        ]
    )
    return overlay.opts(
        hv.opts.Overlay(
            responsive=True, height=height, show_legend=False, toolbar=None, xlim=(3800, 7350), ylim=(-0.15, 5.15),
            invert_xaxis=True, invert_yaxis=True, xticks=[4000, 5000, 6000, 7000], yticks=[0, 1, 2, 3, 4, 5],
            show_grid=False, default_tools=["pan", "box_zoom", "wheel_zoom", "reset"], active_tools=["box_zoom"], hooks=[quiet],
        )
    )  # fmt: skip


class Corner:
    """Row i, column j < i: joint samples of two quantities; the diagonal: each alone, with the prior dashed.

    `quantities` are drawn as they are in `show`; the figure keeps the ranges and the pale ground of all samples.
    """

    def __init__(self, quantities: tuple[Quantity, ...], literature: dict[str, float]) -> None:
        self.quantities = quantities
        n = len(quantities)
        self._marks = {q.name: float(q.on_axis(literature[q.name])) for q in quantities if q.name in literature}
        self._grid = corner_grid(quantities, literature)
        self._pairs = [(i, j) for i in range(n) for j in range(i)]
        self.figure = _empty_figure(n)
        self._shown = self._layers()
        self._bounds_and_prior()
        self._regions = ColumnDataSource({"left": [], "right": [], "bottom": [], "top": []})
        self._points = ColumnDataSource({"x": [], "y": [], "mx": [], "my": []})
        self._stems = ColumnDataSource({"x": [], "mx": [], "bottom": [], "top": []})
        self._marked()
        _names(self.figure, quantities, self._grid.ranges)
        self.show(quantities, None, ())

    def show(self, quantities: tuple[Quantity, ...], weights: NDArray | None, brush: tuple[Range, ...]) -> None:
        """Redraw for weights (n,) of the same samples; `quantities` carry the modes and medians that go with them."""
        images, marginals = self._shown
        images.data = dict(images.data) | {"image": self._grid.images(weights)}
        marginals.data = self._outlines(self._grid.marginals(weights))
        modes = [self._place(i, q.map) for i, q in enumerate(quantities)]
        medians = [self._place(i, q.median) for i, q in enumerate(quantities)]
        self._points.data = {
            "x": [j + modes[j] for _, j in self._pairs],
            "y": [-i - TILE + modes[i] for i, _ in self._pairs],
            "mx": [j + medians[j] for _, j in self._pairs],
            "my": [-i - TILE + medians[i] for i, _ in self._pairs],
        }
        rows = range(len(quantities))
        self._stems.data = {
            "x": [i + modes[i] for i in rows],
            "mx": [i + medians[i] for i in rows],
            "bottom": [-i - TILE for i in rows],
            "top": [-float(i) for i in rows],
        }
        self._regions.data = self._brushed(brush)

    def region(self, x0: float, x1: float, y0: float, y1: float) -> tuple[Range, ...]:
        """The ranges that a box in the figure's coordinates means: of the panel that holds its middle, none beside one."""
        j, i = int(np.floor((x0 + x1) / 2)), int(np.floor(-(y0 + y1) / 2))
        if not 0 <= j <= i < len(self.quantities):
            return ()
        across = self._value(j, x0 - j), self._value(j, x1 - j)
        ranges = (range_of(self.quantities[j], *across),)
        if i == j:
            return ranges
        return (*ranges, range_of(self.quantities[i], self._value(i, y0 + i + TILE), self._value(i, y1 + i + TILE)))

    def _value(self, axis: int, place: float) -> float:
        low, high = self._grid.ranges[axis]
        return float(low + (high - low) * np.clip(place / TILE, 0, 1))

    def _place(self, axis: int, amount: float) -> float:
        """Place of a value of an axis' quantity within a tile, 0 to TILE."""
        return self._at(axis, float(self.quantities[axis].on_axis(amount)))

    def _at(self, axis: int, position: float) -> float:
        low, high = self._grid.ranges[axis]
        return TILE * float(np.clip((position - low) / (high - low), 0, 1))

    def _layers(self) -> tuple[ColumnDataSource, ColumnDataSource]:
        """The pale ground of all samples, and the sources of what is in use."""
        fig, pairs, quantities = self.figure, self._pairs, self.quantities
        middles = [j + TILE / 2 for _, j in pairs], [-i - TILE / 2 for i, _ in pairs]
        ground = fig.rect(*middles, TILE, TILE, color=theme.GROUND, line_color=None)
        ground.level = "underlay"
        coefficients = correlations(quantities)
        data = {
            "image": self._grid.images(None)[: len(pairs)],
            "x": [float(j) for _, j in pairs],
            "y": [-i - TILE for i, _ in pairs],
            "across": [quantities[j].label for _, j in pairs],
            "up": [quantities[i].label for i, _ in pairs],
            "correlation": [f"{coefficients[i, j]:+.2f}" for i, j in pairs],
        }
        pale, shades = (LinearColorMapper(palette=list(p), low=-0.5, high=3.5) for p in (_PALE, _SHADES))
        fig.image("image", source=ColumnDataSource(data), x="x", y="y", dw=TILE, dh=TILE, color_mapper=pale)
        shown = ColumnDataSource(dict(data))
        images = fig.image("image", source=shown, x="x", y="y", dw=TILE, dh=TILE, color_mapper=shades)
        tips = [("across", "@across"), ("up", "@up"), ("correlation", "@correlation")]
        fig.add_tools(HoverTool(renderers=[images], tooltips=tips))
        all_of_them = self._outlines(self._grid.marginals(None))
        fig.patches("xs", "ys", source=ColumnDataSource(all_of_them), fill_color="#dde3ea", line_color=None)
        marginals = ColumnDataSource(dict(all_of_them))
        fig.patches(
            "xs",
            "ys",
            source=marginals,
            fill_color=theme.MODEL,
            fill_alpha=0.25,
            line_color=theme.MODEL,
            line_width=1.2,
        )
        return shown, marginals

    def _outlines(self, heights: NDArray) -> dict[str, list[NDArray]]:
        xs, ys = [], []
        for i, row in enumerate(heights):
            across = i + TILE * (np.arange(BINS) + 0.5) / BINS
            xs.append(np.concatenate([across[:1], across, across[-1:]]))
            ys.append(-i - TILE + _HEIGHT * np.concatenate([[0.0], row, [0.0]]))
        return {"xs": xs, "ys": ys}

    def _bounds_and_prior(self) -> None:
        """The prior dashed under each marginal; what lies outside the training's bounds hatched."""
        names = tuple(q.name for q in self.quantities)
        xs, ys = [], []
        for i, row in enumerate(self._grid.prior(names)):
            xs.append(i + TILE * (np.arange(BINS) + 0.5) / BINS)
            ys.append(-i - TILE + _HEIGHT * row)
        self.figure.multi_line(xs, ys, line_color=theme.MUTED, line_width=1, line_dash="dashed")
        boxes: list[tuple[float, float, float, float]] = []
        for i, q in enumerate(self.quantities):
            low, high = (self._at(i, edge) for edge in bounds(q))
            for left, right in ((0.0, low), (high, TILE)):
                if right - left > 0.01:
                    boxes.append((i + left, i + right, -len(self.quantities) + 1 - TILE, -float(i)))
        if boxes:
            sides = dict(zip(("left", "right", "bottom", "top"), zip(*boxes, strict=True), strict=True))
            self.figure.quad(
                **sides, fill_color=None, line_color=None,
                hatch_pattern="right_diagonal_line", hatch_color=theme.FAINT, hatch_alpha=0.5, hatch_scale=5, hatch_weight=0.5,
            )  # fmt: skip

    def _marked(self) -> None:
        """Modes in ink, medians as rings, the literature in orange, the brushed region framed."""
        fig = self.figure
        fig.segment("x", "bottom", "x", "top", source=self._stems, color=theme.INK, line_width=1)
        fig.segment("mx", "bottom", "mx", "top", source=self._stems, color=theme.INK, line_width=1, line_dash="dotted")
        fig.scatter("x", "y", source=self._points, marker="cross", size=6, color=theme.INK, line_width=1)
        fig.scatter("mx", "my", source=self._points, marker="circle", size=4, line_color=theme.INK, fill_color=None)
        at = {i: i + self._at(i, self._marks[q.name]) for i, q in enumerate(self.quantities) if q.name in self._marks}
        if at:
            rows = list(at)
            fig.segment(
                [at[i] for i in rows], [-i - TILE for i in rows], [at[i] for i in rows], [-float(i) for i in rows],
                color=theme.LITERATURE, line_width=1.4, line_dash="dashed",
            )  # fmt: skip
            known = [(i, j) for i, j in self._pairs if i in at and j in at]
            spots = [at[j] for _, j in known], [at[i] - i - i - TILE for i, _ in known]
            fig.scatter(*spots, marker="x", size=8, color=theme.LITERATURE, line_width=1.8)
        fig.quad(
            left="left", right="right", bottom="bottom", top="top", source=self._regions, fill_color=None,
            line_color=theme.LITERATURE, line_width=2,
        )  # fmt: skip

    def _brushed(self, brush: tuple[Range, ...]) -> dict[str, list[float]]:
        """The frame of a brush: in the panel of its two quantities, or over the marginal of its one."""
        axis = {q.name: i for i, q in enumerate(self.quantities)}
        if not brush or any(cut.name not in axis for cut in brush):
            return {"left": [], "right": [], "bottom": [], "top": []}
        j, i = axis[brush[0].name], axis[brush[-1].name]
        left, right = (j + self._place(j, cut) for cut in (brush[0].low, brush[0].high))
        bottom, top = (0.0, TILE) if i == j else (self._place(i, end) for end in (brush[-1].low, brush[-1].high))
        return {"left": [left], "right": [right], "bottom": [bottom - i - TILE], "top": [top - i - TILE]}


def _empty_figure(n: int) -> figure:
    left = 1.35 * max(n, 4) / 13
    fig = figure(
        x_range=Range1d(-left, n + 0.02), y_range=Range1d(-n - 1.1 * max(n, 5) / 13, 0.02 * n), sizing_mode="stretch_width",
        aspect_ratio=1.06, toolbar_location=None, min_height=420, name="corner", tools="",
    )  # fmt: skip
    fig.add_tools(BoxSelectTool(renderers=[]))
    fig.toolbar.active_drag = fig.tools[-1]
    dress(fig)
    fig.axis.visible = False
    fig.grid.visible = False
    return fig


def _names(fig: figure, quantities: tuple[Quantity, ...], ranges: NDArray) -> None:
    n = len(quantities)
    unit = max(n, 5) / 13
    font = {"text_font": value(theme.FONT), "text_font_size": "11px", "text_color": theme.INK}
    small = {**font, "text_font_size": "9px", "text_color": theme.MUTED}
    rows, labels = np.arange(n), [q.label for q in quantities]
    fig.text([-0.08 * unit] * n, -rows - TILE / 2, labels, text_align="right", text_baseline="middle", **font)
    under = {**font, "text_font_size": "10px", "text_align": "center", "text_baseline": "top"}
    fig.text(rows + TILE / 2, [-n - 0.74 * unit] * n, labels, **under)
    for edge, shift in ((0, 0.12 * unit), (1, TILE - 0.12 * unit)):
        ends = [q.text_at(float(r[edge])) for q, r in zip(quantities, ranges, strict=True)]
        fig.text(
            rows + shift, [-n - 0.02] * n, ends, angle=np.pi / 2, text_align="right", text_baseline="middle", **small
        )
