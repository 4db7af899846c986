"""From a file's spectrum to what the 4MOST high-resolution spectrograph would have seen: the whole chain, each step in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from numpy.typing import NDArray
from specutils.utils.wcs_utils import air_to_vac, vac_to_air

from .continuum import coarse_continuum, fit_continuum
from .errors import SpectrumError
from .instrument import ARMS, RESOLVING_POWER, SPEED_OF_LIGHT_KMS, WAVELENGTH, arm_coverage, arm_slices
from .resample import AS_IT_IS, remainder_fwhm, to_instrument
from .snr import HIGHEST, LOW, LOWEST, Snr, measure_snr
from .stages import FluxVector, Medium, Spectrum, Step
from .templates import Templates
from .velocity import MAX_KMS, Velocity, measure_velocity, shift_to_rest

TELLURIC_OXYGEN = (6275.0, 6320.0)
"""Telluric O2 in the observer's frame, air Angstrom; never part of a flux vector."""

DEFAULT_RESOLVING_POWER = 80_000.0
PARTIAL_COVERAGE, MISSING_ARM = 0.9, 0.05
_PIXELS_PER_ELEMENT = 3.0
POOR_CONTINUUM = 0.02
_RIPPLE_PIXELS = 100
_STRETCH = 64
_ABSURD = 100.0  # times the continuum: no light of a star
_MARGIN_KMS = MAX_KMS + 150.0
_ARMS_SYSTEMATIC_KMS = 0.12
_ARMS_DISAGREE_KMS = 1.5
_AIR_ODDS = 9.0  # files in air for one in vacuum
_TYPICAL_KMS = 60.0


@dataclass(frozen=True, eq=False)
class _Window:
    """The native pixels near one arm: wavelength (n,), flux with continuum near 1, error or None, good."""

    wavelength: NDArray
    flux: NDArray
    error: NDArray | None
    good: NDArray


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
    power, step = _native_power(spectrum, resolving_power)
    fwhm = remainder_fwhm(power)
    steps.append(step)
    windows, continuum_steps = _windows(spectrum)
    steps += continuum_steps
    windows, mask_steps = _without_noise(windows)
    steps += mask_steps
    windows, mask_steps = _without_spikes(windows)
    steps += mask_steps
    medium, velocity, medium_steps = _settle_medium(spectrum, windows, power, templates)
    steps += medium_steps
    if spectrum.medium is Medium.UNKNOWN:
        flags.add("medium_guessed")
    kms, kms_error, velocity_flags, step = _decide_velocity(velocity, rv)
    flags |= velocity_flags
    steps.append(step)
    wavelength, flux, error, good = _joined(windows, medium)
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
    oxygen = np.array(TELLURIC_OXYGEN) / (1 + kms / SPEED_OF_LIGHT_KMS)
    telluric = (oxygen[0] <= WAVELENGTH) & (oxygen[1] >= WAVELENGTH)
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


def air(wavelength: NDArray, medium: Medium) -> NDArray:
    """Wavelengths [Angstrom] in air (Morton 2000)."""
    if medium is not Medium.VACUUM:
        return wavelength
    return vac_to_air(wavelength * u.AA, method="Morton2000").to_value(u.AA)


def vacuum(wavelength: NDArray, medium: Medium) -> NDArray:
    """Wavelengths [Angstrom] in vacuum (Morton 2000)."""
    if medium is Medium.VACUUM:
        return wavelength
    return air_to_vac(wavelength * u.AA, method="Morton2000").to_value(u.AA)


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


def _native_power(spectrum: Spectrum, given: float | None) -> tuple[float, Step]:
    """Resolving power of the file: given, from the file, or a default from its sampling."""
    if given is not None:
        return given, Step("native resolving power", "given by the user", {"R": given})
    if spectrum.resolving_power is not None:
        return spectrum.resolving_power, Step(
            "native resolving power", "as read from the file", {"R": spectrum.resolving_power}
        )
    wave = spectrum.wavelength
    near = np.concatenate([np.diff(wave[(wave > a.low) & (wave < a.high)]) / (0.5 * (a.low + a.high)) for a in ARMS])
    sampled = 1 / (_PIXELS_PER_ELEMENT * float(np.median(near)))
    power = float(np.clip(sampled, AS_IT_IS, DEFAULT_RESOLVING_POWER))
    reason = (
        f"the file does not tell; assumed {DEFAULT_RESOLVING_POWER:.0f}"
        if power == DEFAULT_RESOLVING_POWER
        else "the file does not tell; assumed three pixels for each element of resolution"
    )
    return power, Step("native resolving power", reason, {"R": power})


def _windows(spectrum: Spectrum) -> tuple[list[_Window], list[Step]]:
    """The native pixels within reach of each arm, divided by their coarse continuum."""
    windows, steps = [], []
    for arm in ARMS:
        low, high = arm.low * (1 - _MARGIN_KMS / SPEED_OF_LIGHT_KMS), arm.high * (1 + _MARGIN_KMS / SPEED_OF_LIGHT_KMS)
        near = (spectrum.wavelength > low) & (spectrum.wavelength < high)
        good = spectrum.good[near]
        if good.sum() < 200:
            continue
        wavelength, flux = spectrum.wavelength[near], spectrum.flux[near]
        continuum, normalised = coarse_continuum(wavelength, flux, good)
        if not np.isfinite(continuum[good]).all() or not (continuum[good] > 0).all():
            continue
        error = None if spectrum.error is None else spectrum.error[near] / continuum
        relative = flux / continuum
        possible = np.abs(relative) < _ABSURD
        good = good & possible
        windows.append(_Window(wavelength, np.where(possible, relative, 0.0), error, good))
        ends = np.interp([arm.low, arm.high], wavelength, continuum)
        reason = (
            "already normalised, left as it is"
            if normalised
            else "divided by a polynomial of degree 5 along the upper envelope"
        )
        steps.append(
            Step(f"coarse continuum, {arm.name}", reason, {"blue_end": float(ends[0]), "red_end": float(ends[1])})
        )
    if not windows:
        raise SpectrumError(
            "The flux in the model's windows is zero or negative throughout; there is no continuum to measure lines against."
        )
    return windows, steps


def _without_noise(windows: list[_Window]) -> tuple[list[_Window], list[Step]]:
    """Mark stretches of 64 pixels whose scatter is five times the usual as bad: ends of orders, dead parts of a detector."""
    out, count = [], 0
    for w in windows:
        n = _STRETCH
        difference = np.full(w.flux.size, np.nan)
        known = w.good[2:-2] & w.good[:-4] & w.good[4:]
        difference[2:-2][known] = np.abs(2 * w.flux[2:-2] - w.flux[:-4] - w.flux[4:])[known]
        cut = difference[: difference.size // n * n].reshape(-1, n)
        seen = np.isfinite(cut).sum(1) >= 10
        if not seen.any():
            out.append(w)
            continue
        scatter = np.zeros(len(cut))
        scatter[seen] = np.nanmedian(cut[seen], axis=1)
        usual = np.median(scatter[seen])
        noisy = np.repeat((scatter > 5 * usual) & (scatter > 0.15), n)
        good = w.good.copy()
        good[: noisy.size] &= ~noisy
        count += int(noisy.sum())
        out.append(_Window(w.wavelength, w.flux, w.error, good))
    if count == 0:
        return windows, []
    return out, [Step("noisy stretches", "pixels with five times the usual scatter are missing", {"pixels": count})]


def _without_spikes(windows: list[_Window]) -> tuple[list[_Window], list[Step]]:
    """Mark positive outliers (cosmic rays) and their neighbours as bad: 8 sigma and 10 % above the continuum."""
    out, count = [], 0
    for w in windows:
        sigma = 1.4826 * float(np.median(np.abs(np.diff(w.flux[w.good])))) / np.sqrt(2)
        spike = w.good & (w.flux > 1 + max(0.10, 8 * sigma))
        local = np.median(w.flux[w.good][w.flux[w.good] > np.median(w.flux[w.good])])
        spike &= w.flux > local + max(0.10, 8 * sigma)
        if spike.mean() > 0.02:  # that is no cosmic ray but a poor continuum
            spike[:] = False
        wide = np.convolve(spike, np.ones(5), "same") > 0
        count += int(spike.sum())
        out.append(_Window(w.wavelength, w.flux, w.error, w.good & ~wide))
    if count == 0:
        return windows, []
    return out, [
        Step(
            "spikes", "pixels 8 sigma and 10 % above the continuum, and two neighbours, are missing", {"pixels": count}
        )
    ]


def _joined(windows: list[_Window], medium: Medium) -> tuple[NDArray, NDArray, NDArray | None, NDArray]:
    """All windows as one array each: wavelength in air, flux, error, good."""
    errors = [w.error for w in windows]
    error = None if any(e is None for e in errors) else np.concatenate([e for e in errors if e is not None])
    wavelength = air(np.concatenate([w.wavelength for w in windows]), medium)
    flux, good = np.concatenate([w.flux for w in windows]), np.concatenate([w.good for w in windows])
    return wavelength, flux, error, good


def _settle_medium(
    spectrum: Spectrum, windows: list[_Window], power: float, templates: Templates
) -> tuple[Medium, Velocity, list[Step]]:
    """Air or vacuum, and the velocity in it; where the file does not say, the medium in which the arms agree better.

    A vacuum spectrum taken for air recedes by 83 km/s, 0.45 km/s more in the green than in the red; the odds weigh this
    difference, the size of the velocity (Cauchy, 60 km/s) and that nine files in ten are in air.
    """

    def velocity_in(medium: Medium) -> Velocity:
        wavelength, flux, _, good = _joined(windows, medium)
        return measure_velocity(wavelength, flux, good, power, templates)

    if spectrum.medium is not Medium.UNKNOWN:
        return spectrum.medium, velocity_in(spectrum.medium), []
    tried = {medium: velocity_in(medium) for medium in (Medium.AIR, Medium.VACUUM)}
    odds = {medium: _log_odds(v) for medium, v in tried.items()}
    log_ratio = odds[Medium.AIR] - odds[Medium.VACUUM] + np.log(_AIR_ODDS)
    chosen = Medium.AIR if log_ratio > 0 or not all(v.credible for v in tried.values()) else Medium.VACUUM
    numbers: dict[str, float | str] = {"log_odds_air": float(log_ratio)}
    for medium, v in tried.items():
        numbers |= {
            f"rv_{medium.value}": v.kms,
            f"arms_difference_{medium.value}": v.arms_difference[0],
            f"peak_{medium.value}": v.peak,
        }
    reason = f"the file does not say; {chosen.value} is likelier from the agreement of the arms and the velocity itself"
    return chosen, tried[chosen], [Step("medium", reason, numbers)]


def _log_odds(velocity: Velocity) -> float:
    """Log likelihood of a velocity and of the difference between its arms, both Cauchy: real files have outliers."""
    difference, error = velocity.arms_difference
    width = float(np.hypot(error, _ARMS_SYSTEMATIC_KMS))
    agreement = float(np.log1p((difference / width) ** 2)) if np.isfinite(width) else 0.0
    return -agreement - float(np.log1p((velocity.kms / _TYPICAL_KMS) ** 2))


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
    if typical < LOWEST:
        raise SpectrumError(
            f"This spectrum has S/N {typical:.1f} per Angstrom; below {LOWEST:.0f} nothing can be learned from it. Co-add more exposures."
        )
    flags = {"snr_low"} if typical < LOW else set[str]()
    if max(known) > HIGHEST:
        flags.add("snr_clipped")
        steps.append(
            Step(
                "signal to noise",
                f"clipped to {HIGHEST:.0f}, the largest the model knows",
                {"per_angstrom": max(known)},
            )
        )
    return tuple(min(v, HIGHEST) if np.isfinite(v) else v for v in values), flags, steps


def _coverage_flags(good: NDArray) -> set[str]:
    """partial_coverage where an arm lacks a tenth beyond the telluric mask, missing_arm where next to nothing is there."""
    telluric = (TELLURIC_OXYGEN[0] <= WAVELENGTH) & (TELLURIC_OXYGEN[1] >= WAVELENGTH)
    full = arm_coverage(~telluric)
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
