"""Benchmark for print, by matplotlib: answers against references as in Fig. 6 of Ksoll et al. (2026), and residual spectra."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cinn_core.benchmark.figures import Point, mean_residuals, points, trend_line
from cinn_core.benchmark.measure import BenchmarkRow
from cinn_core.benchmark.report import corrected_maps
from cinn_core.errors import DataError
from cinn_core.files import written
from cinn_core.instrument import ARMS, WAVELENGTH, arm_slices
from cinn_core.literature import COMPARED
from cinn_core.statistics import robust_sigma
from cinn_core.targets import TARGETS

from .. import theme
from .printed import plain

SUFFIXES = (".png", ".pdf", ".svg")
_SHOWN = (*COMPARED, "mg_fe", "ca_fe", "a_li")
_LABELS = {t.name: t.label for t in TARGETS} | {"a_li": "A(Li)"}
_SMALL = 7.0
_OFFSET = 0.08
"""Step between the residual spectra of two stars, as a fraction of the continuum."""


def require_suffix(path: Path) -> None:
    """Raise DataError for a figure in a format that is not one of SUFFIXES."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"A figure is written as {', '.join(SUFFIXES)}; {path.name} ends otherwise.")


def save_figure(rows: Sequence[BenchmarkRow], path: Path) -> None:
    """Write the comparison, and beside it OUT_corrected and OUT_residuals, whole or not at all.

    The corrected one needs enough stars to fit. Raises DataError for another suffix than SUFFIXES.
    """
    require_suffix(path)
    corrected = corrected_maps(rows)
    figures = [
        (comparison_figure(rows), path),
        (residual_figure(rows), path.with_stem(f"{path.stem}_residuals")),
    ]
    if corrected:
        figures.append((comparison_figure(rows, corrected), path.with_stem(f"{path.stem}_corrected")))
    for figure, out in figures:
        with written(out) as part:
            part.write_bytes(as_bytes(figure, out.suffix.lower().removeprefix(".")))


def as_bytes(figure: Figure, kind: str) -> bytes:
    """A figure as a file of a kind."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=130)
    return buffer.getvalue()


def comparison_figure(rows: Sequence[BenchmarkRow], corrected: Mapping[str, NDArray] | None = None) -> Figure:
    """Found against reference, and the difference against Teff, with the line through the spectra that count.

    corrected: MAP (13,) by file to draw instead, each less the bias that other stars gave.
    """
    figure = Figure(figsize=(11, 7.4))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(5, 3, height_ratios=[3, 1.4, 1.0, 3, 1.4], hspace=0.08, wspace=0.27)
    for i, name in enumerate(_SHOWN):
        first = 3 * (i // 3)
        upper = figure.add_subplot(grid[first, i % 3])
        lower = figure.add_subplot(grid[first + 1, i % 3])
        _draw(upper, lower, name, points(rows, name, corrected))
    figure.subplots_adjust(left=0.07, right=0.985, top=0.945, bottom=0.07)
    return figure


def _draw(upper: Axes, lower: Axes, name: str, data: Sequence[Point]) -> None:
    counted = np.array([p[:5] for p in data if p[5]]).reshape(-1, 5)
    others = np.array([p[:5] for p in data if not p[5]]).reshape(-1, 5)
    for part, colour in ((others, theme.FAINT), (counted, theme.MODEL)):
        teff, reference, error, at, half = part.T
        upper.errorbar(reference, at, half, error, "o", ms=3.5, lw=0.7, color=colour)
        lower.errorbar(teff, at - reference, (half**2 + error**2) ** 0.5, None, "o", ms=3, lw=0.7, color=colour)
    ends = np.array(upper.get_xlim())
    upper.plot(ends, ends, color=theme.INK, lw=0.7)
    upper.set_xlim(*ends)
    lower.axhline(0, color=theme.INK, lw=0.7)
    if len(counted) > 3:
        off = counted[:, 3] - counted[:, 1]
        lower.plot(*trend_line(counted[:, 0], off), color=theme.LITERATURE, lw=0.9)
        spread = max(5 * robust_sigma(off), 2 * float(np.abs(off).max()) / 3, 1e-3)
        lower.set_ylim(-1.5 * spread, 1.5 * spread)
    kind = "literature" if name in COMPARED else "line fit"
    upper.set_ylabel(f"{_LABELS[name]}, MAP", fontsize=_SMALL)
    upper.set_title(f"{_LABELS[name]}, {kind}", fontsize=_SMALL + 1, pad=14)
    lower.set_ylabel("difference", fontsize=_SMALL)
    lower.set_xlabel("Teff [K]", fontsize=_SMALL, labelpad=1)
    upper.xaxis.tick_top()
    upper.tick_params(axis="x", pad=1)
    for axis in (upper, lower):
        axis.tick_params(labelsize=_SMALL - 1, length=2)


def residual_figure(rows: Sequence[BenchmarkRow]) -> Figure:
    """Observed - resimulated of every star that counts, the mean of its spectra, one above the other."""
    stars = mean_residuals(rows)
    figure = Figure(figsize=(12, max(3.0, 1.2 + 0.55 * len(stars) * len(ARMS))))
    FigureCanvasAgg(figure)
    for i, (arm, part) in enumerate(zip(ARMS, arm_slices(), strict=True)):
        axis = figure.add_subplot(len(ARMS), 1, i + 1)
        for j, (star, residual) in enumerate(stars.items()):
            axis.axhline(_OFFSET * j, color=theme.LINE, lw=0.6)
            axis.plot(WAVELENGTH[part], residual[part] + _OFFSET * j, color=theme.MODEL, lw=0.5)
            axis.text(arm.high + 2, _OFFSET * j, plain(star), fontsize=_SMALL, va="center")
        axis.set_xlim(arm.low, arm.high)
        axis.set_ylim(-_OFFSET, _OFFSET * max(len(stars), 1))
        axis.set_ylabel(f"observed - model, {_OFFSET:g} apart", fontsize=_SMALL)
        axis.tick_params(labelsize=_SMALL - 1, length=2)
    axis.set_xlabel("wavelength [Å], air, at rest", fontsize=_SMALL)
    figure.subplots_adjust(left=0.05, right=0.91, top=0.98, bottom=0.07, hspace=0.12)
    return figure
