"""The Kiel diagram: the posterior in effective temperature and gravity within the edges of the prior."""

from __future__ import annotations

import holoviews as hv
import numpy as np

from app import theme
from cinn_core.prior import teff_bounds
from cinn_core.stages import Analysis
from cinn_core.targets import COLUMN, TARGETS

from .style import FIGURE, quiet

SHOWN_SAMPLES = 1000


def prior_outline(n: int = 101) -> tuple[np.ndarray, np.ndarray]:
    """Teff and log g along the prior's edge, closed."""
    target = TARGETS[COLUMN["logg"]]
    logg = np.linspace(target.low, target.high, n)
    cool, hot = teff_bounds(logg)
    return np.concatenate([cool, hot[::-1], cool[:1]]), np.concatenate([logg, logg[::-1], logg[:1]])


def draw_kiel(analysis: Analysis) -> hv.Overlay:
    """Hot stars on the left and giants on top, as astronomers draw it; the mode as a cross."""
    x, y = hv.Dimension("teff", label="Teff", unit="K"), hv.Dimension("logg", label="log g", unit="dex")
    labels = analysis.posterior.labels[:SHOWN_SAMPLES]
    mode = [analysis.summary.targets[name].map for name in ("teff", "logg")]
    overlay = (
        hv.Polygons([np.column_stack(prior_outline())], kdims=[x, y]).opts(color=theme.GROUND, line_color="#c8d0da")
        * hv.Points((labels[:, COLUMN["teff"]], labels[:, COLUMN["logg"]]), [x, y]).opts(
            color=theme.MODEL, size=3, alpha=0.15, line_alpha=0
        )
        * hv.Points([mode], [x, y]).opts(color=theme.LITERATURE, marker="cross", size=11, line_width=2)
    )
    return overlay.opts(
        hv.opts.Overlay(
            **FIGURE, height=225, invert_xaxis=True, invert_yaxis=True, hooks=[quiet], show_legend=False,
            xlim=(3800, 7350), ylim=(-0.15, 5.15), xticks=[7000, 6000, 5000, 4000], yticks=[0, 1, 2, 3, 4, 5],
            default_tools=["pan", "box_zoom", "reset"], active_tools=["box_zoom"],
        )
    )  # fmt: skip
