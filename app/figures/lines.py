"""Zooms on the five diagnostic lines: observation, resimulation and its bands, each with its own chi-square."""

from __future__ import annotations

from dataclasses import dataclass

import holoviews as hv
import numpy as np

from app import theme
from cinn_core.instrument import WAVELENGTH
from cinn_core.stages import Analysis

from .spectrum import band
from .style import FIGURE, quiet


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
    """Lower and upper flux of a zoom: all that is drawn, at least SHALLOWEST."""
    near = np.abs(WAVELENGTH - zoom.wavelength) < zoom.half_width
    drawn = np.concatenate([analysis.flux_vector.flux[near], analysis.resimulation.band95[:, near].ravel()])
    low, high = np.nanmin(drawn), np.nanmax(drawn)
    missing = max(0.0, SHALLOWEST - (high - low))
    margin = 0.06 * max(high - low, SHALLOWEST)
    return float(low - missing - margin), float(high + margin)


def draw_zoom(analysis: Analysis, zoom: Zoom) -> hv.Overlay:
    """One line with the observation as steps of a curve over the resimulation and its bands."""
    key = f"{zoom.wavelength:.0f}"
    x, y = hv.Dimension(f"wavelength_{key}", label="wavelength", unit="Å"), hv.Dimension(f"flux_{key}", label="flux")
    s = np.abs(WAVELENGTH - zoom.wavelength) <= zoom.half_width + 0.5
    fit, wave = analysis.resimulation, WAVELENGTH[s]
    chi2 = line_chi2(analysis, zoom)
    verdict = "not observed" if np.isnan(chi2) else f"χ² {chi2:.1f}"
    edges = (zoom.wavelength - zoom.half_width, zoom.wavelength + zoom.half_width)
    overlay = hv.Overlay(
        [
            hv.VLine(zoom.wavelength).opts(color=theme.LINE, line_width=1),
            band(wave, fit.band95[:, s], x, y).opts(fill_alpha=theme.BAND95_ALPHA),
            band(wave, fit.band68[:, s], x, y).opts(fill_alpha=theme.BAND68_ALPHA),
            hv.Curve((wave, analysis.flux_vector.flux[s]), x, y).opts(color=theme.OBSERVED, line_width=1.4),
            hv.Curve((wave, fit.map_flux[s]), x, y).opts(color=theme.MODEL, line_width=1.4),
        ]
    )
    return overlay.opts(
        hv.opts.Overlay(
            **FIGURE, height=225, title=f"{zoom.species} {zoom.wavelength:.1f} Å\n{verdict}", xlabel="", ylabel="",
            xlim=edges, ylim=flux_range(analysis, zoom), hooks=[quiet], show_legend=False, yticks=4,
            xticks=[round(zoom.wavelength + side * zoom.half_width * 0.65, 1) for side in (-1, 1)],
            default_tools=["pan", "box_zoom", "reset"], active_tools=["box_zoom"],
        )
    )  # fmt: skip
