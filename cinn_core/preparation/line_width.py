"""Native resolving power from the lines themselves: how much the spectrum must be smoothed to be as wide as its template."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ..instrument import FWHM_PER_SIGMA, RESOLVING_POWER, SPEED_OF_LIGHT_KMS, fwhm_kms
from ..stages import Spectrum, Step
from ..statistics import robust_sigma
from ..targets import COLUMN
from .correlation import OnLog, to_log
from .native import power_from_lines, power_from_telluric
from .resample import LOWEST_RESOLVING_POWER, remainder_fwhm
from .telluric import Telluric
from .templates import LOG_STEP_KMS, Templates
from .velocity import Velocity

_SLOW_KMS = 5.0
_N_ITERATIONS = 6
_SLACK_KMS2 = 20.0
"""Squared FWHM by which a star that rotates slower than its template can make lines narrower than the spectrograph's."""
_CLEARLY_KMS2 = 10.0  # squared FWHM beyond which the sign of an excess is not in doubt
_EVERY = 3  # pixels of 2 km/s, of which a line has seven or more
_WIDE_KMS = float(fwhm_kms(RESOLVING_POWER))
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
    slow = templates.labels[velocity.template, COLUMN["vbroad"]] <= _SLOW_KMS
    on_log = velocity.on_log
    if slow and remainder_fwhm(on_log.power) > 0:
        on_log = to_log(*pixels, RESOLVING_POWER, templates)  # as it is
    lines = _lines_in(on_log, velocity.kms, velocity.template, templates) if slow else []
    if stated and (not slow or _surely_wide(lines, assumed)):
        return assumed, [], set()
    width = _width(lines)
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
    wide = not slow or (np.isfinite(width) and SPEED_OF_LIGHT_KMS / width < LOWEST_RESOLVING_POWER)
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
    on_log = to_log(wavelength, flux, good, RESOLVING_POWER, templates)  # as it is, on the templates' grid
    return _width(_lines_in(on_log, kms, template, templates))


def _width(arms: list[_Lines]) -> float:
    """FWHM [km/s] as `width_in_data`, from the lines of each arm."""
    smoothing = (0.8 * _WIDE_KMS) ** 2
    for _ in range(_N_ITERATIONS):
        change = _change(arms, smoothing)
        if not np.isfinite(change):
            return float("nan")
        smoothing = float(np.clip(smoothing - change, 1.0, _WIDE_KMS**2))
        if abs(change) < 0.5:
            break
    width = _WIDE_KMS**2 - smoothing
    return float(np.sqrt(width)) if width > 0.5 else float("nan")


def _surely_wide(arms: list[_Lines], power: float) -> bool:
    """Whether lines are clearly not narrower than a resolving power allows, by one look instead of a search for their width:
    smoothed as far as lines just so narrow have to be, they are wider than the template's."""
    enough = _WIDE_KMS**2 + _SLACK_KMS2 - (SPEED_OF_LIGHT_KMS / power) ** 2
    return enough >= _WIDE_KMS**2 or (enough > 1.0 and _change(arms, enough, _EVERY) > _CLEARLY_KMS2)


_FEWEST_PIXELS = 100  # of an arm, free of gaps, that a width is measured in


@dataclass(frozen=True, eq=False)
class _Lines:
    """One arm where a star's template covers it: data (2, m), flux and weight of the arm; columns (9, k): the template at the
    star's velocity, its first two derivatives and six powers, on the pixels `inside` of the arm."""

    data: NDArray
    columns: NDArray
    inside: slice


def _lines_in(on_log: OnLog, kms: float, template: int, templates: Templates) -> list[_Lines]:
    """Lines of each arm that has enough pixels, at a velocity [km/s], with the template of an index."""
    shift = float(np.log1p(kms / SPEED_OF_LIGHT_KMS) / np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS))
    out = []
    for arm, flux in zip(on_log.arms, templates.log_flux, strict=True):
        if not arm.enough:
            continue
        t = flux[template].astype(float) - 1
        n, pad = t.size, (arm.flux.size - t.size) // 2
        first = max(int(np.floor(pad + shift + 3)) + 1, 0)
        stop = min(int(np.ceil(pad + shift + n - 4)), arm.flux.size)
        x = np.arange(first, max(stop, first)) - pad - shift
        knot, share = (int(np.floor(x[0])), float(x[0] - np.floor(x[0]))) if x.size else (0, 0.0)
        slope = np.gradient(t)
        columns = np.empty((9, x.size))
        for row, values in zip(columns, (t, slope, np.gradient(slope)), strict=False):
            row[:] = (1 - share) * values[knot : knot + x.size] + share * values[knot + 1 : knot + 1 + x.size]
        columns[3] = 1
        for power in range(4, 9):
            np.multiply(columns[power - 1], 2 * x / n - 1, out=columns[power])
        out.append(_Lines(np.stack([arm.flux * arm.weight, arm.weight]), columns, slice(first, first + x.size)))
    return out


def _change(arms: list[_Lines], smoothing: float, every: int = 1) -> float:
    """Squared FWHM [km2/s2] by which the lines, smoothed by the root of `smoothing`, are wider than the template's, from one
    pixel in `every`; NaN where no arm tells."""
    if not arms:
        return float("nan")
    excess, weight = np.array([_excess(arm, float(np.sqrt(smoothing)), every) for arm in arms]).T
    return float((excess * weight).sum() / weight.sum()) if weight.any() else float("nan")


def _excess(arm: _Lines, smoothing: float, every: int) -> tuple[float, float]:
    """Squared FWHM [km2/s2] by which the arm, smoothed by a FWHM, is wider than the template, and its weight."""
    sigma = smoothing / FWHM_PER_SIGMA / LOG_STEP_KMS
    light, share = gaussian_filter1d(arm.data, sigma)[:, arm.inside][:, ::every]
    used = share > 0.98
    if used.sum() * every < _FEWEST_PIXELS:
        return 0.0, 0.0
    columns, y = np.ascontiguousarray(arm.columns[:, ::every]), light / np.maximum(share, 0.05)
    if not used.all():
        columns, y = columns[:, used], y[used]
    answer = _solved(columns @ columns.T, columns @ y)
    for _ in range(3):
        residual = np.abs(y - answer @ columns)
        scatter = robust_sigma(residual, 0.0)
        weighted = columns / np.maximum(1, residual / (2 * max(scatter, 1e-4)))
        answer = _solved(weighted @ columns.T, weighted @ y)
    variance = 2 * answer[2] / max(answer[0], 0.05) * LOG_STEP_KMS**2
    return float(variance * FWHM_PER_SIGMA**2), float(answer[0] * np.sum(np.abs(columns[2])))


def _solved(matrix: NDArray, right: NDArray) -> NDArray:
    """Solution of normal equations, the least one where a template without lines leaves it open."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix / scale / scale[:, None]
    try:
        return np.linalg.solve(scaled, right / scale) / scale
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(scaled, right / scale, rcond=None)[0] / scale
