"""Zooms on the five diagnostic lines: observation, resimulation and its bands, each with its own chi-square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bokeh.models import FixedTicker, NumeralTickFormatter, Span
from bokeh.plotting import figure

from app import theme
from cinn_core.instrument import WAVELENGTH
from cinn_core.stages import Analysis

from .style import fill_between, quiet_figure


@dataclass(frozen=True)
class Zoom:
    """A window on one line: its species, its air wavelength and the half-width shown, both in Angstrom."""

    species: str
    wavelength: float
    half_width: float = 2.2


ZOOMS: tuple[Zoom, ...] = (
    Zoom("Mg I", 5183.604, 3.2),
    Zoom("Ca I", 6162.173),
    Zoom("Li I", 6707.764),
    Zoom("Fe I", 5379.574),
    Zoom("Fe II", 6456.379),
)
"""One line of each species, all in the table of diagnostic lines."""

CORE_ANGSTROM = 1.0
"""Half-width around a line over which its chi-square is taken."""

SHALLOWEST = 0.06
"""Smallest range of flux shown, so that noise is never blown up to look like a line."""


def line_chi2(analysis: Analysis, zoom: Zoom) -> float:
    """Mean squared residual of the pixels around a line; NaN where none was observed."""
    residual = analysis.resimulation.residual[np.abs(WAVELENGTH - zoom.wavelength) < CORE_ANGSTROM]
    seen = residual[np.isfinite(residual)]
    return float(np.mean(seen**2)) if seen.size else float("nan")


def flux_range(analysis: Analysis, zoom: Zoom) -> tuple[float, float]:
    """Lower and upper flux of a zoom: the observation and the 68 % band, at least SHALLOWEST."""
    near = np.abs(WAVELENGTH - zoom.wavelength) < zoom.half_width
    drawn = np.concatenate([analysis.flux_vector.flux[near], analysis.resimulation.band68[:, near].ravel()])
    low, high = np.nanmin(drawn), np.nanmax(drawn)
    missing = max(0.0, SHALLOWEST - (high - low))
    margin = 0.06 * max(high - low, SHALLOWEST)
    return float(low - missing - margin), float(high + margin)


def draw_zoom(analysis: Analysis, zoom: Zoom) -> figure:
    """One line: the observation with the resimulation and its bands."""
    shown = np.abs(WAVELENGTH - zoom.wavelength) <= zoom.half_width + 0.5
    fit, wave = analysis.resimulation, WAVELENGTH[shown]
    chi2 = line_chi2(analysis, zoom)
    verdict = "not observed" if np.isnan(chi2) else f"χ² {chi2:.1f}"
    made = quiet_figure(
        height=225,
        title=f"{zoom.species} {zoom.wavelength:.1f} Å\n{verdict}",
        x_range=(zoom.wavelength - zoom.half_width, zoom.wavelength + zoom.half_width),
        y_range=flux_range(analysis, zoom),
    )
    made.add_layout(Span(location=zoom.wavelength, dimension="height", line_color=theme.LINE, level="underlay"))
    fill_between(made, wave, fit.band95[:, shown], theme.BAND95_ALPHA)
    fill_between(made, wave, fit.band68[:, shown], theme.BAND68_ALPHA)
    made.line(wave, analysis.flux_vector.flux[shown], color=theme.OBSERVED, line_width=1.4)
    made.line(wave, fit.map_flux[shown], color=theme.MODEL, line_width=1.4)
    ends = (zoom.wavelength - 0.65 * zoom.half_width, zoom.wavelength + 0.65 * zoom.half_width)
    made.xaxis.ticker = FixedTicker(ticks=[round(end, 1) for end in ends])
    made.xaxis.formatter = NumeralTickFormatter(format="0.0")
    made.yaxis.ticker.desired_num_ticks = 4
    return made
