"""Telluric lines in a spectrum: their velocity against the file's wavelengths, their width and depth; masks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from ..instrument import FWHM_PER_SIGMA, SPEED_OF_LIGHT_KMS, TELLURIC_OXYGEN, WAVELENGTH
from ..stages import Step
from ..statistics import median, robust_sigma

CLEAR = 8.0
"""Least height of the oxygen lines' correlation, in scatters of what it is at other velocities."""

_MAX_KMS = 450.0
_POSSIBLE_KMS = 250.0
"""Largest velocity of the air in a file: the Earth's 32 km/s, or the star's own where the file is at its rest."""

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
    from the oxygen lines (NaN where unclear), and depth of the water lines as a share of that of humid air (0: not detected)."""

    kms: float
    height: float
    fwhm_kms: float
    water: float

    @property
    def clear(self) -> bool:
        return self.height > CLEAR


NONE_SEEN = Telluric(float("nan"), 0.0, float("nan"), 0.0)


def find_telluric(wavelength: NDArray, flux: NDArray, good: NDArray) -> Telluric:
    """Telluric lines of native pixels (n,), air wavelengths as observed, continuum near 1."""
    lags = np.arange(-_MAX_KMS, _MAX_KMS + _STEP_KMS / 2, _STEP_KMS)
    curve = _depths(wavelength, flux, good, OXYGEN, lags)
    if curve is None:
        return NONE_SEEN
    best = int(np.where(np.abs(lags) <= _POSSIBLE_KMS, curve, -np.inf).argmax())
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
    shifted = places * (1 + lags[:, None] / SPEED_OF_LIGHT_KMS)
    nearest = np.abs(wave[np.searchsorted(wave, shifted).clip(0, wave.size - 1)] - shifted)
    covered = nearest < 0.2
    weight = covered * depths
    at = np.interp(shifted, wave, depth)
    enough = covered.mean(1) > _FEWEST_LINES
    return np.where(enough, (at * weight).sum(1) / np.maximum((weight * depths).sum(1), 1e-9), 0.0)


AIR_KMS: NDArray = np.arange(-_POSSIBLE_KMS, _POSSIBLE_KMS + 0.5)
"""Velocities of the air [km/s] at which `air_gain` looks."""

_GAIN = 0.25
"""Log likelihood for each squared scatter: half of what pure noise would give, for stellar lines are no noise."""

_STELLAR_SHARE = 0.5  # of a template's depth by which the star's own line may differ from it
_ABSURD_DEPTHS = 4.0  # times those listed
_BLOCK_ANGSTROM = 4.5
_NARROW_KMS = 3.0


def air_gain(wavelength: NDArray, flux: NDArray, good: NDArray, power: float, stellar: NDArray) -> NDArray:
    """Log likelihood (velocities,) that the air moves with each of `AIR_KMS`, over what it would be without telluric lines.

    All pixels (n,) of a file, wavelengths taken as air, at resolving power `power`; `stellar` (n,): depth of the star's
    lines where a template knows them. Oxygen's bands at 6280, 6870 and 7600 Angstrom and water's lines each give a
    matched filter's height in scatters z over all velocities; heights add as z^2 / 4, and depths more than four times
    those listed, or none, count nothing.
    """
    gain = np.zeros(AIR_KMS.size)
    for band in (OXYGEN, OXYGEN_B, OXYGEN_A, _water(blue=True), _water(blue=False)):
        least = 0.03 if band[0] in WATER else 0.15
        found = _matched(wavelength, flux, good, band, power, stellar)
        if found is not None:
            height, share = found
            possible = (share > least) & (share < _ABSURD_DEPTHS)
            gain += np.where(possible, _GAIN * np.clip(height, 0.0, None) ** 2, 0.0)
    return gain


def _water(blue: bool) -> tuple[tuple[float, float], ...]:
    return tuple(line for line in WATER if (line[0] < 6000) == blue)


def _matched(
    wavelength: NDArray,
    flux: NDArray,
    good: NDArray,
    band: tuple[tuple[float, float], ...],
    power: float,
    stellar: NDArray,
) -> tuple[NDArray, NDArray] | None:
    """Height in scatters and depth as a share of that listed, both (velocities,), of a band's lines; None without data."""
    places, depths = np.array(band).T
    reach = 1 + (_POSSIBLE_KMS + 50.0) / SPEED_OF_LIGHT_KMS
    first, last = np.searchsorted(wavelength, [places[0] / reach - 6, places[-1] * reach + 6])
    wave, known = wavelength[first:last], good[first:last] & (flux[first:last] > 0)
    if known.sum() < 200:
        return None
    step = median(np.diff(wave))
    relative = _over_blocks(wave, np.interp(wave, wave[known], flux[first:last][known]))
    window = 2 * round(0.6 * _LOCAL_ANGSTROM / step) + 1
    local = median_filter(relative, window) if depths.max() < 0.5 else 1.0  # where the band leaves a continuum
    depth = np.clip(local - relative, -0.3, 0.5 if depths.max() < 0.5 else 1.0)
    noise = robust_sigma(np.diff(relative), 0.0) / np.sqrt(2.0)
    weight = known / (noise**2 + 0.02**2 + (_STELLAR_SHARE * stellar[first:last]) ** 2)
    fwhm = np.hypot(SPEED_OF_LIGHT_KMS / power, _NARROW_KMS) / SPEED_OF_LIGHT_KMS * float(wave.mean())
    numerator, denominator = (gaussian_filter1d(a, fwhm / FWHM_PER_SIGMA / step) for a in (depth * weight, weight))
    shifted = places * (1 + AIR_KMS[:, None] / SPEED_OF_LIGHT_KMS)
    at = np.searchsorted(wave, shifted - 0.5 * step).clip(0, wave.size - 1)
    seen = (np.abs(wave[at] - shifted) < 2.5 * step) & (denominator[at] > 0.2 * np.median(weight[known]))
    products = (seen * numerator[at] * depths).sum(1)
    squares = (seen * denominator[at] * depths**2).sum(1)
    enough = squares > 0.3 * np.median(squares)
    if enough.sum() < 100:
        return None
    height, share = products / np.sqrt(np.maximum(squares, 1e-9)), products / np.maximum(squares, 1e-9)
    middle = median(height[enough])
    scatter = max(robust_sigma(height[enough], middle), 1e-6)
    return np.where(enough, (height - middle) / scatter, 0.0), np.where(enough, share - median(share[enough]), 0.0)


def _over_blocks(wavelength: NDArray, flux: NDArray) -> NDArray:
    """Flux (n,) over the line through the 80th percentiles of blocks of 4.5 Angstrom."""
    count = max(2, round((wavelength[-1] - wavelength[0]) / _BLOCK_ANGSTROM))
    blocks = np.array_split(np.arange(flux.size), count)
    level = np.array([np.percentile(flux[block], 80) for block in blocks])
    curve = np.interp(wavelength, [wavelength[block].mean() for block in blocks], level)
    return flux / np.where(curve > 0, curve, 1.0)


def _height(curve: NDArray, lags: NDArray, kms: float) -> float:
    """Height of a curve (lags,) at a velocity over its middle elsewhere, in scatters."""
    away = curve[np.abs(lags - kms) > 4 * _LINE_KMS]
    middle = median(away)
    scatter = robust_sigma(away, middle)
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


OXYGEN: tuple[tuple[float, float], ...] = (
    (6287.75, 0.11), (6289.40, 0.13), (6290.22, 0.16), (6292.16, 0.17), (6292.96, 0.20), (6295.18, 0.19), (6295.96, 0.21),
    (6298.46, 0.19), (6299.23, 0.21), (6302.00, 0.17), (6302.76, 0.18), (6305.81, 0.13), (6306.57, 0.14),
    (6309.89, 0.10), (6310.64, 0.11),
)  # fmt: skip
"""Pairs of the gamma band's P branch: wavelength and depth near the zenith. Their blended head is left out."""

OXYGEN_B: tuple[tuple[float, float], ...] = (
    (6883.83, 0.71), (6885.76, 0.75), (6886.75, 0.81), (6888.95, 0.81), (6889.90, 0.85), (6892.37, 0.83), (6893.31, 0.86),
    (6896.04, 0.83), (6896.97, 0.85), (6899.96, 0.81), (6900.87, 0.82), (6904.12, 0.77), (6905.03, 0.78), (6908.54, 0.71),
    (6909.43, 0.72), (6913.20, 0.63), (6914.09, 0.64), (6918.12, 0.53), (6919.01, 0.55), (6923.32, 0.44), (6924.18, 0.46),
)  # fmt: skip
"""The B band's P branch, read off a hot star."""

OXYGEN_A: tuple[tuple[float, float], ...] = (
    (7623.28, 0.93), (7624.50, 0.94), (7627.05, 0.94), (7628.22, 0.96), (7631.02, 0.95), (7632.15, 0.96), (7635.19, 0.95),
    (7636.32, 0.96), (7639.57, 0.94), (7640.69, 0.95), (7644.19, 0.91), (7645.30, 0.92), (7649.03, 0.87), (7650.12, 0.88),
    (7654.08, 0.80), (7655.17, 0.81), (7659.36, 0.72), (7660.44, 0.72), (7664.87, 0.61), (7665.94, 0.62), (7670.60, 0.50),
    (7671.66, 0.49), (7676.56, 0.37), (7677.62, 0.38), (7682.75, 0.26), (7683.80, 0.27), (7689.18, 0.18), (7690.22, 0.16),
)  # fmt: skip
"""The A band's P branch, read off a metal-poor star."""

WATER: tuple[tuple[float, float], ...] = (
    (5409.50, 0.024), (5414.36, 0.031), (5422.96, 0.028), (5435.58, 0.028), (5442.30, 0.020), (5448.10, 0.020),
    (5456.39, 0.029), (5459.42, 0.022), (5462.43, 0.027), (5470.26, 0.026), (5681.76, 0.026), (5683.85, 0.053),
    (5685.43, 0.028), (5687.50, 0.081), (5689.60, 0.039), (5690.43, 0.055), (5692.43, 0.075), (5698.19, 0.057),
    (5698.68, 0.020), (5699.31, 0.053), (5700.73, 0.066), (5714.07, 0.024), (5717.51, 0.044), (5718.95, 0.022),
    (5719.59, 0.060), (5720.52, 0.022), (5721.95, 0.035), (5723.90, 0.031), (5726.88, 0.046), (5729.68, 0.037),
    (6432.95, 0.039), (6434.56, 0.021), (6447.93, 0.038), (6449.60, 0.021), (6454.15, 0.049), (6458.87, 0.100),
    (6459.69, 0.050), (6460.00, 0.032), (6461.86, 0.056), (6463.48, 0.072), (6464.43, 0.101), (6466.25, 0.056),
    (6466.71, 0.045), (6467.59, 0.059), (6467.92, 0.059), (6469.37, 0.068), (6469.65, 0.125), (6470.01, 0.077),
    (6472.50, 0.149), (6473.18, 0.158), (6475.18, 0.238), (6475.82, 0.320), (6477.02, 0.068), (6477.36, 0.050),
    (6479.19, 0.114), (6479.49, 0.068), (6480.07, 0.279), (6483.25, 0.273), (6483.91, 0.157), (6484.67, 0.036),
    (6485.56, 0.074), (6486.79, 0.156), (6488.03, 0.056), (6489.14, 0.105), (6490.80, 0.325), (6492.92, 0.251),
    (6493.24, 0.081), (6494.43, 0.050), (6495.88, 0.308), (6497.59, 0.103), (6503.63, 0.036), (6504.22, 0.074),
    (6507.68, 0.028), (6508.61, 0.144), (6512.02, 0.104), (6512.26, 0.084), (6513.62, 0.036), (6514.30, 0.061),
    (6514.74, 0.311), (6515.86, 0.089), (6516.59, 0.366), (6517.10, 0.134), (6518.03, 0.119), (6519.48, 0.191),
    (6521.94, 0.023), (6522.21, 0.039), (6523.33, 0.033), (6523.85, 0.203), (6525.81, 0.025), (6530.60, 0.058),
    (6532.37, 0.234), (6534.02, 0.116), (6536.73, 0.080), (6542.32, 0.112), (6543.92, 0.324), (6545.79, 0.052),
    (6547.70, 0.136), (6548.63, 0.241), (6552.05, 0.025), (6552.64, 0.266), (6553.79, 0.088), (6557.18, 0.149),
    (6558.14, 0.047), (6560.50, 0.059), (6561.11, 0.031), (6564.20, 0.147), (6568.82, 0.046), (6570.64, 0.021),
    (6572.09, 0.189), (6574.87, 0.281), (6580.80, 0.088), (6583.55, 0.047), (6585.75, 0.025), (6586.53, 0.109),
    (6594.38, 0.052), (6599.32, 0.080), (6605.57, 0.027), (6612.54, 0.034),
)  # fmt: skip
"""Wavelength and depth of the lines deeper than 2 % in humid air, read off hot stars in which no other line lies there."""


def oxygen_pixels(kms: float) -> NDArray:
    """Pixels (N_PIXELS,) bool that telluric oxygen covers once a star of this velocity is brought to rest."""
    low, high = np.array(TELLURIC_OXYGEN) / (1 + kms / SPEED_OF_LIGHT_KMS)
    return (low <= WAVELENGTH) & (high >= WAVELENGTH)


def without_masked(
    good: NDArray, wrong: NDArray, kms: float, telluric: Telluric, regions: tuple[tuple[float, float], ...]
) -> tuple[NDArray, list[Step]]:
    """Good pixels (N_PIXELS,) less telluric lines, less what no model can do (`wrong`) and less the user's regions
    [Angstrom, at rest], and the ledger's entries."""
    oxygen = oxygen_pixels(kms)
    steps = [Step("mask", "telluric O2 (6275-6320 Angstrom where it was observed)", {"pixels": int(oxygen.sum())})]
    water, step = water_pixels(telluric, kms)
    steps += [] if step is None else [step]
    reason = "the core of Halpha and lines that no model reproduces in stars of known parameters"
    steps.append(Step("mask", reason, {"pixels": int((wrong & good & ~oxygen).sum())}))
    good = good & ~oxygen & ~water & ~wrong
    for low, high in regions:
        inside = (low <= WAVELENGTH) & (high >= WAVELENGTH)
        reason = f"{low:g}-{high:g} Angstrom at rest, given by the user"
        steps.append(Step("mask", reason, {"pixels": int((inside & good).sum())}))
        good = good & ~inside
    return good, steps
