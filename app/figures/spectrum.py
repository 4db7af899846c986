"""One arm of the spectrum: the observation under its resimulation, the residual, and what a target looks at."""

from __future__ import annotations

import holoviews as hv
import numpy as np
from numpy.typing import NDArray

from app import theme
from cinn_core.instrument import ARMS, WAVELENGTH, Arm, arm_slices
from cinn_core.lines import diagnostic_lines
from cinn_core.stages import Analysis

from .style import quiet

FIGURE = {"responsive": True, "show_grid": False, "toolbar": None}
STRIP_COLUMNS = 600
RESIDUAL_LIMIT = 6.0
LEFT_BORDER = 38
_TOOLS = {"default_tools": ["xpan", "xbox_zoom", "reset"], "active_tools": ["xbox_zoom"]}

H_ALPHA = ("Hα", 6562.80)
_LANDMARK_GAP = 0.06
"""Smallest distance between two names above an arm, as a fraction of the arm."""


def pixels(arm: Arm) -> slice:
    """Where an arm lies in a vector over all arms."""
    return arm_slices()[ARMS.index(arm)]


def wavelength_dimension(arm: Arm) -> hv.Dimension:
    """The axis that an arm's panels share and the other arm's do not."""
    return hv.Dimension(f"wavelength_{arm.name}", label=f"{arm.name} arm, wavelength in air", unit="Å")


def draw_overlay(analysis: Analysis, arm: Arm) -> hv.Overlay:
    """Observed flux, 95 and 68 % bands of the resimulation, and the resimulation at the mode."""
    s, x, y = pixels(arm), wavelength_dimension(arm), hv.Dimension(f"flux_{arm.name}", label="flux")
    wave, fit = WAVELENGTH[s], analysis.resimulation
    overlay = hv.Overlay(
        [
            band(wave, fit.band95[:, s], x, y).opts(fill_alpha=theme.BAND95_ALPHA),
            band(wave, fit.band68[:, s], x, y).opts(fill_alpha=theme.BAND68_ALPHA),
            hv.Curve((wave, analysis.flux_vector.flux[s]), x, y).opts(color=theme.OBSERVED, line_width=1.1),
            hv.Curve((wave, fit.map_flux[s]), x, y).opts(color=theme.MODEL, line_width=1.0, line_alpha=0.85),
            hv.Labels([(at, 1.09, name) for name, at in landmarks(arm)], [x, y], "feature").opts(
                text_color=theme.MUTED, text_font_size="10px"
            ),
            hv.Segments([(at, 1.03, at, 1.055) for _, at in landmarks(arm)], [x, y, "end", "top"]).opts(
                color=theme.MUTED
            ),
        ]
    )
    return overlay.opts(
        hv.opts.Overlay(
            **FIGURE, height=236, xaxis=None, ylabel="", ylim=(0.0, 1.16), yticks=[0, 0.5, 1], hooks=[quiet],
            **_TOOLS, backend_opts={"plot.min_border_left": LEFT_BORDER}, show_legend=False,
        )
    )  # fmt: skip


def band(wave: NDArray, edges: NDArray, x: hv.Dimension, y: hv.Dimension) -> hv.Area:
    """A filled interval of flux, `edges` (2, n) lower and upper."""
    upper = hv.Dimension(f"{y.name}_upper", label="upper flux")  # a label shared with y would be taken for y
    return hv.Area((wave, edges[0], edges[1]), x, [y, upper]).opts(color=theme.MODEL, line_alpha=0)


def draw_residual(analysis: Analysis, arm: Arm) -> hv.Curve:
    """Observed minus resimulated in units of the pixel noise, on the arm's wavelength axis."""
    s, y = pixels(arm), hv.Dimension(f"residual_{arm.name}", label="residual", unit="σ")
    curve = hv.Curve((WAVELENGTH[s], analysis.resimulation.residual[s]), wavelength_dimension(arm), y)
    return curve.opts(
        **FIGURE, height=74, color=theme.MUTED, line_width=0.8, xaxis=None, ylabel="σ", hooks=[quiet],
        ylim=(-RESIDUAL_LIMIT, RESIDUAL_LIMIT), yticks=[-4, 0, 4], **_TOOLS,
        backend_opts={"plot.min_border_left": LEFT_BORDER},
    )  # fmt: skip


def draw_saliency(
    analysis: Analysis, target_index: int, arm: Arm, x_range: tuple[float, float] | None = None
) -> hv.Image:
    """The weights of one target as a one-row image: the strongest pixel of each screen column, so that no line is lost."""
    s, x = pixels(arm), wavelength_dimension(arm)
    row = analysis.saliency.weights[target_index]
    low, high = clipped(x_range, arm)
    values = strongest_per_column(WAVELENGTH[s], row[s], low, high, STRIP_COLUMNS)
    limit = float(np.nanpercentile(np.abs(row), 99.8)) or 1.0
    image = hv.Image(values[None, :], bounds=(low, 0, high, 1), kdims=[x, "row"], vdims=["saliency"])
    return image.opts(
        **FIGURE, height=58, xlabel="", cmap=list(theme.SALIENCY), clim=(-limit, limit), yaxis=None, hooks=[quiet],
        **_TOOLS, backend_opts={"plot.min_border_left": LEFT_BORDER},
        xlim=(arm.low, arm.high), ylim=(0, 1),
    )  # fmt: skip


def clipped(x_range: tuple[float, float] | None, arm: Arm) -> tuple[float, float]:
    """The part of a zoomed range that lies within the arm; all of the arm where nothing does."""
    if not x_range or None in x_range:
        return arm.low, arm.high
    low, high = max(arm.low, min(x_range)), min(arm.high, max(x_range))
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


def landmarks(arm: Arm) -> list[tuple[str, float]]:
    """Names above an arm, far enough apart to be read: H alpha, then the rarer species first."""
    lines = [(line.species, line.wavelength) for line in diagnostic_lines()]
    species = [name for name, _ in lines]
    wanted = [H_ALPHA, *sorted(lines, key=lambda line: species.count(line[0]))]
    gap = _LANDMARK_GAP * (arm.high - arm.low)
    chosen: list[tuple[str, float]] = []
    for name, at in wanted:
        if arm.low + gap / 3 < at < arm.high - gap / 3 and all(abs(at - other) > gap for _, other in chosen):
            chosen.append((name, at))
    return chosen
