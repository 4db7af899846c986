"""Made-up departure coefficients whose logarithm is linear in the labels, and levels of magnesium and calcium."""

from __future__ import annotations

import numpy as np

from cinn_core.synthesis.departure_files import DepartureTable
from cinn_core.synthesis.departures import Level

LEVELS = (Level("3s2 1S", 0.0, 1.0), Level("3s3p 3P", 21890.0, 9.0))
LOG_TAU = np.linspace(-4, 1, 6)
FINE_LOG_TAU = np.linspace(-5.0, 1.5, 27)
MG_LEVELS = (
    Level("MG I 2P6 3S 3S 1SE", 0.0, 1.0),
    Level("MG I 2P6 3S 3P 3PO", 21890.854, 9.0),
    Level("MG I 2P6 3S 3P 1PO", 35051.266, 3.0),
    Level("MG I 2P6 3S 4S 3SE", 41197.402, 3.0),
    Level("MG I 2P6 3S 4D 1DE", 53134.637, 5.0),
    Level("MG II 2P6 3S 2SE 1/2", 61671.094, 2.0, 1),
)
CA_LEVELS = (
    Level("4s4s-1S", 0.0, 1.0),
    Level("3d4s-3D", 20356.6, 15.0),
    Level("3d4p-3F*", 35831.2, 21.0),
    Level("3d4p-1D*", 35835.4, 5.0),
)


def made_up_b(teff: float, logg: float, feh: float, abundance: float) -> np.ndarray:
    """b (2, 6) whose logarithm is linear in the labels, so that interpolation must be exact."""
    slope = 1e-4 * (teff - 5000) - 0.1 * (logg - 4) + 0.2 * feh + 0.05 * (abundance - 7.5 - feh)
    return np.exp(np.outer([1.0, 0.5], -LOG_TAU) * 0.1 * slope)


def made_up_nodes() -> np.ndarray:
    axes = np.meshgrid([5000.0, 6000.0], [4.0, 5.0], [-1.0, 0.0], [-0.2, 0.4], indexing="ij")
    teff, logg, feh, x_fe = (axis.ravel() for axis in axes)
    return np.stack([teff, logg, feh, 7.5 + feh + x_fe], 1)


def made_up_table() -> DepartureTable:
    nodes = made_up_nodes()
    return DepartureTable("Mg", LEVELS, nodes, LOG_TAU, np.stack([made_up_b(*node) for node in nodes]), {"made": "up"})
