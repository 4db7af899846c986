"""From a file's spectrum to what the 4MOST high-resolution spectrograph would have seen: the whole chain, each step in the ledger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .companion import Companion, find_companion
from .defects import without_noise, without_spikes
from .errors import SpectrumError
from .instrument import (
    ARMS,
    RESOLVING_POWER,
    SPEED_OF_LIGHT_KMS,
    TELLURIC_OXYGEN,
    WAVELENGTH,
    arm_coverage,
    arm_slices,
)
from .line_width import width_in_data
from .medium import joined, settle_medium
from .model_error import ModelError, shipped_model_error
from .native import native_power, power_from_lines, windows_of
from .noise import degraded, settle_snr
from .normalise import normalise
from .overrides import NOTHING_GIVEN, Overrides
from .resample import remainder_fwhm, to_instrument
from .snr import measure_snr
from .stages import FluxVector, Medium, Spectrum, Step
from .templates import Templates
from .velocity import Velocity, shift_to_rest

PARTIAL_COVERAGE, MISSING_ARM = 0.9, 0.05
_ARMS_DISAGREE_KMS = 1.5


def prepare(
    spectrum: Spectrum,
    templates: Templates,
    overrides: Overrides = NOTHING_GIVEN,
    model_error: ModelError | None = None,
) -> FluxVector:
    """Bring a spectrum to 4MOST's resolution, pixels, rest frame and continuum; `overrides` replace what would be measured.

    `model_error` masks what no model can do; without it, the shipped one. Raises SpectrumError where windows,
    resolution or S/N do not suffice.
    """
    steps, flags = list(spectrum.steps), set[str]()
    _require_overlap(spectrum)
    power, step = native_power(spectrum, overrides.resolving_power)
    remainder_fwhm(power)  # refuses what is too low
    steps.append(step)
    windows, continuum_steps = windows_of(spectrum, overrides.continuum)
    steps += continuum_steps
    windows, mask_steps = without_noise(windows)
    steps += mask_steps
    windows, mask_steps = without_spikes(windows)
    steps += mask_steps
    medium, velocity, medium_steps = settle_medium(spectrum, windows, power, templates, overrides.medium)
    steps += medium_steps
    if spectrum.medium is Medium.UNKNOWN and overrides.medium is None:
        flags.add("medium_guessed")
    kms, kms_error, velocity_flags, step = _decide_velocity(velocity, overrides.velocity)
    flags |= velocity_flags
    steps.append(step)
    wavelength, flux, error, good = joined(windows, medium)
    if overrides.resolving_power is None and spectrum.resolving_power is None and velocity.credible:
        width = width_in_data(wavelength, flux, good, velocity.kms, velocity.template, templates)
        power, step = power_from_lines(spectrum, power, width)
        steps.append(step)
    fwhm = remainder_fwhm(power)
    second = find_companion(wavelength, flux, good, power, velocity, templates)
    if second.clear:
        flags.add("composite")
        steps.append(_companion_step(second))
    measured = measure_snr(shift_to_rest(wavelength, kms), flux, error, good, power)
    snr, snr_flags, snr_steps = settle_snr(measured, overrides.snr, spectrum)
    flags |= snr_flags
    steps += snr_steps
    flux, good = to_instrument(shift_to_rest(wavelength, kms), flux, good, power)
    steps.append(_degrade_step(power, fwhm, good))
    wrong = (model_error or shipped_model_error()).masked
    good, mask_steps = _masked(good, wrong, kms, overrides)
    steps += mask_steps
    _require_pixels(good, spectrum)
    flags |= _coverage_flags(good)
    continuum, poor, step = normalise(flux, good, templates, velocity.template, overrides.continuum)
    steps.append(step)
    if poor:
        flags.add("continuum_poor")
    flux = flux / continuum
    if overrides.degrade_to_snr is not None:
        flux, snr, step = degraded(flux, snr, fwhm, overrides.degrade_to_snr, overrides.noise_seed)
        steps.append(step)
    return FluxVector(
        flux=flux,
        good=good,
        continuum=continuum,
        snr=tuple(s if good[p].any() else float("nan") for s, p in zip(snr, arm_slices(), strict=True)),
        rv_kms=kms,
        rv_error_kms=kms_error,
        native_resolving_power=power,
        noise_fwhm_kms=fwhm,
        star=spectrum.star,
        file=spectrum.file,
        sha256=spectrum.sha256,
        steps=tuple(steps),
        flags=tuple(sorted(flags)),
    )


def _require_overlap(spectrum: Spectrum) -> None:
    wave = spectrum.wavelength[spectrum.good]
    if not any(((wave > arm.low) & (wave < arm.high)).sum() > 200 for arm in ARMS):
        raise SpectrumError(
            f"This spectrum covers {wave[0]:.0f}-{wave[-1]:.0f} Angstrom; the model needs {_needed()}. "
            "Load a spectrum with at least one of them."
        )


def _needed() -> str:
    return " and ".join(f"{arm.low:.0f}-{arm.high:.0f}" for arm in ARMS) + " Angstrom"


def _require_pixels(good: NDArray, spectrum: Spectrum) -> None:
    if good.sum() < 500:
        wave = spectrum.wavelength[spectrum.good]
        raise SpectrumError(
            f"At rest only {good.sum() * 0.1:.0f} Angstrom of this spectrum ({wave[0]:.0f}-{wave[-1]:.0f} Angstrom) fall on the model's "
            f"windows ({_needed()}); at least 50 are needed."
        )


def _decide_velocity(velocity: Velocity, given: float | None) -> tuple[float, float, set[str], Step]:
    """Velocity [km/s] and error to use, flags, and the ledger's entry."""
    numbers: dict[str, float | str] = {
        "peak": velocity.peak,
        "contrast": velocity.contrast,
        "template": velocity.template,
    }
    for arm, (kms, error) in zip(ARMS, velocity.arms, strict=True):
        numbers |= {f"rv_{arm.name}": kms, f"rv_error_{arm.name}": error}
    if given is not None:
        return given, 0.0, set(), Step("velocity", "given by the user", {"rv_kms": given, **numbers})
    if not velocity.credible:
        reason = "no credible peak of the cross-correlation with any template; taken as at rest"
        return 0.0, float("nan"), {"rv_uncertain"}, Step("velocity", reason, {"rv_kms": 0.0, **numbers})
    flags = set[str]()
    difference, error = velocity.arms_difference
    if np.isfinite(error) and abs(difference) > max(_ARMS_DISAGREE_KMS, 5 * error):
        flags.add("arms_disagree")
    reason = "cross-correlation with the templates, refined by least squares in each arm"
    return velocity.kms, velocity.error_kms, flags, Step("velocity", reason, {"rv_kms": velocity.kms, **numbers})


def _companion_step(second: Companion) -> Step:
    numbers: dict[str, float | str] = {"rv_kms": second.kms, "share_of_lines": second.share, "height": second.height}
    return Step("second star", "both arms show a second velocity; the answer is that of a blend", numbers)


def _degrade_step(power: float, fwhm: float, good: NDArray) -> Step:
    coverage = {f"coverage_{a.name}": float(c) for a, c in zip(ARMS, arm_coverage(good), strict=True)}
    reason = (
        f"Gaussian of FWHM {fwhm:.2f} km/s, the remainder from R = {power:.0f} to {RESOLVING_POWER:.0f}; "
        "then flux-conserving means in 0.1 Angstrom"
        if fwhm > 0
        else f"R = {power:.0f} is 4MOST's already: no smoothing; flux-conserving means in 0.1 Angstrom"
    )
    return Step("degrade and rebin", reason, {"fwhm_kms": fwhm, **coverage})


def _masked(good: NDArray, wrong: NDArray, kms: float, overrides: Overrides) -> tuple[NDArray, list[Step]]:
    """Good pixels (N_PIXELS,) without telluric oxygen, what no model can do and what the user masks, and the ledger's entries."""
    telluric = _telluric_pixels(kms)
    steps = [Step("mask", "telluric O2 (6275-6320 Angstrom where it was observed)", {"pixels": int(telluric.sum())})]
    reason = "the core of Halpha and lines that no model reproduces in stars of known parameters"
    steps.append(Step("mask", reason, {"pixels": int((wrong & good & ~telluric).sum())}))
    good = good & ~telluric & ~wrong
    for low, high in overrides.masked:
        inside = (low <= WAVELENGTH) & (high >= WAVELENGTH)
        reason = f"{low:g}-{high:g} Angstrom at rest, given by the user"
        steps.append(Step("mask", reason, {"pixels": int((inside & good).sum())}))
        good = good & ~inside
    return good, steps


def _telluric_pixels(kms: float) -> NDArray:
    """Pixels (N_PIXELS,) that telluric oxygen covers once a star of this velocity is brought to rest."""
    low, high = np.array(TELLURIC_OXYGEN) / (1 + kms / SPEED_OF_LIGHT_KMS)
    return (low <= WAVELENGTH) & (high >= WAVELENGTH)


def _coverage_flags(good: NDArray) -> set[str]:
    """partial_coverage where an arm lacks a tenth beyond the telluric mask, missing_arm where next to nothing is there."""
    full = arm_coverage(~_telluric_pixels(0.0))
    share = arm_coverage(good) / full
    flags = {"partial_coverage"} if (share < PARTIAL_COVERAGE).any() else set[str]()
    return flags | ({"missing_arm"} if (share < MISSING_ARM).any() else set())
