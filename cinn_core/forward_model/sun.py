"""The Sun resimulated at its literature parameters, beside what was observed: a check of forward model and preparation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..instrument import arm_slices
from ..preparation.fourmost import prepare
from ..preparation.templates import Templates
from ..readers import read
from ..targets import COLUMN, LABEL_NAMES
from .forward import ForwardModel
from .label_fit import Held, fit_labels
from .model_error import ModelError, halpha_core

SUN = {"teff": 5772.0, "logg": 4.44, "feh": 0.0, "vmic": 1.0}
"""Literature parameters; every [X/Fe] is 0. Rotation and macroturbulence, velocity and continuum are fitted."""
_TIGHT = {"teff": 0.5, "logg": 1e-3, "feh": 1e-3, "vmic": 1e-3}
_TIGHT_RATIO = 1e-3
_FREE = "vbroad"


@dataclass(frozen=True)
class SunCheck:
    """One solar spectrum: scatter (1.48 MAD) and rms of observed - model of each arm outside the mask, fitted vbroad [km/s]."""

    file: str
    scatter: tuple[float, ...]
    rms: tuple[float, ...]
    vbroad: float


def check_sun(path: Path, forward: ForwardModel, templates: Templates, error: ModelError) -> SunCheck:
    """Residuals of the solar spectrum in a file at R = 20 000; SpectrumError where it cannot be prepared."""
    vector = prepare(read(path), templates)
    held = {name: Held(SUN.get(name, 0.0), _TIGHT.get(name, _TIGHT_RATIO)) for name in LABEL_NAMES if name != _FREE}
    fit = fit_labels(vector, forward, error, held)
    residual = np.where(error.masked | halpha_core(), np.nan, fit.residual(vector))
    scatter, rms = [], []
    for part in arm_slices():
        seen = residual[part][np.isfinite(residual[part])]
        scatter.append(float(1.4826 * np.median(np.abs(seen - np.median(seen)))) if seen.size else float("nan"))
        rms.append(float(seen.std()) if seen.size else float("nan"))
    return SunCheck(path.name, tuple(scatter), tuple(rms), float(fit.labels[COLUMN[_FREE]]))
