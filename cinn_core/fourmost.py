"""From a file's spectrum to what the 4MOST high-resolution spectrograph would have seen: the whole chain, each step in the ledger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .companion import Companion, find_companion
from .continuum import fit_continuum
from .errors import SpectrumError
from .instrument import (
    ARMS,
    MAX_SNR,
    MIN_SNR,
    RESOLVING_POWER,
    SPEED_OF_LIGHT_KMS,
    TELLURIC_OXYGEN,
    WAVELENGTH,
    arm_coverage,
    arm_slices,
)
from .line_width import width_in_data
from .medium import joined, settle_medium
from .native import native_power, power_from_lines, windows_of, without_noise, without_spikes
from .resample import remainder_fwhm, to_instrument
from .snr import LOW, Snr, measure_snr
from .stages import FluxVector, Medium, Spectrum, Step
from .templates import Templates
from .velocity import Velocity, shift_to_rest

PARTIAL_COVERAGE, MISSING_ARM = 0.9, 0.05
POOR_CONTINUUM = 0.02
_RIPPLE_PIXELS = 100
_ARMS_DISAGREE_KMS = 1.5


def prepare(
    spectrum: Spectrum,
    templates: Templates,
    *,
    snr: float | None = None,
    rv: float | None = None,
    resolving_power: float | None = None,
) -> FluxVector:
    """Bring a spectrum to 4MOST's resolution, pixels, rest frame and continuum.

    snr [per Angstrom], rv [km/s, in the file's frame] and the native resolving_power replace what would be measured.
    Raises SpectrumError where windows, resolution or S/N do not suffice.
    """
    steps, flags = list(spectrum.steps), set[str]()
    _require_overlap(spectrum)
    power, step = native_power(spectrum, resolving_power)
    remainder_fwhm(power)  # refuses what is too low
    steps.append(step)
    windows, continuum_steps = windows_of(spectrum)
    steps += continuum_steps
    windows, mask_steps = without_noise(windows)
    steps += mask_steps
    windows, mask_steps = without_spikes(windows)
    steps += mask_steps
    medium, velocity, medium_steps = settle_medium(spectrum, windows, power, templates)
    steps += medium_steps
    if spectrum.medium is Medium.UNKNOWN:
        flags.add("medium_guessed")
    kms, kms_error, velocity_flags, step = _decide_velocity(velocity, rv)
    flags |= velocity_flags
    steps.append(step)
    wavelength, flux, error, good = joined(windows, medium)
    if resolving_power is None and spectrum.resolving_power is None and velocity.credible:
        width = width_in_data(wavelength, flux, good, velocity.kms, velocity.template, templates)
        power, step = power_from_lines(spectrum, power, width)
        steps.append(step)
    fwhm = remainder_fwhm(power)
    second = find_companion(wavelength, flux, good, power, velocity, templates)
    if second.clear:
        flags.add("composite")
        steps.append(_companion_step(second))
    measured = measure_snr(shift_to_rest(wavelength, kms), flux, error, good, power)
    snr_arms, snr_flags, snr_steps = _decide_snr(measured, snr, spectrum)
    flags |= snr_flags
    steps += snr_steps
    flux, good = to_instrument(shift_to_rest(wavelength, kms), flux, good, power)
    coverage = {f"coverage_{a.name}": float(c) for a, c in zip(ARMS, arm_coverage(good), strict=True)}
    reason = (
        f"Gaussian of FWHM {fwhm:.2f} km/s, the remainder from R = {power:.0f} to {RESOLVING_POWER:.0f}; "
        "then flux-conserving means in 0.1 Angstrom"
        if fwhm > 0
        else f"R = {power:.0f} is 4MOST's already: no smoothing; flux-conserving means in 0.1 Angstrom"
    )
    steps.append(Step("degrade and rebin", reason, {"fwhm_kms": fwhm, **coverage}))
    telluric = _telluric_pixels(kms)
    good = good & ~telluric
    steps.append(
        Step("mask", "telluric O2 (6275-6320 Angstrom where it was observed)", {"pixels": int(telluric.sum())})
    )
    _require_pixels(good, spectrum)
    flags |= _coverage_flags(good)
    continuum = _final_continuum(flux, good, templates)
    ripples = continuum_ripple(flux / continuum, good, templates.flux[velocity.template])
    steps.append(_continuum_step(continuum, ripples))
    if np.nanmax(ripples) > POOR_CONTINUUM:
        flags.add("continuum_poor")
    snr_arms = tuple(s if good[p].any() else float("nan") for s, p in zip(snr_arms, arm_slices(), strict=True))
    return FluxVector(
        flux=flux / continuum,
        good=good,
        continuum=continuum,
        snr=snr_arms,
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


def _decide_snr(
    measured: tuple[Snr, ...], given: float | None, spectrum: Spectrum
) -> tuple[tuple[float, ...], set[str], list[Step]]:
    """S/N per Angstrom of each arm, flags and ledger; raises SpectrumError below 5."""
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
    values = [s.value if given is None or not np.isfinite(s.value) else given for s in measured]
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
        steps.append(
            Step(
                "signal to noise",
                f"clipped to {MAX_SNR:.0f}, the largest the model knows",
                {"per_angstrom": max(known)},
            )
        )
    return tuple(min(v, MAX_SNR) if np.isfinite(v) else v for v in values), flags, steps


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


def _final_continuum(flux: NDArray, good: NDArray, templates: Templates) -> NDArray:
    fitted = fit_continuum(flux[None].astype(np.float32), good[None], templates.flux)[0].astype(float)
    for part in arm_slices():
        seen = fitted[part][good[part]] if good[part].any() else np.ones(1)
        fitted[part] = np.clip(
            fitted[part], max(0.02, 0.8 * seen.min()), 1.25 * max(0.02, seen.max())
        )  # gaps extrapolate
    return fitted


def continuum_ripple(flux: NDArray, good: NDArray, template: NDArray) -> tuple[float, ...]:
    """Scatter (1.48 MAD) over blocks of 10 Angstrom of the upper edge of `flux` (N_PIXELS,) against a template, for each arm.

    Well normalised spectra stay below 1 %; order ripples that six modes cannot follow, or molecular bands that the
    template lacks, reach several. NaN for an arm with fewer than six blocks.
    """
    ripples = []
    for part in arm_slices():
        starts = range(part.start, part.stop - _RIPPLE_PIXELS + 1, _RIPPLE_PIXELS)
        blocks = [np.arange(i, i + _RIPPLE_PIXELS)[good[i : i + _RIPPLE_PIXELS]] for i in starts]
        edges = [
            np.percentile(flux[b], 80) - np.percentile(template[b], 80) for b in blocks if b.size > 0.6 * _RIPPLE_PIXELS
        ]
        known = len(edges) > 5
        ripples.append(1.4826 * float(np.median(np.abs(np.array(edges) - np.median(edges)))) if known else float("nan"))
    return tuple(ripples)


def _continuum_step(continuum: NDArray, ripples: tuple[float, ...]) -> Step:
    numbers: dict[str, float | str] = {}
    for arm, part, ripple in zip(ARMS, arm_slices(), ripples, strict=True):
        low, high = float(continuum[part].min()), float(continuum[part].max())
        numbers |= {f"least_{arm.name}": low, f"most_{arm.name}": high, f"ripple_{arm.name}": ripple}
    return Step(
        "continuum", "six Legendre modes an arm against the best template, lines it gets wrong weighted down", numbers
    )
