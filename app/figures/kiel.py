"""The Kiel diagram: the posterior in effective temperature and gravity within the edges of the prior."""

from __future__ import annotations

import numpy as np
from bokeh.models import FixedTicker
from bokeh.plotting import figure

from app import theme
from cinn_core.prior import teff_bounds
from cinn_core.stages import Analysis
from cinn_core.targets import COLUMN, TARGETS

from .style import quiet_figure

SHOWN_SAMPLES = 1000


def prior_outline(n: int = 101) -> tuple[np.ndarray, np.ndarray]:
    """Teff and log g along the prior's edge, closed."""
    target = TARGETS[COLUMN["logg"]]
    logg = np.linspace(target.low, target.high, n)
    cool, hot = teff_bounds(logg)
    return np.concatenate([cool, hot[::-1], cool[:1]]), np.concatenate([logg, logg[::-1], logg[:1]])


def draw_kiel(analysis: Analysis) -> figure:
    """Hot stars on the left and giants on top, as astronomers draw it; the mode as a cross."""
    labels = analysis.posterior.labels[:SHOWN_SAMPLES]
    mode = [analysis.summary.targets[name].map for name in ("teff", "logg")]
    made = quiet_figure(height=225, x_range=(7350, 3800), y_range=(5.15, -0.15))
    made.patch(*prior_outline(), fill_color=theme.GROUND, line_color=theme.FAINT, line_alpha=0.6)
    made.scatter(
        labels[:, COLUMN["teff"]], labels[:, COLUMN["logg"]], color=theme.MODEL, size=3, alpha=0.15, line_alpha=0
    )
    made.scatter(*[[v] for v in mode], color=theme.LITERATURE, marker="cross", size=12, line_width=2)
    made.xaxis.ticker = FixedTicker(ticks=[4000, 5000, 6000, 7000])
    made.yaxis.ticker = FixedTicker(ticks=[0, 1, 2, 3, 4, 5])
    made.xaxis.axis_label, made.yaxis.axis_label = "Teff [K]", "log g"
    return made
