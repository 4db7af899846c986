"""What the air of the Earth left in a spectrum: how fast its lines move against the file's wavelengths, how wide and how deep they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ..instrument import SPEED_OF_LIGHT_KMS, WAVELENGTH
from ..stages import Step
from .order import median
from .telluric_lines import OXYGEN, WATER

CLEAR = 8.0
"""Least height of the oxygen lines' correlation, in scatters of what it is at other velocities."""

_MAX_KMS = 450.0
_STEP_KMS = 1.0
_LINE_KMS = 4.0
_LOCAL_ANGSTROM = 2.5  # width of the running median against which a line is deep
_FEWEST_LINES = 0.6  # share of a list of lines that the pixels have to show
_INTRINSIC_KMS = 2.2
"""FWHM of the oxygen lines themselves: pressure, Doppler and saturation."""

_NEAR_KMS = 12.0  # half width of the profile that all oxygen lines share
_DEEPEST_LEFT = 0.02
"""Depth, at the resolving power of some 40 000 that WATER was read off at, below which a line may stay: 1 % at R = 20 000."""

_HALF_WIDTH = 0.3  # Angstrom around a line at R = 20 000
_WATER_CLEAR = 5.0


@dataclass(frozen=True)
class Telluric:
    """Velocity [km/s] of the air in the file's frame, height of its detection in scatters, FWHM [km/s] of the spectrograph
    from the oxygen lines (NaN where unclear), and depth of the water lines as a share of that of humid air (0: not seen)."""

    kms: float
    height: float
    fwhm_kms: float
    water: float

    @property
    def clear(self) -> bool:
        return self.height > CLEAR


NONE_SEEN = Telluric(float("nan"), 0.0, float("nan"), 0.0)


def find_telluric(wavelength: NDArray, flux: NDArray, good: NDArray) -> Telluric:
    """The telluric lines of native pixels (n,), air wavelengths as observed, continuum near 1."""
    lags = np.arange(-_MAX_KMS, _MAX_KMS + _STEP_KMS / 2, _STEP_KMS)
    curve = _depths(wavelength, flux, good, OXYGEN, lags)
    if curve is None:
        return NONE_SEEN
    best = int(curve.argmax())
    height = _height(curve, lags, lags[best])
    if height <= CLEAR or not 0 < best < lags.size - 1:
        return Telluric(float("nan"), height, float("nan"), 0.0)
    a, b, c = curve[best - 1 : best + 2]
    kms = float(lags[best] + _STEP_KMS * 0.5 * (a - c) / (a - 2 * b + c))
    water = _depths(wavelength, flux, good, WATER, np.append(lags, kms))
    share = 0.0
    if water is not None and _height(water, np.append(lags, kms), kms) > _WATER_CLEAR:
        share = max(float(water[-1] - np.median(water)), 0.0)
    return Telluric(kms, height, _width(wavelength, flux, good, kms), share)


def water_pixels(telluric: Telluric, kms: float) -> tuple[NDArray, Step | None]:
    """Pixels (N_PIXELS,) bool that lines of water cover in a star of velocity `kms` brought to rest, and the ledger's entry."""
    masked = np.zeros(WAVELENGTH.size, bool)
    if not telluric.clear:
        return masked, None
    deep = [line for line, depth in WATER if depth * telluric.water > _DEEPEST_LEFT]
    for line in deep:
        place = line * (1 + telluric.kms / SPEED_OF_LIGHT_KMS) / (1 + kms / SPEED_OF_LIGHT_KMS)
        masked |= np.abs(WAVELENGTH - place) < _HALF_WIDTH
    numbers: dict[str, float | str] = {
        "pixels": int(masked.sum()),
        "lines": len(deep),
        "depth_to_humid_air": telluric.water,
        "air_kms": telluric.kms,
        "oxygen_height": telluric.height,
    }
    reason = "telluric water deeper than 1 %, at the velocity of the oxygen lines"
    return masked, Step("mask", reason, numbers)


def _depths(
    wavelength: NDArray, flux: NDArray, good: NDArray, lines: tuple[tuple[float, float], ...], lags: NDArray
) -> NDArray | None:
    """Depth (lags,) at the places of the lines for each velocity of the air, as a share of the depths given; None without data."""
    places, depths = np.array(lines).T
    reach = 1 + _MAX_KMS / SPEED_OF_LIGHT_KMS
    near = (wavelength > places[0] / reach - 3) & (wavelength < places[-1] * reach + 3) & good
    wave = wavelength[near]
    if wave.size < 200:
        return None
    window = 2 * round(0.5 * _LOCAL_ANGSTROM / median(np.diff(wave))) + 1
    depth = np.clip(median_filter(flux[near], window) - flux[near], -0.1, 0.3)
    moved = places * (1 + lags[:, None] / SPEED_OF_LIGHT_KMS)
    nearest = np.abs(wave[np.searchsorted(wave, moved).clip(0, wave.size - 1)] - moved)
    seen = nearest < 0.2
    weight = seen * depths
    at = np.interp(moved, wave, depth)
    enough = seen.mean(1) > _FEWEST_LINES
    return np.where(enough, (at * weight).sum(1) / np.maximum((weight * depths).sum(1), 1e-9), 0.0)


def _height(curve: NDArray, lags: NDArray, kms: float) -> float:
    """Height of a curve (lags,) at a velocity over its middle elsewhere, in scatters."""
    away = curve[np.abs(lags - kms) > 4 * _LINE_KMS]
    middle = median(away)
    scatter = 1.4826 * median(np.abs(away - middle))
    return float((curve[np.abs(lags - kms).argmin()] - middle) / max(scatter, 1e-6))


def _width(wavelength: NDArray, flux: NDArray, good: NDArray, kms: float) -> float:
    """FWHM [km/s] of the spectrograph: that of the median profile of the oxygen lines less their own; NaN where it is unclear."""
    velocity = np.arange(-_NEAR_KMS, _NEAR_KMS + 0.05, 0.25)
    profiles = []
    for line, _ in OXYGEN:
        place = line * (1 + kms / SPEED_OF_LIGHT_KMS) * (1 + velocity / SPEED_OF_LIGHT_KMS)
        inside = good & (wavelength > place[0] - 0.1) & (wavelength < place[-1] + 0.1)
        if inside.sum() > 4 and np.diff(wavelength[inside]).max() < 0.2:
            profiles.append(np.interp(place, wavelength[inside], flux[inside]))
    if len(profiles) < len(OXYGEN) // 2:
        return float("nan")
    profile = np.median([p / np.percentile(p, 85) for p in profiles], axis=0)
    base = float(np.percentile(profile, 75))
    depth = base - profile
    middle = velocity.size // 2 + int(np.argmax(depth[velocity.size // 2 - 8 : velocity.size // 2 + 9])) - 8
    half = 0.5 * depth[middle]
    if half < 0.02:
        return float("nan")
    below = np.flatnonzero(depth < half)
    left, right = below[below < middle], below[below > middle]
    if not left.size or not right.size:
        return float("nan")
    i, j = int(left[-1]), int(right[0])
    first = velocity[i] + 0.25 * (half - depth[i]) / (depth[i + 1] - depth[i])
    last = velocity[j] - 0.25 * (half - depth[j]) / (depth[j - 1] - depth[j])
    return float(np.sqrt(max((last - first) ** 2 - _INTRINSIC_KMS**2, 0.5)))
