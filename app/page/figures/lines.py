"""Diagnostic lines as small multiples in one figure: observation, resimulation and its bands, each with its own chi-square."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.events import Tap
from numpy.typing import NDArray

from cinn_core.explanation.line_by_line import LineByLine, LineVerdict
from cinn_core.inference.predictive import Bands
from cinn_core.instrument import WAVELENGTH
from cinn_core.lines import LineWindow, line_windows
from cinn_core.stages import Analysis

from .. import theme
from .style import FOLLOWED, choose_by_tap, quiet

HALF_WIDTH = {"Mg I 5167.3": 3.2, "Mg I 5172.7": 3.2, "Mg I 5183.6": 3.2}
"""Half-width shown [Angstrom] of lines with wings; others have USUAL_HALF_WIDTH."""
USUAL_HALF_WIDTH = 2.0
SHALLOWEST = 0.06
"""Smallest range of flux shown, so that noise is never blown up to look like a line."""
LEFT, RIGHT, TOP, BOTTOM = 0.28, 0.97, 0.24, 0.88
"""Place of a panel's axes in its cell of 1 x 1, measured from the cell's upper left corner."""
_X, _Y = hv.Dimension("across"), hv.Dimension("down")


@dataclass(frozen=True, eq=False)
class LinePanel:
    """One line in its cell: pixels shown (n,), and what turns wavelength and flux into the figure's coordinates."""

    window: LineWindow
    column: int
    row: int
    shown: NDArray
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return HALF_WIDTH.get(self.window.name, USUAL_HALF_WIDTH)

    def x(self, wavelength: NDArray | float) -> NDArray:
        place = 0.5 + 0.5 * (np.asarray(wavelength) - self.window.wavelength) / self.half_width
        return self.column + LEFT + (RIGHT - LEFT) * place

    def y(self, flux: NDArray | float) -> NDArray:
        place = (np.asarray(flux) - self.low) / (self.high - self.low)
        return -self.row - BOTTOM + (BOTTOM - TOP) * np.clip(place, -0.03, 1.06)


def line_panel(analysis: Analysis, band68: NDArray, window: LineWindow, column: int, row: int) -> LinePanel:
    """The panel of a line: its flux range holds the observation and the 68 % band, and is at least SHALLOWEST."""
    half_width = HALF_WIDTH.get(window.name, USUAL_HALF_WIDTH)
    shown = np.flatnonzero(np.abs(WAVELENGTH - window.wavelength) <= half_width)
    drawn = np.concatenate([analysis.flux_vector.flux[shown], band68[:, shown].ravel()])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    margin = 0.04 * max(high - low, SHALLOWEST)
    return LinePanel(window, column, row, shown, min(low, high - SHALLOWEST) - margin, high + margin)


def rows_of(n: int, columns: int) -> int:
    """Rows that n panels fill."""
    return -(-n // columns)


def head_text(window: LineWindow, beside: tuple[LineWindow, ...]) -> str:
    """A panel's head: the line's name, or its wavelength alone among lines of its own species."""
    return window.name if len({w.species for w in beside}) > 1 else f"{window.wavelength:.1f}"


def verdict_text(verdict: LineVerdict | None) -> str:
    """Text at the right of a panel's head."""
    if verdict is None:
        return ""
    if np.isnan(verdict.chi2):
        return "missing"
    return f"χ² {verdict.chi2:.1f}" + (" !" if verdict.disagrees else "")


def draw_lines(
    analysis: Analysis, bands: Bands | None, line_results: LineByLine | None, windows: tuple[LineWindow, ...], columns: int,
    row_height: int, chosen: str, choose: Callable[[str], object] | None = None, compare_lte: bool = False,
) -> hv.Overlay:  # fmt: skip
    """The panels of `windows` in rows of `columns`; a tap on one calls `choose` with its name."""
    fit, vector = analysis.resimulation, analysis.flux_vector
    band68, band95 = (bands or fit).band68, (bands or fit).band95
    panels = [line_panel(analysis, band68, w, i % columns, i // columns) for i, w in enumerate(windows)]
    verdicts = {v.window.name: v for v in line_results.verdicts} if line_results else {}
    n_rows = rows_of(len(windows), columns)

    def curve(flux: NDArray) -> hv.Curve:
        return hv.Curve(_joined([(p.x(WAVELENGTH[p.shown]), p.y(flux[p.shown])) for p in panels]), _X, _Y)

    def shifted() -> hv.Curve:
        both = line_results.one_sigma if line_results else {}
        pairs = [(p.x(WAVELENGTH[p.shown]), p.y(one[p.shown])) for p in panels for one in both.get(p.window.target, ())]
        return hv.Curve(_joined(pairs), _X, _Y)

    def in_lte() -> hv.Curve:
        flux = line_results.in_lte if line_results and compare_lte else None
        return hv.Curve([], _X, _Y) if flux is None else curve(flux)

    def filled(edges: NDArray, alpha: float) -> hv.Polygons:
        return hv.Polygons([_outline(p, edges[:, p.shown]) for p in panels], [_X, _Y]).opts(
            color=theme.MODEL, fill_alpha=alpha, line_alpha=0
        )

    marked = [p for p in panels if p.window.name == chosen] if choose else []
    cell = [(p.column + 0.02, -p.row - 0.99, p.column + 0.995, -p.row - 0.02) for p in marked]
    overlay = hv.Overlay(
        [
            hv.Rectangles(cell, [_X, _Y, "right", "top"]).opts(color=theme.MODEL, fill_alpha=0.07, line_alpha=0),
            hv.Segments(
                [(float(p.x(p.window.wavelength)), -p.row - BOTTOM, float(p.x(p.window.wavelength)), -p.row - TOP) for p in panels],
                [_X, _Y, "end", "top"],
            ).opts(color=theme.LINE),
            filled(band95, theme.BAND95_ALPHA),
            filled(band68, theme.BAND68_ALPHA),
            shifted().opts(color=theme.LITERATURE, line_width=0.9, line_dash="dashed"),
            curve(vector.flux).opts(color=theme.OBSERVED, line_width=1.3),
            in_lte().opts(color=theme.IN_LTE, line_width=1.3),
            curve(fit.map_flux).opts(color=theme.MODEL, line_width=1.3),
            *_panel_texts(panels, windows, verdicts),
        ]
    )  # fmt: skip
    return overlay.opts(
        hv.opts.Overlay(
            responsive=True, height=n_rows * row_height, show_legend=False, toolbar=None, show_frame=False, show_grid=False,
            xaxis=None, yaxis=None, xlim=(0, columns + 0.06), ylim=(-n_rows, 0), default_tools=[], active_tools=[],
            hooks=[quiet, _tapped(panels, choose)], backend_opts={"plot.min_border": 0},
        )
    )  # fmt: skip


def _panel_texts(
    panels: Sequence[LinePanel], windows: tuple[LineWindow, ...], verdicts: Mapping[str, LineVerdict]
) -> list[hv.Labels]:
    """The texts of the panels: name, verdict (bold where the line disagrees), flux levels and wavelengths."""
    wrong = [p for p in panels if (v := verdicts.get(p.window.name)) is not None and v.disagrees]
    right = [p for p in panels if p not in wrong]

    def verdicts_of(some: Sequence[LinePanel]) -> list[tuple[float, float, str]]:
        return [(p.column + RIGHT, -p.row - 0.04, verdict_text(verdicts.get(p.window.name))) for p in some]

    names = [(p.column + 0.05, -p.row - 0.04, head_text(p.window, windows)) for p in panels]
    levels = [(p.column + LEFT - 0.02, float(p.y(x)) + 0.03, f"{x:.2f}") for p in panels for x in _levels(p)]
    ticks = [(p, p.window.wavelength + side * 0.72 * p.half_width) for p in panels for side in (-1, 1)]
    wavelengths = [(float(p.x(x)), -p.row - BOTTOM - 0.02, f"{x:.1f}") for p, x in ticks]
    return [
        _text(names, theme.INK, "left", "11px", bold=True),
        _text(verdicts_of(right), theme.MUTED, "right"),
        _text(verdicts_of(wrong), theme.LITERATURE, "right", bold=True),
        _text(levels, theme.MUTED, "right", "10px"),
        _text(wavelengths, theme.MUTED, "center", "10px"),
    ]


def _levels(p: LinePanel) -> tuple[float, float]:
    return p.low + 0.1 * (p.high - p.low), p.high - 0.1 * (p.high - p.low)


def _joined(curves: list[tuple[NDArray, NDArray]]) -> tuple[NDArray, NDArray]:
    """Curves as one, with a gap between each and the next."""
    x, y = ([np.append(pair[i], np.nan) for pair in curves] for i in (0, 1))
    return np.concatenate([*x, []]), np.concatenate([*y, []])


def _outline(p: LinePanel, edges: NDArray) -> NDArray:
    x = p.x(WAVELENGTH[p.shown])
    return np.column_stack([np.concatenate([x, x[::-1]]), np.concatenate([p.y(edges[0]), p.y(edges[1])[::-1]])])


def _text(
    places: list[tuple[float, float, str]], color: str, align: str, size: str = "11px", bold: bool = False
) -> hv.Labels:
    return hv.Labels(places, [_X, _Y], "text").opts(
        text_color=color, text_font_size=size, text_align=align, text_baseline="top",
        text_font_style="bold" if bold else "normal",
    )  # fmt: skip


def _tapped(panels: list[LinePanel], choose: Callable[[str], object] | None) -> Any:
    """A hook: a tap calls the method `choose`, whose object it does not keep, with the line in whose cell it fell."""
    cells = {(p.column, p.row): p.window.name for p in panels}
    chooser = weakref.WeakMethod(choose) if choose else lambda: None

    def line_at(event: Tap) -> str | None:
        return cells.get((int(event.x // 1), int(-event.y // 1)))

    def listen(plot: Any, _element: object) -> None:
        if (chosen := chooser()) is not None:
            choose_by_tap(plot.state, chosen, line_at)

    return listen


def draw_line(
    analysis: Analysis, bands: Bands | None, line_results: LineByLine | None, name: str, compare_lte: bool = False,
    half_width: float = 3.4,
) -> hv.Overlay:  # fmt: skip
    """One line large, with its element's abundance one sigma lower and higher."""
    window = next(w for w in line_windows() if w.name == name)
    fit, vector = analysis.resimulation, analysis.flux_vector
    shown = np.abs(WAVELENGTH - window.wavelength) <= half_width
    x, y = (
        hv.Dimension("wavelength_of_line", label="wavelength in air", unit="Å"),
        hv.Dimension("flux_of_line", label="flux"),
    )
    upper = hv.Dimension("flux_of_line_upper", label="upper flux")
    wave = WAVELENGTH[shown]
    shifted = line_results.one_sigma[window.target][:, shown] if line_results else np.empty((0, wave.size))
    in_lte = (
        line_results.in_lte[shown]
        if line_results and compare_lte and line_results.in_lte is not None
        else np.full(wave.size, np.nan)
    )
    edges = (bands or fit).band95[:, shown], (bands or fit).band68[:, shown]
    near = [w for w in line_windows() if abs(w.wavelength - window.wavelength) < half_width]
    drawn = np.concatenate([vector.flux[shown], fit.map_flux[shown], shifted.ravel()])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    high, low = high + 0.14 * max(high - low, SHALLOWEST), min(low, high - SHALLOWEST) - 0.04
    gap = np.full((len(shifted), 1), np.nan)
    overlay = hv.Overlay(
        [
            *(
                hv.Area((wave, e[0], e[1]), x, [y, upper]).opts(color=theme.MODEL, line_alpha=0, fill_alpha=alpha)
                for e, alpha in zip(edges, (theme.BAND95_ALPHA, theme.BAND68_ALPHA), strict=True)
            ),
            hv.Curve(
                (np.tile(np.append(wave, np.nan), len(shifted)), np.concatenate([shifted, gap], 1).ravel()), x, y
            ).opts(color=theme.LITERATURE, line_dash="dashed", line_width=1.2),
            hv.Curve((wave, vector.flux[shown]), x, y).opts(color=theme.OBSERVED, line_width=1.4, **FOLLOWED),
            hv.Curve((wave, in_lte), x, y).opts(color=theme.IN_LTE, line_width=1.4),
            hv.Curve((wave, fit.map_flux[shown]), x, y).opts(color=theme.MODEL, line_width=1.4),
            hv.Labels([(w.wavelength, high - 0.03 * (high - low), w.species) for w in near], [x, y], "species").opts(
                text_color=theme.MUTED, text_font_size="11px", text_baseline="top"
            ),
        ]
    )
    return overlay.opts(
        hv.opts.Overlay(
            responsive=True, height=250, xticks=4, show_legend=False, toolbar=None, show_grid=False, hooks=[quiet], ylabel="",
            xlim=(window.wavelength - half_width, window.wavelength + half_width), ylim=(low, high),
            default_tools=["pan", "box_zoom", "wheel_zoom", "reset"], active_tools=["box_zoom"],
        )
    )  # fmt: skip
