"""How well the continuum is found: simulated stars of known continuum and noise, over the Kiel diagram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import prior
from ..instrument import pixel_sigma
from ..targets import COLUMN
from .continuum import N_MODES, fit_continuum, legendre_modes
from .templates import Forward, Templates

_AMPLITUDE = 0.05  # of each smooth mode of the continuum that is put in
_REGIONS: tuple[tuple[str, tuple[float, float], tuple[float, float], tuple[float, float]], ...] = (
    ("cool dwarfs", (3900, 4500), (3.5, 5.1), (-9, 1)),
    ("cool giants", (3900, 4500), (-1, 3.5), (-9, 1)),
    ("dwarfs, 4500-5600 K", (4500, 5600), (3.5, 5.1), (-9, 1)),
    ("dwarfs, 5600-6800 K", (5600, 6800), (3.5, 5.1), (-9, 1)),
    ("giants, 4500-6800 K", (4500, 6800), (-1, 3.5), (-9, 1)),
    ("metal-poor, 4500-6800 K", (4500, 6800), (-1, 5.1), (-9, -2)),
    ("hotter than 6800 K", (6800, 9000), (-1, 5.1), (-9, 1)),
)
"""Name, then ranges of Teff [K], log g and [Fe/H]; they may overlap."""


def continuum_figures(
    forward: Forward, templates: Templates, n: int = 1000, snr: float = 50.0, seed: int = 0
) -> dict[str, Any]:
    """Errors of `fit_continuum`, found over true - 1, for `n` stars of the prior at a S/N per Angstrom.

    `warm` holds stars of 4500-6800 K, `core` those of them with vbroad below 30 km/s; every entry has n, rms,
    bias and the median rms of one star.
    """
    rng = np.random.default_rng(seed)
    labels, truth = prior.draw(n, rng), random_continua(n, rng)
    error = np.concatenate(
        [_errors(forward, templates, labels[s : s + 100], truth[s : s + 100], snr, rng) for s in range(0, n, 100)]
    )
    teff, logg, feh, vbroad = (labels[:, COLUMN[name]] for name in ("teff", "logg", "feh", "vbroad"))
    warm = (teff > 4500) & (teff < 6800)
    regions = [
        {"name": name, **_figures(error[_inside(teff, t) & _inside(logg, g) & _inside(feh, m)])}
        for name, t, g, m in _REGIONS
    ]
    return {
        "n": n,
        "snr": snr,
        "all": _figures(error),
        "warm": _figures(error[warm]),
        "core": _figures(error[warm & (vbroad < 30)]),
        "core_rotating": _figures(error[warm & (vbroad >= 30)]),
        "regions": regions,
    }


def random_continua(n: int, rng: np.random.Generator) -> NDArray:
    """Smooth continua (n, N_PIXELS): 1 and five Legendre modes more in each arm, of 5 % each."""
    modes = legendre_modes()
    amplitudes = rng.normal(0, _AMPLITUDE, (n, modes.shape[1]))
    amplitudes[:, ::N_MODES] = 1.0
    return np.asarray(amplitudes @ modes.T, np.float32)


def _errors(
    forward: Forward, templates: Templates, labels: NDArray, truth: NDArray, snr: float, rng: np.random.Generator
) -> NDArray:
    flux = np.asarray(forward.flux(labels), float)
    noisy = truth * (flux + pixel_sigma(snr) * rng.normal(size=flux.shape))
    fitted = fit_continuum(noisy.astype(np.float32), np.ones(flux.shape, bool), templates.flux)
    return np.asarray(fitted / truth - 1, np.float32)


def _inside(values: NDArray, limits: tuple[float, float]) -> NDArray:
    return (values > limits[0]) & (values <= limits[1])


def _figures(error: NDArray) -> dict[str, float | int | None]:
    if len(error) == 0:
        return {"n": 0, "rms": None, "bias": None, "median_rms": None}
    each = np.sqrt((error**2).mean(1))
    total = float(np.sqrt((error.astype(float) ** 2).mean()))
    return {"n": len(error), "rms": total, "bias": float(error.mean()), "median_rms": float(np.median(each))}
