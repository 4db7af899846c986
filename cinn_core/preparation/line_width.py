"""Native resolving power from the lines themselves: how much the spectrum must be smoothed to be as wide as its template."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ..instrument import FWHM_PER_SIGMA, RESOLVING_POWER, SPEED_OF_LIGHT_KMS, fwhm_kms
from ..stages import Spectrum, Step
from ..statistics import robust_sigma
from ..targets import COLUMN
from .correlation import LogArm, to_log
from .native import power_from_lines, power_from_telluric
from .telluric import Telluric
from .templates import LOG_STEP_KMS, Templates
from .velocity import Velocity

_SLOW_KMS = 5.0
_N_ITERATIONS = 6


def settle_power(
    spectrum: Spectrum,
    assumed: float,
    telluric: Telluric,
    velocity: Velocity,
    pixels: tuple[NDArray, NDArray, NDArray],
    templates: Templates,
) -> tuple[float, list[Step]]:
    """Native resolving power of a file that does not state its own, and the ledger's entry.

    From the telluric lines, else from the star's unless the instrument's usual one is known. `pixels`: wavelength, flux,
    good, each (n,), air, as observed.
    """
    if spectrum.resolving_power is not None and not spectrum.usual_power:
        return assumed, []
    if telluric.clear and np.isfinite(telluric.fwhm_kms):
        power, step = power_from_telluric(telluric.fwhm_kms, assumed)
        return power, [step]
    if spectrum.resolving_power is not None or not velocity.credible:
        return assumed, []
    width = width_in_data(*pixels, velocity.kms, velocity.template, templates)
    power, step = power_from_lines(spectrum, assumed, width)
    return power, [step]


def width_in_data(
    wavelength: NDArray, flux: NDArray, good: NDArray, kms: float, template: int, templates: Templates
) -> float:
    """Gaussian FWHM [km/s] of the spectrograph that makes the lines of a spectrum (n,) as wide as its template's.

    The spectrum is smoothed until the second derivative of the template is no longer needed to describe it; the
    smoothing then is the remainder to R = 20 000. Rotation beyond the template's 4 km/s counts as the instrument's: an
    upper limit of the width. NaN for a rotating template or where no smoothing does it.
    """
    if templates.labels[template, COLUMN["vbroad"]] > _SLOW_KMS:
        return float("nan")
    arms = to_log(wavelength, flux, good, RESOLVING_POWER, templates).arms  # as it is, on the templates' grid
    wide = float(fwhm_kms(RESOLVING_POWER))
    smoothing = (0.8 * wide) ** 2
    for _ in range(_N_ITERATIONS):
        pairs = [
            _excess(arm, t[template].astype(float), kms, float(np.sqrt(smoothing)))
            for arm, t in zip(arms, templates.log_flux, strict=True)
            if arm.enough
        ]
        if not pairs:
            return float("nan")
        excess, weight = np.array(pairs).T
        change = float((excess * weight).sum() / weight.sum())
        smoothing = float(np.clip(smoothing - change, 1.0, wide**2))
        if abs(change) < 0.5:
            break
    width = wide**2 - smoothing
    return float(np.sqrt(width)) if width > 0.5 else float("nan")


def _excess(arm: LogArm, template: NDArray, kms: float, smoothing: float) -> tuple[float, float]:
    """Squared FWHM [km2/s2] by which the arm, smoothed by a FWHM, is wider than the template, and its weight."""
    sigma = smoothing / FWHM_PER_SIGMA / LOG_STEP_KMS
    share = gaussian_filter1d(arm.weight, sigma)
    data = gaussian_filter1d(arm.flux * arm.weight, sigma) / np.maximum(share, 0.05)
    n, pad = template.size, (arm.flux.size - template.size) // 2
    shift = np.log1p(kms / SPEED_OF_LIGHT_KMS) / np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS)
    x = np.arange(arm.flux.size) - pad - shift
    t = template - 1
    slope, curvature = np.gradient(t), np.gradient(np.gradient(t))
    used = (x > 3) & (x < n - 4) & (share > 0.98)
    knots = np.arange(n)
    rows = [np.interp(x[used], knots, c) for c in (t, slope, curvature)]
    z = 2 * x[used] / n - 1
    columns = np.stack([*rows, *(z**k for k in range(6))], 1)
    y, weight = data[used], np.ones(used.sum())
    answer = np.zeros(columns.shape[1])
    for _ in range(4):
        answer = np.linalg.lstsq(columns * weight[:, None], y * weight, rcond=None)[0]
        residual = np.abs(y - columns @ answer)
        scatter = robust_sigma(residual, 0.0)
        weight = 1 / np.sqrt(np.maximum(1, residual / (2 * max(scatter, 1e-4))))
    variance = 2 * answer[2] / max(answer[0], 0.05) * LOG_STEP_KMS**2
    return float(variance * FWHM_PER_SIGMA**2), float(answer[0] * np.sum(np.abs(rows[2])))
