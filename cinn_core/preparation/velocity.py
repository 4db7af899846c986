"""Radial velocity by cross-correlation with template spectra, arm by arm and together, refined below the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..instrument import ARMS, SPEED_OF_LIGHT_KMS
from ..rebin import unit_knots
from ..stages import Step
from .correlation import PAD, LogArm, OnLog, best_templates, correlate, to_log
from .templates import LOG_STEP_KMS, Templates

MIN_CONTRAST = 1.7
"""Least ratio of the peak to the highest correlation anywhere else; pure noise stays below 1.65."""

LINELESS = 0.2
"""Peak of the correlation below which a flux shows no line: sky, noise and lamps reach 0.15, a star of S/N 5 reaches 0.3."""

MAX_ERROR_KMS = 20.0
_ARMS_DISAGREE_KMS = 1.5

_PIECES = 3  # of each arm
_CORRELATED_PIXELS = 7.0
_SETTLED_PIXELS = 1e-3  # 2 m/s, and each step leaves a small part of the one before


@dataclass(frozen=True)
class Velocity:
    """Radial velocity in the frame of the wavelengths given, receding positive.

    kms, error_kms: both arms together; arms: (velocity, error) [km/s] of each arm, NaN without data; peak: correlation
    0-1; contrast: peak over the highest correlation elsewhere; template: index of the best template; credible: whether to use it at all;
    on_log: the spectrum that it was measured on.
    """

    kms: float
    error_kms: float
    arms: tuple[tuple[float, float], ...]
    peak: float
    contrast: float
    template: int
    credible: bool
    on_log: OnLog = field(repr=False, compare=False)

    @property
    def arms_difference(self) -> tuple[float, float]:
        """Difference between the extreme arms and its error [km/s]; (0, inf) where fewer than two arms have data."""
        known = [a for a in self.arms if np.isfinite(a[0])]
        if len(known) < 2:
            return 0.0, float("inf")
        return known[0][0] - known[-1][0], float(np.hypot(known[0][1], known[-1][1]))


def measure_velocity(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float, templates: Templates
) -> Velocity:
    """Velocity of a spectrum (n,) with continuum near 1, wavelengths in air; searched within +-500 km/s."""
    return velocities_on_log([to_log(wavelength, flux, good, native_resolving_power, templates)], templates)[0]


def settle_velocity(velocity: Velocity, given: float | None) -> tuple[float, float, list[Step], set[str]]:
    """Velocity and its error [km/s] to take out, the ledger's entry and flags: given, else measured, else at rest."""
    numbers: dict[str, float | str] = {
        "peak": velocity.peak,
        "contrast": velocity.contrast,
        "template": velocity.template,
    }
    for arm, (kms, error) in zip(ARMS, velocity.arms, strict=True):
        numbers |= {f"rv_{arm.name}": kms, f"rv_error_{arm.name}": error}
    if given is not None:
        return given, 0.0, [Step("velocity", "given by the user", {"rv_kms": given, **numbers})], set()
    if not velocity.credible:
        reason = "no credible peak of the cross-correlation with any template; taken as at rest"
        if velocity.peak < LINELESS:
            reason = (
                f"the flux shows no line of a star: its correlation with the templates is {velocity.peak:.2f} at most, as of noise; it "
                "may be the sky, a lamp or an error instead, which another column or extension of the file would set right"
            )
        return 0.0, float("nan"), [Step("velocity", reason, {"rv_kms": 0.0, **numbers})], {"rv_uncertain"}
    difference, error = velocity.arms_difference
    apart = np.isfinite(error) and abs(difference) > max(_ARMS_DISAGREE_KMS, 5 * error)
    reason = "cross-correlation with the templates, refined by least squares in each arm"
    steps = [Step("velocity", reason, {"rv_kms": velocity.kms, **numbers})]
    return velocity.kms, velocity.error_kms, steps, {"arms_disagree"} if apart else set()


def velocities_on_log(stars: Sequence[OnLog], templates: Templates) -> list[Velocity]:
    """Velocity of each star from its arms on the templates' log grid (`to_log`); products with the templates for all stars at once."""
    curves = correlate(stars, templates)
    lags = np.clip(np.arange(-4, 5) + curves.max(1).argmax(1)[:, None], 0, 2 * PAD)
    best = best_templates(stars, lags, templates)
    return [
        _settle(star, curve.max(0), at, int(template), near, templates)
        for star, curve, at, template, near in zip(stars, curves, lags, *best, strict=True)
    ]


def _settle(star: OnLog, curve: NDArray, lags: NDArray, best: int, near: NDArray, templates: Templates) -> Velocity:
    """Velocity of one star from its highest correlation at all lags and that with the best template at `lags` near the peak."""
    present = [arm.enough for arm in star.arms]
    if not any(present):
        return Velocity(0.0, float("nan"), ((float("nan"),) * 2,) * len(present), 0.0, 0.0, 0, False, star)
    lag = int(near.argmax())
    peak, start = float(near[lag]), float((lags[lag] - PAD) * LOG_STEP_KMS)
    peak_at = int(curve.argmax())
    away = np.abs(np.arange(curve.size) - peak_at) > 120.0 / LOG_STEP_KMS
    contrast = float(curve[peak_at] / max(curve[away].max(), 1e-3))
    fits = [
        _refine(arm, flux[best].astype(float) - 1, start) if p else (np.nan, np.nan)
        for arm, flux, p in zip(star.arms, templates.log_flux, present, strict=True)
    ]
    known = np.array([(v, e) for v, e in fits if np.isfinite(v) and np.isfinite(e)])
    everywhere = len(known) == sum(present)  # an arm that has data but fits no template contradicts the peak
    credible = bool(contrast >= MIN_CONTRAST and everywhere and known.size and known[:, 1].min() < MAX_ERROR_KMS)
    if known.size == 0:
        kms, error = start, float("nan")
    else:
        weight = 1 / known[:, 1] ** 2
        kms, error = float((weight * known[:, 0]).sum() / weight.sum()), float(weight.sum() ** -0.5)
    return Velocity(kms, error, tuple((float(v), float(e)) for v, e in fits), peak, contrast, best, credible, star)


def velocities_in_pieces(velocity: Velocity, templates: Templates) -> tuple[NDArray, NDArray, NDArray]:
    """Middle [Angstrom], velocity and error [km/s], all (pieces,), of a third of each arm at a time, with the best template."""
    found = []
    for arm, flux, grid, (kms, _) in zip(
        velocity.on_log.arms, templates.log_flux, templates.log_wavelength, velocity.arms, strict=True
    ):
        if not arm.enough or not np.isfinite(kms):
            continue
        begin, n = PAD + round(kms / LOG_STEP_KMS), grid.size
        for i in range(_PIECES):
            first, last = i * n // _PIECES, (i + 1) * n // _PIECES
            weight = np.zeros(arm.weight.size)
            part = slice(max(begin + first, 0), max(begin + last, 0))
            weight[part] = arm.weight[part]
            piece, error = _refine(LogArm(arm.flux, weight), flux[velocity.template].astype(float) - 1, kms)
            if np.isfinite(piece) and np.isfinite(error):
                found.append((grid[(first + last) // 2], piece, error))
    middle, kms_of_pieces, errors = np.array(found, float).reshape(-1, 3).T
    return middle, kms_of_pieces, errors


def _refine(arm: LogArm, template: NDArray, start_kms: float) -> tuple[float, float]:
    """Velocity and error [km/s] of one arm by Gauss-Newton on data = a t(v) + b + c x, from the correlation's peak.

    The error takes the residuals' scatter and counts one independent pixel in seven (the width of the instrument).
    """
    nothing = float("nan"), float("nan")
    n = template.size
    slopes = unit_knots(n).slopes(template)
    shift = start_kms / LOG_STEP_KMS
    for _ in range(6):
        first, stop = int(np.floor(PAD + shift + 2)) + 1, int(np.ceil(PAD + shift + n - 3))
        part = slice(max(first, 0), min(stop, arm.flux.size))
        x = np.arange(part.start, part.stop) - PAD - shift
        w, flux = arm.weight[part], arm.flux[part]
        if w.sum() < 300:
            return nothing
        model, slope = _on_shifted(template, slopes, x)
        rows = np.stack([-slope, model, np.ones(x.size), 2 * x / n - 1])
        weighted = rows * w
        try:
            inverse = np.linalg.inv(weighted @ rows.T)
        except np.linalg.LinAlgError:
            return nothing
        answer = inverse @ (weighted @ flux)
        if answer[1] < 0.02:
            return nothing
        change = float(np.clip(answer[0] / answer[1], -2, 2))
        shift += change
        if abs(change) < _SETTLED_PIXELS:
            break
    if abs(shift - start_kms / LOG_STEP_KMS) > 10:
        return nothing
    residual = flux - answer @ rows
    robust = w * (np.abs(residual) < 4 * np.sqrt((w * residual**2).sum() / w.sum()))
    scatter = np.sqrt((robust * residual**2).sum() / max(robust.sum() - 4, 1))
    error = float(np.sqrt(inverse[0, 0] * _CORRELATED_PIXELS) * scatter / answer[1]) * LOG_STEP_KMS
    return float(SPEED_OF_LIGHT_KMS * np.expm1(shift * np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS))), error


def _on_shifted(values: NDArray, slopes: NDArray, x: NDArray) -> tuple[NDArray, NDArray]:
    """Value and slope of a cubic through unit knots, values and slopes (n,) there, at points x (m,) 1 apart, all inside."""
    knot = int(np.floor(x[0]))
    f = float(x[0] - knot)
    left, right = slice(knot, knot + x.size), slice(knot + 1, knot + 1 + x.size)
    rise, start, end = values[right] - values[left], slopes[left], slopes[right]
    c2, c3 = 3 * rise - 2 * start - end, start + end - 2 * rise
    return ((c3 * f + c2) * f + start) * f + values[left], (3 * c3 * f + 2 * c2) * f + start


def shift_to_rest(wavelength: NDArray, kms: float) -> NDArray:
    """Rest wavelengths (n,) [Angstrom] of light received at `wavelength` (n,) from a source receding with `kms` [km/s]."""
    return wavelength / (1 + kms / SPEED_OF_LIGHT_KMS)
