"""The arms of a spectrum in constant steps of velocity, as wide as its templates and 500 km/s beyond: where the two are compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from ..instrument import SPEED_OF_LIGHT_KMS
from .resample import FWHM_PER_SIGMA, covered, rebin, remainder_fwhm, without_gaps
from .templates import LOG_STEP_KMS, Templates

MAX_KMS = 500.0
PAD = int(MAX_KMS / LOG_STEP_KMS) + 10
"""Pixels by which a spectrum reaches beyond its templates on either side."""

_WIDE_PIXELS = 50.0
_WIDE_KERNEL = gaussian_filter1d(np.eye(1, 401, 200)[0], _WIDE_PIXELS, mode="constant")  # to four sigma
_FEWEST_PIXELS = 500
_TELLURIC = (6274.0, 6322.0)


@dataclass(frozen=True, eq=False)
class LogArm:
    """One arm on the templates' log grid widened by 500 km/s: flux - 1 (m,), weight 0/1 (m,)."""

    flux: NDArray
    weight: NDArray

    @cached_property
    def sharp(self) -> NDArray:
        """The flux (m,) without what varies slowly (`sharp`)."""
        return sharp(self.flux, self.weight)

    @cached_property
    def enough(self) -> bool:
        """Whether so many pixels are there that a velocity can be told."""
        return bool(self.weight.sum() > _FEWEST_PIXELS)


@dataclass(frozen=True, eq=False)
class OnLog:
    """All arms of a spectrum, smoothed from the resolving power `power` to 20 000."""

    power: float
    arms: tuple[LogArm, ...]


def to_log(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float, templates: Templates
) -> OnLog:
    """A spectrum (n,) with continuum near 1, wavelengths in air, on the templates' log grid."""
    return to_log_many(wavelength, flux[None], good[None], native_resolving_power, templates)[0]


def to_log_many(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float, templates: Templates
) -> list[OnLog]:
    """The same for spectra (stars, n) on the same wavelengths (n,)."""
    fwhm = remainder_fwhm(native_resolving_power)
    arms = [_on_log(wavelength, flux, good, grid, fwhm) for grid in templates.log_wavelength]
    return [OnLog(native_resolving_power, each) for each in zip(*arms, strict=True)]


def velocity_lags() -> NDArray:
    """Velocity [km/s] of each lag between a widened spectrum and a template, (lags,)."""
    step = np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS)
    return SPEED_OF_LIGHT_KMS * np.expm1(step * (np.arange(2 * PAD + 1) - PAD))


def _on_log(wavelength: NDArray, flux: NDArray, good: NDArray, grid: NDArray, fwhm: float) -> list[LogArm]:
    """One arm of spectra (stars, n) on the template's grid, widened on both sides, at R = 20 000."""
    step = np.exp(np.mean(np.diff(np.log(grid))))
    edges = grid[0] * step ** (np.arange(grid.size + 2 * PAD + 1) - PAD - 0.5)
    near = (wavelength > edges[0]) & (wavelength < edges[-1])
    wavelength, flux, good = wavelength[near], flux[:, near], good[:, near]
    some = good.sum(1) >= 100
    on_log, weight = np.zeros((2, len(flux), edges.size - 1))
    if some.any():
        native = without_gaps(wavelength, flux[some], good[some])
        binned = rebin(native.wavelength, native.flux, edges)
        share = covered(native.wavelength, native.good, edges)
        if fwhm > 0:
            sigma = fwhm / FWHM_PER_SIGMA / LOG_STEP_KMS
            binned, share = (gaussian_filter1d(a, sigma, mode="nearest") for a in (binned, share))
        centre = 0.5 * (edges[1:] + edges[:-1])
        seen = (share > 0.9) & ~((centre > _TELLURIC[0]) & (centre < _TELLURIC[1])) & np.isfinite(binned)
        on_log[some], weight[some] = np.where(seen, np.clip(binned, -0.3, 1.3) - 1, 0.0), seen
    return [LogArm(f, w) for f, w in zip(on_log, weight, strict=True)]


def sharp(flux: NDArray, weight: NDArray) -> NDArray:
    """Flux (..., m) without what varies over more than some 200 km/s (wings of Halpha, ripples of the continuum)."""
    return weight * (flux - wide_mean(flux * weight) / np.maximum(_wide_weight(weight.tobytes(), weight.shape), 0.05))


@lru_cache(maxsize=8)
def _wide_weight(weight: bytes, shape: tuple[int, ...]) -> NDArray:
    """Wide mean of weights, which spectra of one instrument share."""
    return wide_mean(np.frombuffer(weight).reshape(shape))


def wide_mean(values: NDArray) -> NDArray:
    """Gaussian means (..., m) over some 200 km/s, end values continued; so wide a kernel is faster by FFT."""
    reach = (_WIDE_KERNEL.size - 1) // 2
    first, last = (np.repeat(end, reach, axis=-1) for end in (values[..., :1], values[..., -1:]))
    wide = np.concatenate([first, values, last], axis=-1, dtype=np.float32)
    size = fft.next_fast_len(wide.shape[-1], real=True)
    product = fft.rfft(wide, size, axis=-1) * _wide_kernel_fft(size)
    return fft.irfft(product, size, axis=-1)[..., 2 * reach : wide.shape[-1]]


@lru_cache(maxsize=8)
def _wide_kernel_fft(size: int) -> NDArray:
    return fft.rfft(_WIDE_KERNEL.astype(np.float32), size)
