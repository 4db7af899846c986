"""From a file's spectrum to what the 4MOST high-resolution spectrograph would have seen: the whole chain, each step in the ledger."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..forward_model.model_error import ModelError, shipped_model_error
from ..instrument import (
    ARMS,
    RESOLVING_POWER,
    SPEED_OF_LIGHT_KMS,
    TELLURIC_OXYGEN,
    WAVELENGTH,
    arm_coverage,
    arm_slices,
)
from ..overrides import NOTHING_GIVEN, ContinuumChoice, Overrides
from ..stages import FluxVector, Medium, Snapshot, Spectrum, Step
from .companion import Companion, find_companion
from .continuum import fit_continuum
from .defects import without_noise, without_spikes
from .line_width import width_in_data
from .medium import joined, settle_medium
from .native import Window, native_power, power_from_lines, power_from_telluric, windows_of
from .noise import degraded, settle_snr
from .normalise import normalise
from .resample import remainder_fwhm, to_instrument
from .snr import measure_snr
from .telluric import Telluric, find_telluric, water_pixels
from .templates import Templates
from .velocity import Velocity, shift_to_rest

PARTIAL_COVERAGE, MISSING_ARM = 0.9, 0.05
_ARMS_DISAGREE_KMS = 1.5


@dataclass(frozen=True, eq=False)
class WantedVelocity:
    """What `preparation` needs to know first: medium and velocity of these windows, answered as `settle_medium` does."""

    spectrum: Spectrum
    windows: list[Window]
    power: float
    medium: Medium | None


@dataclass(frozen=True, eq=False)
class WantedContinuum:
    """What it needs to know then: the continuum of this flux (N_PIXELS,), answered as `fit_continuum` does."""

    flux: NDArray
    good: NDArray


Preparation = Generator[WantedVelocity | WantedContinuum, Any, FluxVector]


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
    course = preparation(spectrum, templates, overrides, model_error)
    answer: Any = None
    while True:
        try:
            wanted = course.send(answer)
        except StopIteration as done:
            vector: FluxVector = done.value
            return vector
        if isinstance(wanted, WantedVelocity):
            answer = settle_medium(wanted.spectrum, wanted.windows, wanted.power, templates, wanted.medium)
        else:
            answer = fit_continuum(wanted.flux[None].astype(np.float32), wanted.good[None], templates.flux)[0]


def preparation(
    spectrum: Spectrum, templates: Templates, overrides: Overrides, model_error: ModelError | None
) -> Preparation:
    """The course of `prepare`: yields what is wanted, is sent the answer, and returns the flux vector.

    So that whoever prepares hundreds can answer them all at once.
    """
    steps, flags = list(spectrum.steps), set[str]()
    _require_overlap(spectrum)
    power, step = native_power(spectrum, overrides.resolving_power)
    remainder_fwhm(power)  # refuses what is too low
    steps.append(step)
    windows, continuum_steps = windows_of(spectrum, overrides.continuum)
    steps += continuum_steps
    snapshots = [_near_arms(spectrum, windows), _divided(windows, continuum_steps[-1])]
    windows, mask_steps = without_noise(windows)
    steps += mask_steps
    windows, mask_steps = without_spikes(windows)
    steps += mask_steps
    medium, velocity, medium_steps = yield WantedVelocity(spectrum, windows, power, overrides.medium)
    steps += medium_steps
    if spectrum.medium is Medium.UNKNOWN and overrides.medium is None:
        flags.add("medium_guessed")
    kms, kms_error, velocity_flags, step = _decide_velocity(velocity, overrides.velocity)
    flags |= velocity_flags
    steps.append(step)
    wavelength, flux, error, good = joined(windows, medium)
    telluric = find_telluric(wavelength, flux, good)
    if overrides.resolving_power is None and (spectrum.resolving_power is None or spectrum.usual_power):
        power, power_steps = _measured_power(spectrum, power, telluric, velocity, (wavelength, flux, good), templates)
        steps += power_steps
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
    good, mask_steps = _masked(good, wrong, kms, telluric, overrides)
    steps += mask_steps
    _require_pixels(good, spectrum)
    flags |= _coverage_flags(good)
    fitted = (yield WantedContinuum(flux, good)) if overrides.continuum is ContinuumChoice.FIT else None
    continuum, poor, step = normalise(flux, good, templates, velocity.template, fitted)
    steps.append(step)
    if poor:
        flags.add("continuum_poor")
    snapshots.append(Snapshot("degrade and rebin", "air, at rest", WAVELENGTH, flux, good, continuum))
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
        snapshots=tuple(snapshots),
    )


def _near_arms(spectrum: Spectrum, windows: list[Window]) -> Snapshot:
    """The file's own pixels near the arms, with the coarse continuum that divides them."""
    near = np.isin(spectrum.wavelength, np.concatenate([w.wavelength for w in windows]))
    level = np.concatenate([w.continuum for w in windows])
    frame = f"{spectrum.medium.value}, as in the file"
    return Snapshot("format", frame, spectrum.wavelength[near], spectrum.flux[near], spectrum.good[near], level)


def _divided(windows: list[Window], step: Step) -> Snapshot:
    wavelength, flux, good = (np.concatenate([getattr(w, n) for w in windows]) for n in ("wavelength", "flux", "good"))
    return Snapshot(step.name, "as in the file", wavelength, flux, good)


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


def _measured_power(
    spectrum: Spectrum,
    assumed: float,
    telluric: Telluric,
    velocity: Velocity,
    pixels: tuple[NDArray, NDArray, NDArray],
    templates: Templates,
) -> tuple[float, list[Step]]:
    """Native resolving power from the telluric lines, else from the star's unless the instrument's usual one is known."""
    if telluric.clear and np.isfinite(telluric.fwhm_kms):
        power, step = power_from_telluric(telluric.fwhm_kms, assumed)
        return power, [step]
    if spectrum.resolving_power is not None or not velocity.credible:
        return assumed, []
    width = width_in_data(*pixels, velocity.kms, velocity.template, templates)
    power, step = power_from_lines(spectrum, assumed, width)
    return power, [step]


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


def _masked(
    good: NDArray, wrong: NDArray, kms: float, telluric: Telluric, overrides: Overrides
) -> tuple[NDArray, list[Step]]:
    """Good pixels (N_PIXELS,) without telluric oxygen, what no model can do and what the user masks, and the ledger's entries."""
    oxygen = _telluric_pixels(kms)
    steps = [Step("mask", "telluric O2 (6275-6320 Angstrom where it was observed)", {"pixels": int(oxygen.sum())})]
    water, step = water_pixels(telluric, kms)
    steps += [] if step is None else [step]
    reason = "the core of Halpha and lines that no model reproduces in stars of known parameters"
    steps.append(Step("mask", reason, {"pixels": int((wrong & good & ~oxygen).sum())}))
    good = good & ~oxygen & ~water & ~wrong
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
