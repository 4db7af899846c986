"""Radial velocity by cross-correlation with template spectra, arm by arm and together, refined below the pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from ..instrument import ARMS, SPEED_OF_LIGHT_KMS
from ..stages import Step
from .resample import FWHM_PER_SIGMA, covered, rebin, remainder_fwhm, without_gaps
from .templates import LOG_STEP_KMS, Templates

MAX_KMS = 500.0
MIN_CONTRAST = 1.7
"""Least ratio of the peak to the highest correlation anywhere else; pure noise stays below 1.65."""

MAX_ERROR_KMS = 20.0
_ARMS_DISAGREE_KMS = 1.5

_N_SEARCH = 18
_WIDE_PIXELS = 50.0
_WIDE_KERNEL = gaussian_filter1d(np.eye(1, 401, 200)[0], _WIDE_PIXELS, mode="constant")  # to four sigma
_PAD = int(MAX_KMS / LOG_STEP_KMS) + 10
_CORRELATED_PIXELS = 7.0
_TELLURIC = (6274.0, 6322.0)


@dataclass(frozen=True)
class Velocity:
    """Radial velocity in the frame of the wavelengths given, receding positive.

    kms, error_kms: both arms together; arms: (velocity, error) [km/s] of each arm, NaN without data; peak: correlation
    0-1; contrast: peak over the highest correlation elsewhere; template: index of the best template; credible: whether to use it at all.
    """

    kms: float
    error_kms: float
    arms: tuple[tuple[float, float], ...]
    peak: float
    contrast: float
    template: int
    credible: bool

    @property
    def arms_difference(self) -> tuple[float, float]:
        """Difference between the extreme arms and its error [km/s]; (0, inf) where fewer than two arms have data."""
        known = [a for a in self.arms if np.isfinite(a[0])]
        if len(known) < 2:
            return 0.0, float("inf")
        return known[0][0] - known[-1][0], float(np.hypot(known[0][1], known[-1][1]))


@dataclass(frozen=True, eq=False)
class OnLog:
    """One arm on the templates' log grid widened by 500 km/s: flux - 1 (m,), weight 0/1 (m,)."""

    flux: NDArray
    weight: NDArray


def measure_velocity(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float, templates: Templates
) -> Velocity:
    """Velocity of a spectrum (n,) with continuum near 1, wavelengths in air; searched within +-500 km/s."""
    return velocities_on_log([to_log(wavelength, flux, good, native_resolving_power, templates)], templates)[0]


def settle_velocity(velocity: Velocity, given: float | None) -> tuple[float, float, list[Step], set[str]]:
    """The velocity and error [km/s] to go on with, the ledger's entry and flags: given, else measured, else at rest."""
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
        return 0.0, float("nan"), [Step("velocity", reason, {"rv_kms": 0.0, **numbers})], {"rv_uncertain"}
    difference, error = velocity.arms_difference
    apart = np.isfinite(error) and abs(difference) > max(_ARMS_DISAGREE_KMS, 5 * error)
    reason = "cross-correlation with the templates, refined by least squares in each arm"
    steps = [Step("velocity", reason, {"rv_kms": velocity.kms, **numbers})]
    return velocity.kms, velocity.error_kms, steps, {"arms_disagree"} if apart else set()


def velocities_on_log(stars: list[list[OnLog]], templates: Templates) -> list[Velocity]:
    """Velocity of each star from its arms on the templates' log grid (`to_log`); products with the templates for all stars at once."""
    tools = _search_tools(templates)
    present = [[arm.weight.sum() > 500 for arm in arms] for arms in stars]
    curves = [_correlate(arms, tools, here) for arms, here in zip(stars, present, strict=True)]
    lags = [np.clip(np.arange(-4, 5) + curve.max(0).argmax(), 0, 2 * _PAD) for curve in curves]
    scores = _scores(stars, tools, lags, present)
    return [
        _settle(arms, here, curve, at, score, templates)
        for arms, here, curve, at, score in zip(stars, present, curves, lags, scores, strict=True)
    ]


def _settle(
    arms: list[OnLog], present: list[bool], correlation: NDArray, lags: NDArray, scores: NDArray, templates: Templates
) -> Velocity:
    """Velocity of one star from its correlation (k, all lags) and its scores (templates, lags) near the peak."""
    if not any(present):
        return Velocity(0.0, float("nan"), ((float("nan"),) * 2,) * len(arms), 0.0, 0.0, 0, False)
    best, lag = (int(i) for i in np.unravel_index(scores.argmax(), scores.shape))
    peak, start = float(scores[best, lag]), float((lags[lag] - _PAD) * LOG_STEP_KMS)
    curve = correlation.max(0)
    peak_at = int(curve.argmax())
    away = np.abs(np.arange(curve.size) - peak_at) > 120.0 / LOG_STEP_KMS
    contrast = float(curve[peak_at] / max(curve[away].max(), 1e-3))
    fits = [
        _refine(arm, f[best], start) if p else (np.nan, np.nan)
        for arm, f, p in zip(arms, templates.log_flux, present, strict=True)
    ]
    known = np.array([(v, e) for v, e in fits if np.isfinite(v) and np.isfinite(e)])
    everywhere = len(known) == sum(present)  # an arm that has data but fits no template contradicts the peak
    credible = bool(contrast >= MIN_CONTRAST and everywhere and known.size and known[:, 1].min() < MAX_ERROR_KMS)
    if known.size == 0:
        kms, error = start, float("nan")
    else:
        weight = 1 / known[:, 1] ** 2
        kms, error = float((weight * known[:, 0]).sum() / weight.sum()), float(weight.sum() ** -0.5)
    return Velocity(kms, error, tuple((float(v), float(e)) for v, e in fits), peak, contrast, best, credible)


def to_log(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float, templates: Templates
) -> list[OnLog]:
    """Every arm of a spectrum (n,) on the templates' log grid at R = 20 000, widened by 500 km/s on both sides."""
    fwhm = remainder_fwhm(native_resolving_power)
    return [_on_log(wavelength, flux, good, grid, fwhm) for grid in templates.log_wavelength]


def velocity_lags() -> NDArray:
    """Velocity [km/s] of each lag between a widened spectrum and a template, (lags,)."""
    step = np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS)
    return SPEED_OF_LIGHT_KMS * np.expm1(step * (np.arange(2 * _PAD + 1) - _PAD))


def _on_log(wavelength: NDArray, flux: NDArray, good: NDArray, grid: NDArray, fwhm: float) -> OnLog:
    """Rebin one arm to the template's grid, widened on both sides, at R = 20 000."""
    step = np.exp(np.mean(np.diff(np.log(grid))))
    edges = grid[0] * step ** (np.arange(grid.size + 2 * _PAD + 1) - _PAD - 0.5)
    near = (wavelength > edges[0]) & (wavelength < edges[-1])
    if (near & good).sum() < 100:
        return OnLog(np.zeros(edges.size - 1), np.zeros(edges.size - 1))
    native = without_gaps(wavelength[near], flux[near], good[near])
    binned = rebin(native.wavelength, native.flux, edges)
    share = covered(native.wavelength, native.good, edges)
    if fwhm > 0:
        sigma = fwhm / FWHM_PER_SIGMA / LOG_STEP_KMS
        binned, share = (gaussian_filter1d(a, sigma, mode="nearest") for a in (binned, share))
    centre = 0.5 * (edges[1:] + edges[:-1])
    weight = (share > 0.9) & ~((centre > _TELLURIC[0]) & (centre < _TELLURIC[1])) & np.isfinite(binned)
    return OnLog(np.where(weight, np.clip(binned, -0.3, 1.3) - 1, 0.0), weight.astype(float))


@dataclass(frozen=True, eq=False)
class _ArmTools:
    """One arm's templates ready for products: t - 1 and its square (k, m) float32 of all, conjugate FFTs of those sought with."""

    size: int
    depth: NDArray
    square: NDArray
    sharp_fft: NDArray
    sharp_square_fft: NDArray
    ones_fft: NDArray


@lru_cache(maxsize=1)
def _search_tools(templates: Templates) -> tuple[_ArmTools, ...]:
    search = np.unique(np.linspace(0, len(templates.labels) - 1, _N_SEARCH).astype(int))
    tools = []
    for flux in templates.log_flux:
        size = fft.next_fast_len(flux.shape[1] + 2 * _PAD, real=True)
        depth = flux - np.float32(1)
        t = sharp(depth[search].astype(float), np.ones(flux.shape[1]))
        ffts = [np.conj(fft.rfft(x.astype(np.float32), size, axis=-1)) for x in (t, t**2, np.ones(flux.shape[1]))]
        tools.append(_ArmTools(size, depth, depth**2, *ffts))
    return tuple(tools)


def _correlate(arms: list[OnLog], tools: tuple[_ArmTools, ...], present: list[bool]) -> NDArray:
    """Normalised correlation (k, lags) of one masked spectrum with the templates sought with, both arms together, by FFT."""
    sums = np.zeros((3, len(tools[0].sharp_fft), 2 * _PAD + 1))
    for arm, tool, here in zip(arms, tools, present, strict=True):
        if not here:
            continue
        d = sharp(arm.flux, arm.weight)
        signals = np.stack([arm.weight, d, d**2]).astype(np.float32)
        w, f, f2 = fft.rfft(signals, tool.size, axis=-1)

        def lags_of(product: NDArray, size: int = tool.size) -> NDArray:
            return fft.irfft(product, size, axis=-1)[..., : 2 * _PAD + 1].astype(float)

        n = np.maximum(lags_of(w * tool.ones_fft), 1.0)
        sum_d, sum_dd = lags_of(f * tool.ones_fft), lags_of(f2 * tool.ones_fft)
        sum_t, sum_tt = lags_of(w * tool.sharp_fft), lags_of(w * tool.sharp_square_fft)
        sum_dt = lags_of(f * tool.sharp_fft)
        enough = n > 0.3 * n.max()
        sums[0] += np.where(enough, sum_dt - sum_d * sum_t / n, 0.0)
        sums[1] += np.where(enough, sum_dd - sum_d**2 / n, 0.0)
        sums[2] += np.where(enough, sum_tt - sum_t**2 / n, 0.0)
    return np.where((sums[1] > 0) & (sums[2] > 0), sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12)), 0.0)


def sharp(flux: NDArray, weight: NDArray) -> NDArray:
    """Flux (..., m) without what varies over more than some 200 km/s (wings of Halpha, ripples of the continuum)."""
    return weight * (flux - _wide_mean(flux * weight) / np.maximum(_wide_mean(weight), 0.05))


def _wide_mean(values: NDArray) -> NDArray:
    """Gaussian means (..., m) over some 200 km/s, end values continued; so wide a kernel is faster by FFT."""
    reach = (_WIDE_KERNEL.size - 1) // 2
    wide = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(reach, reach)], mode="edge")
    size = fft.next_fast_len(wide.shape[-1], real=True)
    product = fft.rfft(wide, size, axis=-1) * fft.rfft(_WIDE_KERNEL, size)
    return fft.irfft(product, size, axis=-1)[..., 2 * reach : wide.shape[-1]]


def _scores(
    stars: list[list[OnLog]], tools: tuple[_ArmTools, ...], lags: list[NDArray], present: list[list[bool]]
) -> NDArray:
    """The same correlation (stars, k, lags a star) for all templates at a few lags of each star, by products of matrices."""
    n_lags = len(lags[0])
    sums = np.zeros((3, len(tools[0].depth), len(stars), n_lags))
    for a, tool in enumerate(tools):
        here = [i for i in range(len(stars)) if present[i][a]]
        if not here:
            continue
        m = tool.depth.shape[1]
        d, w = (np.empty((len(here), n_lags, m), np.float32) for _ in range(2))
        for row, i in enumerate(here):
            d[row] = sliding_window_view(stars[i][a].flux, m)[lags[i]]
            w[row] = sliding_window_view(stars[i][a].weight, m)[lags[i]]
        d, w = d.reshape(-1, m).T, w.reshape(-1, m).T  # type: ignore[assignment]
        n, sum_t = np.maximum(w.sum(0), 1.0), tool.depth @ w
        parts = (
            tool.depth @ d - d.sum(0) * sum_t / n,
            np.broadcast_to((d**2).sum(0) - d.sum(0) ** 2 / n, sum_t.shape),
            tool.square @ w - sum_t**2 / n,
        )
        for total, part in zip(sums, parts, strict=True):
            total[:, here] += part.reshape(len(part), len(here), n_lags)
    return (sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12))).transpose(1, 0, 2)


def _refine(arm: OnLog, template: NDArray, start_kms: float) -> tuple[float, float]:
    """Velocity and error [km/s] of one arm by Gauss-Newton on data = a t(v) + b + c x, from the correlation's peak.

    The error takes the residuals' scatter and counts one independent pixel in seven (the width of the instrument).
    """
    n = template.size
    cubic = CubicSpline(np.arange(n, dtype=float), template.astype(float) - 1).c
    shift = start_kms / LOG_STEP_KMS
    error = float("nan")
    for _ in range(6):
        first = _PAD + round(shift)
        part = slice(max(first, 0), min(first + n, arm.flux.size))
        x = np.arange(part.start, part.stop) - _PAD - shift
        w = arm.weight[part] * ((x > 2) & (x < n - 3))
        if w.sum() < 300:
            return float("nan"), float("nan")
        model, slope = _on_shifted(cubic, x)
        ramp = 2 * x / n - 1
        columns = np.stack([-slope, model, np.ones(x.size), ramp], 1)
        normal = columns.T @ (columns * w[:, None])
        try:
            inverse = np.linalg.inv(normal)
        except np.linalg.LinAlgError:
            return float("nan"), float("nan")
        answer = inverse @ (columns.T @ (arm.flux[part] * w))
        if answer[1] < 0.02:
            return float("nan"), float("nan")
        residual = arm.flux[part] - columns @ answer
        robust = w * (np.abs(residual) < 4 * np.sqrt((w * residual**2).sum() / w.sum()))
        scatter = np.sqrt((robust * residual**2).sum() / max(robust.sum() - 4, 1))
        change = float(np.clip(answer[0] / answer[1], -2, 2))
        error = float(np.sqrt(inverse[0, 0] * _CORRELATED_PIXELS) * scatter / answer[1]) * LOG_STEP_KMS
        shift += change
        if abs(change) < 1e-4:
            break
    if abs(shift - start_kms / LOG_STEP_KMS) > 10:
        return float("nan"), float("nan")
    return float(SPEED_OF_LIGHT_KMS * np.expm1(shift * np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS))), error


def _on_shifted(cubic: NDArray, x: NDArray) -> tuple[NDArray, NDArray]:
    """Value and slope of a spline over unit knots, coefficients (4, n - 1), at points x (m,) one knot apart from each other."""
    knot = int(np.floor(x[0]))
    f = float(x[0] - knot)
    c3, c2, c1, c0 = cubic[:, np.clip(np.arange(knot, knot + x.size), 0, cubic.shape[1] - 1)]
    return ((c3 * f + c2) * f + c1) * f + c0, (3 * c3 * f + 2 * c2) * f + c1


def shift_to_rest(wavelength: NDArray, kms: float) -> NDArray:
    """Rest wavelengths of light received at `wavelength` from a source receding with `kms`."""
    return wavelength / (1 + kms / SPEED_OF_LIGHT_KMS)
