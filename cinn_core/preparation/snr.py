"""Signal-to-noise ratio per Angstrom of each arm, measured on the file's own pixels before anything smooths them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..instrument import (
    ARMS,
    FWHM_PER_SIGMA,
    MAX_SNR,
    MIN_SNR,
    PIXEL_ANGSTROM,
    SPEED_OF_LIGHT_KMS,
    Arm,
    arm_slices,
    pixel_sigma,
)
from ..stages import Spectrum, Step
from ..statistics import median, median_of_ordered, percentile_of_ordered

LOW = 20.0
_SEGMENT = 256
_LOWEST_LEVEL = 0.3  # of the continuum, that a star's spectrum reaches anywhere
_AGREE = (0.5, 2.0)
"""An error column is believed when it lies within these factors of the noise measured in the pixels."""


@dataclass(frozen=True)
class Snr:
    """S/N per Angstrom of one arm: the value used, the one from the pixels' scatter, the one from the error column, and which was used."""

    value: float
    from_pixels: float
    from_errors: float
    source: str


def measure_snr(
    wavelength: NDArray,
    flux: NDArray,
    error: NDArray | None,
    good: NDArray,
    native_resolving_power: float,
    depth: NDArray | None = None,
) -> tuple[Snr, ...]:
    """S/N per Angstrom of every arm of a spectrum (n,) with continuum near 1, on native pixels; NaN where an arm has no data.

    `depth` (n,) is that of the lines of a star like it: the level that pixels reach, in a cool giant far below the
    continuum, is brought to the continuum by it, as S/N is that of the continuum for the network too.
    """
    line_free = np.ones(wavelength.size) if depth is None else 1 - depth
    return tuple(_arm_snr(wavelength, flux, error, good, native_resolving_power, line_free, arm) for arm in ARMS)


def _arm_snr(
    wavelength: NDArray, flux: NDArray, error: NDArray | None, good: NDArray, power: float, star: NDArray, arm: Arm
) -> Snr:
    """S/N of one arm; star (n,): flux over continuum of a star like this one."""
    near = (wavelength >= arm.low) & (wavelength <= arm.high)
    nan = float("nan")
    if (near & good).sum() < 100:
        return Snr(nan, nan, nan, "no data")
    wave, y, ok, star = wavelength[near], flux[near], good[near], star[near]
    pixels = noise_per_root_angstrom(wave, y, ok, power, star)
    from_pixels = 1 / pixels if pixels > 0 else nan
    from_errors = nan
    if error is not None:
        level = median(y[ok])
        lit = ok & (y > 0.8 * level)
        relative = median(error[near][lit] * star[lit] / np.maximum(y[lit], 1e-9))
        from_errors = 1 / (relative * np.sqrt(median(np.diff(wave))))
    if np.isfinite(from_errors) and (not np.isfinite(from_pixels) or _AGREE[0] < from_errors / from_pixels < _AGREE[1]):
        return Snr(from_errors, from_pixels, from_errors, "error column, which agrees with the scatter of the pixels")
    source = "scatter of the pixels" if error is None else "scatter of the pixels; the error column disagrees with it"
    return Snr(from_pixels, from_pixels, from_errors, source)


def noise_per_root_angstrom(wavelength: NDArray, flux: NDArray, good: NDArray, power: float, star: NDArray) -> float:
    """Noise of a bin of 1 Angstrom over the continuum: root of the power density beyond the frequencies the spectrograph passes.

    A spectrograph of FWHM w passes next to nothing of the star around 1 / w (1 % of its power at 0.8 / w, 0.1 % at
    1 / w); what is there is noise, whose power density a resampling to finer pixels leaves nearly as it is (unlike the
    scatter of neighbouring pixels, which it lowers). Where pixels are too coarse for such frequencies the highest ones
    that they show are taken. Complete segments of 256 pixels, Hann window; the 30th percentile, to shun line-rich ones, over what
    it is for noise alone. A segment's continuum is the level that it reaches over the one that `star` (n,) reaches there.
    """
    step = median(np.diff(wavelength))
    fwhm = median_of_ordered(wavelength) / power
    nyquist = 0.5 / step
    low = min(0.8 / fwhm, 0.8 * nyquist)
    high = min(max(1.05 / fwhm, low + 0.15 * nyquist), 0.97 * nyquist)
    n = _SEGMENT
    if flux.size < n:
        return float("nan")
    y, wave, known, like = (sliding_window_view(a, n)[:: n // 2] for a in (flux, wavelength, good, star))
    complete = known.all(1) & (wave[:, -1] - wave[:, 0] < 1.5 * n * step)
    if not complete.any():
        return _difference_noise(flux[good]) * np.sqrt(step)
    y = y[complete]
    level = (_reached(y) / np.maximum(_reached(like[complete]), _LOWEST_LEVEL))[:, None]
    x = np.linspace(-1, 1, n)
    slope = (y * x).sum(1, keepdims=True) / (x**2).sum()
    window = np.hanning(n)
    spectrum = (
        np.abs(np.fft.rfft((y - y.mean(1, keepdims=True) - slope * x) / np.maximum(level, 1e-9) * window, axis=1)) ** 2
    )
    density = spectrum * step / (window**2).sum()
    frequency = np.fft.rfftfreq(n, step)
    band = (frequency >= low) & (frequency <= high)
    each = density[:, band].mean(1)
    usual = _low_percentile_of_noise(int(band.sum()))
    return float(np.sqrt(percentile_of_ordered(np.sort(each), 30) / usual))


def _reached(flux: NDArray) -> NDArray:
    """Level (segments,) that the pixels of segments (segments, _SEGMENT) reach: the 70th percentile of means of 32 pixels."""
    return percentile_of_ordered(np.sort(flux.reshape(len(flux), -1, 32).mean(-1), axis=1), 70)


def _low_percentile_of_noise(frequencies: int) -> float:
    """30th percentile, over the mean, of the mean power of white noise at some frequencies of a Hann window.

    Powers of neighbours correlate by (2/3)^2 and (1/6)^2, which leaves 1 / 1.94 of them independent; the mean follows a gamma
    distribution, whose percentiles are those of Wilson and Hilferty (1931, PNAS 17, 684).
    """
    ninth = 1.94 / (9 * max(frequencies, 1))
    return float((1 - ninth - 0.5244 * np.sqrt(ninth)) ** 3)


def _difference_noise(flux: NDArray) -> float:
    """Scatter of one pixel from third differences (DER_SNR, Stoehr et al. 2008), relative to the median flux."""
    if flux.size < 10:
        return float("nan")
    noise = 1.482602 / np.sqrt(6.0) * np.median(np.abs(2 * flux[2:-2] - flux[:-4] - flux[4:]))
    return float(noise / max(abs(np.median(flux)), 1e-9))


def settle_snr(
    measured: tuple[Snr, ...], given: float | None, spectrum: Spectrum
) -> tuple[tuple[float, ...], list[Step], set[str]]:
    """S/N per Angstrom of each arm, at most MAX_SNR, with ledger and flags; raises SpectrumError below MIN_SNR."""
    steps = []
    for arm, s in zip(ARMS, measured, strict=True):
        numbers: dict[str, float | str] = {
            "per_angstrom": s.value,
            "from_pixels": s.from_pixels,
            "from_errors": s.from_errors,
        }
        if spectrum.snr_header is not None:
            numbers["header"] = spectrum.snr_header
        steps.append(Step(f"signal to noise, {arm.name}", s.source, numbers))
    values = [s.value for s in measured]
    if given is not None:
        steps.append(Step("signal to noise", "given by the user", {"per_angstrom": given}))
        values = [given for _ in measured]
    known = [v for v in values if np.isfinite(v)]
    if not known:
        raise SpectrumError(
            "The noise of this spectrum cannot be measured (too few complete stretches); give its S/N per Angstrom."
        )
    typical = float(np.median(known))
    if typical < MIN_SNR:
        raise SpectrumError(
            f"This spectrum has S/N {typical:.1f} per Angstrom; below {MIN_SNR:.0f} nothing can be learned from it. Co-add more exposures."
        )
    flags = {"snr_low"} if typical < LOW else set[str]()
    if max(known) > MAX_SNR:
        flags.add("snr_clipped")
        reason = f"clipped to {MAX_SNR:.0f}, the largest the model knows"
        steps.append(Step("signal to noise", reason, {"per_angstrom": max(known)}))
    return tuple(min(v, MAX_SNR) if np.isfinite(v) else v for v in values), steps, flags


def noise_left(snr: float, fwhm_kms: float, angstrom: float) -> float:
    """Noise of a 0.1 Angstrom pixel near a wavelength once white noise of this S/N per Angstrom was smoothed by a Gaussian.

    A Gaussian much wider than the pixel leaves it white noise's variance per Angstrom over 2 sqrt(pi) sigma; a narrow one
    next to all of it.
    """
    sigma = fwhm_kms / FWHM_PER_SIGMA / SPEED_OF_LIGHT_KMS * angstrom
    width = float(np.hypot(2 * np.sqrt(np.pi) * sigma, PIXEL_ANGSTROM))
    return 1 / (snr * np.sqrt(width))


def degraded(
    flux: NDArray, snr: tuple[float, ...], fwhm_kms: float, target: float, seed: int
) -> tuple[NDArray, tuple[float, ...], Step]:
    """Flux (N_PIXELS,) with continuum 1 and white noise added up to a S/N per Angstrom, the S/N of each arm, and the ledger's entry.

    Ksoll et al. (2026), Eq. 1, in each 0.1 Angstrom pixel; what noise the smoothing left there counts as part of it. An
    arm that is noisier already stays as it is.
    """
    random = np.random.default_rng(seed)
    out, numbers, ends = np.array(flux), dict[str, float | str](), []
    for arm, part, before in zip(ARMS, arm_slices(), snr, strict=True):
        normal = random.normal(size=arm.n_pixels)
        if not np.isfinite(before) or before <= target:
            ends.append(before)
            continue
        there = noise_left(before, fwhm_kms, 0.5 * (arm.low + arm.high))
        added = float(np.sqrt(max(pixel_sigma(target) ** 2 - there**2, 0.0)))
        out[part] += added * normal
        numbers |= {f"before_{arm.name}": before, f"sigma_added_{arm.name}": added}
        ends.append(target)
    reason = (
        f"white noise added to a S/N of {target:.0f} per Angstrom"
        if numbers
        else f"the S/N is not above {target:.0f} per Angstrom; nothing is added"
    )
    return out, tuple(ends), Step("degrade S/N", reason, numbers | {"seed": seed})
