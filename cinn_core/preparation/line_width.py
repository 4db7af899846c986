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
from .resample import LOWEST_RESOLVING_POWER
from .telluric import Telluric
from .templates import LOG_STEP_KMS, Templates
from .velocity import Velocity

_SLOW_KMS = 5.0
_N_ITERATIONS = 6
_SLACK_KMS2 = 20.0
"""Squared FWHM by which a star that rotates slower than its template can make lines narrower than the spectrograph's."""
_CONTRADICTED = 1.5  # factor by which telluric lines may differ from the resolving power that a file states


def settle_power(
    spectrum: Spectrum,
    assumed: float,
    telluric: Telluric,
    velocity: Velocity,
    pixels: tuple[NDArray, NDArray, NDArray],
    templates: Templates,
) -> tuple[float, list[Step], set[str]]:
    """Native resolving power of a file, the ledger's entries, and the flag where file and data disagree or nothing tells.

    What a file states is believed unless the data rule it out: telluric lines that differ by half, or lines of the star narrower
    than it allows. Else the telluric lines tell, else the usual value of the instrument, which narrower lines overrule, else the
    star's lines. Where nothing states it and all lines are wide, rotation and instrument cannot be told apart: flag
    resolution_unsure. `pixels`: wavelength, flux, good, each (n,), air, as observed.
    """
    stated = spectrum.resolving_power is not None and not spectrum.usual_power
    if telluric.clear and np.isfinite(telluric.fwhm_kms):
        power, step = power_from_telluric(telluric.fwhm_kms, assumed)
        if not stated:
            return power, [step], set()
        if 1 / _CONTRADICTED < power / assumed < _CONTRADICTED:
            return assumed, [], set()
        reason = f"the file says {assumed:.0f}, which the telluric oxygen lines contradict: their width is believed"
        return power, [Step(step.name, reason, step.numbers)], {"resolution_unsure"}
    if not velocity.credible:
        return assumed, [], set()
    width = width_in_data(*pixels, velocity.kms, velocity.template, templates)
    narrower = np.isfinite(width) and width**2 + _SLACK_KMS2 < (SPEED_OF_LIGHT_KMS / assumed) ** 2
    if spectrum.resolving_power is not None and narrower:
        power, step = power_from_lines(spectrum, assumed, width)
        source = "the file" if stated else "what is usual for the instrument named"
        reason = (
            f"{source} says {assumed:.0f}, but the star's lines are narrower than that allows: the lines are believed"
        )
        return power, [Step(step.name, reason, step.numbers)], {"resolution_unsure"} if stated else set()
    if stated or (spectrum.resolving_power is not None and not _by_file_name(spectrum)):
        return assumed, [], set()
    fast = templates.labels[velocity.template, COLUMN["vbroad"]] > _SLOW_KMS
    wide = fast or (np.isfinite(width) and SPEED_OF_LIGHT_KMS / width < LOWEST_RESOLVING_POWER)
    power, steps = assumed, list[Step]()
    if spectrum.resolving_power is None:
        power, step = power_from_lines(spectrum, assumed, width)
        steps.append(step)
    if wide:
        reason = (
            "nothing states it and all lines are wide: rotation or a low resolving power, so vbroad is an upper limit"
        )
        return power, [*steps, Step("resolving power unsure", reason, {"R": power})], {"resolution_unsure"}
    return power, steps, set()


def _by_file_name(spectrum: Spectrum) -> bool:
    """Whether the resolving power is only that of an instrument that the name of the file seems to name."""
    return any(step.name == "resolving power" and "name of the file" in step.reason for step in spectrum.steps)


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
        if not weight.any():
            return float("nan")
        change = float((excess * weight).sum() / weight.sum())
        smoothing = float(np.clip(smoothing - change, 1.0, wide**2))
        if abs(change) < 0.5:
            break
    width = wide**2 - smoothing
    return float(np.sqrt(width)) if width > 0.5 else float("nan")


_FEWEST_PIXELS = 100  # of an arm, free of gaps, that a width is measured in


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
    if used.sum() < _FEWEST_PIXELS:
        return 0.0, 0.0
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
