"""A second star in the light: a second peak of the velocity at one place in both arms, once the first star is taken out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..instrument import SPEED_OF_LIGHT_KMS
from ..stages import Step
from ..statistics import robust_sigma
from ..targets import COLUMN
from .correlation import LogArm, to_log, velocity_lags, wide_mean
from .templates import LOG_STEP_KMS, Templates
from .velocity import Velocity

CLEAR = 8.0
"""Least height of the second peak, in scatters of what the first star leaves, for the two arms together."""

MIN_SHARE = 0.08
_NEAREST_KMS = 18.0
_SAME_KMS = 6.0
_LEAST_ARM = 4.0


@dataclass(frozen=True)
class Companion:
    """Highest second peak: velocity [km/s], share of the first star's lines, height in scatters, whether it is clear."""

    kms: float
    share: float
    height: float
    clear: bool

    def settled(self) -> tuple[list[Step], set[str]]:
        """Ledger's entry and the flag of a second star; nothing where none is clear."""
        if not self.clear:
            return [], set()
        numbers: dict[str, float | str] = {"rv_kms": self.kms, "share_of_lines": self.share, "height": self.height}
        reason = "both arms show a second velocity; the answer is that of a blend"
        return [Step("second star", reason, numbers)], {"composite"}


def find_companion(
    wavelength: NDArray,
    flux: NDArray,
    good: NDArray,
    native_resolving_power: float,
    velocity: Velocity,
    templates: Templates,
) -> Companion:
    """Search +-300 km/s around the star's velocity for the lines of a second star of the same template.

    Arrays (n,) as for `measure_velocity`, whose smoothed spectrum is looked at again where the resolving power is the
    same. Peaks within 18 km/s (more where the star rotates) of the first are its own.
    """
    nothing = Companion(float("nan"), 0.0, 0.0, False)
    if not velocity.credible:
        return nothing
    on_log = velocity.on_log
    if native_resolving_power != on_log.power:
        on_log = to_log(wavelength, flux, good, native_resolving_power, templates)
    curves = [
        curve
        for arm, t in zip(on_log.arms, templates.log_flux, strict=True)
        if arm.enough and (curve := _second(arm, t[velocity.template], velocity.kms)) is not None
    ]
    if not curves:
        return nothing
    lags = velocity_lags()
    apart = np.abs(lags - velocity.kms)
    nearest = max(_NEAREST_KMS, 1.8 * float(templates.labels[velocity.template, COLUMN["vbroad"]]))
    allowed = (apart > nearest) & (apart < 300.0) & (np.abs(lags) < 480.0)
    heights = []
    for curve in curves:
        away = curve[allowed]
        heights.append(curve / max(robust_sigma(away), 1e-6))
    together = np.where(allowed, np.sum(heights, axis=0) / np.sqrt(len(heights)), -np.inf)
    best = int(together.argmax())
    near = np.abs(lags - lags[best]) <= _SAME_KMS
    share = float(np.mean([curve[near].max() for curve in curves]))
    everywhere = all(h[near].max() > _LEAST_ARM for h in heights)
    height = float(together[best])
    inner = allowed[max(best - 1, 0) : best + 2].all()  # else it is the wing of the first star's own peak
    return Companion(
        float(lags[best]), share, height, bool(height > CLEAR and share > MIN_SHARE and everywhere and inner)
    )


def _second(arm: LogArm, template: NDArray, kms: float) -> NDArray | None:
    """Amplitude (lags,) of the template in what remains of an arm after the template at `kms`, by least squares at each lag."""
    lags = velocity_lags()
    n, pad = template.size, (arm.flux.size - template.size) // 2
    size = fft.next_fast_len(arm.flux.size, real=True)
    t, conjugate = _sharp_template(template.tobytes(), size)
    shift = pad + _pixels(kms)
    first_inside = max(int(np.floor(shift)) + 1, 0)
    stop = min(int(np.ceil(shift + n - 1)), arm.flux.size)
    knot, share = int(np.floor(first_inside - shift)), float((first_inside - shift) % 1)
    m = max(stop - first_inside, 0)
    inside = np.zeros(arm.flux.size, bool)
    inside[first_inside:stop] = arm.weight[first_inside:stop] > 0
    if inside.sum() < 500:
        return None
    first = np.zeros(arm.flux.size)
    first[first_inside:stop] = (1 - share) * t[knot : knot + m] + share * t[knot + 1 : knot + 1 + m]
    first *= inside
    data = np.where(inside, arm.sharp, 0.0)
    norm = float(first @ first)
    residual = data - first * float(first @ data) / norm
    transformed = fft.rfft(np.stack([residual, first]).astype(np.float32), size)
    transformed *= conjugate
    across, overlap = fft.irfft(transformed, size)[:, : lags.size].astype(float)
    strength = np.maximum(_squares_where(inside, t, lags.size), 1e-9)
    independent = np.maximum(1 - overlap**2 / (norm * strength), 0.2)
    return across / (strength * independent) / max(float(first @ data) / norm, 0.05)


@lru_cache(maxsize=64)
def _sharp_template(template: bytes, size: int) -> tuple[NDArray, NDArray]:
    """Lines (n,) of a template without what varies slowly, and the conjugate of their transform of a size."""
    t = np.frombuffer(template, np.float32).astype(float) - 1
    t = t - wide_mean(t)
    return t, np.conj(fft.rfft(t.astype(np.float32), size))


def _squares_where(inside: NDArray, template: NDArray, n_lags: int) -> NDArray:
    """Sums (lags,) of the squares of a template (n,) that begins at each of the first pixels, where `inside` (m,) is true.

    Differences of the running sum at the ends of each stretch of such pixels: stretches are few.
    """
    running = np.concatenate([[0.0], np.cumsum(template**2)])
    ends = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0))  # first, one after last, first, ...
    place = np.clip(ends - np.arange(n_lags)[:, None], 0, template.size)
    return np.asarray((running[place[:, 1::2]] - running[place[:, ::2]]).sum(1))


def _pixels(kms: float) -> float:
    """Pixels of the log grid for a velocity."""
    return float(np.log1p(kms / SPEED_OF_LIGHT_KMS) / np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS))
