"""From a file's spectrum to what the 4MOST high-resolution spectrograph would have seen: the whole chain, each step in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..forward_model.model_error import ModelError, shipped_model_error
from ..instrument import WAVELENGTH, arm_slices
from ..overrides import NOTHING_GIVEN, ContinuumChoice, Overrides
from ..stages import FluxVector, Medium, Snapshot, Spectrum
from .companion import find_companion
from .continuum import fit_continuum
from .coverage import coverage_flags, require_overlap, require_pixels
from .defects import without_noise, without_spikes
from .ledger import Ledger, as_in_the_file, once_divided
from .line_width import settle_power
from .medium import joined, settle_medium
from .native import Window, native_power, windows_of
from .normalise import normalise
from .resample import degrade_step, remainder_fwhm, to_instrument
from .snr import degraded, measure_snr, settle_snr
from .telluric import find_telluric, without_masked
from .templates import Templates
from .velocity import settle_velocity, shift_to_rest


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


Wanted = WantedVelocity | WantedContinuum
Preparation = Generator[Wanted, Any, FluxVector]


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
    return follow(course, lambda wanted: computed(wanted, templates))


def follow(course: Preparation, answer_to: Callable[[Wanted], Any]) -> FluxVector:
    """The flux vector at the end of a preparation, each of whose wants `answer_to` answers."""
    answer: Any = None
    while True:
        try:
            wanted = course.send(answer)
        except StopIteration as done:
            vector: FluxVector = done.value
            return vector
        answer = answer_to(wanted)


def computed(wanted: Wanted, templates: Templates) -> Any:
    """The answer to what one preparation wants."""
    if isinstance(wanted, WantedVelocity):
        return settle_medium(wanted.spectrum, wanted.windows, wanted.power, templates, wanted.medium)
    return fit_continuum(wanted.flux[None].astype(np.float32), wanted.good[None], templates.flux)[0]


def preparation(
    spectrum: Spectrum, templates: Templates, overrides: Overrides, model_error: ModelError | None
) -> Preparation:
    """The course of `prepare`: yields what is wanted, is sent the answer, and returns the flux vector.

    So that whoever prepares hundreds can answer them all at once.
    """
    ledger = Ledger(list(spectrum.steps))
    require_overlap(spectrum)
    power = _power_to_begin_with(spectrum, overrides, ledger)
    windows = _starlight(spectrum, overrides, ledger)

    medium, velocity, steps = yield WantedVelocity(spectrum, windows, power, overrides.medium)
    guessed = spectrum.medium is Medium.UNKNOWN and overrides.medium is None
    ledger.note(steps, {"medium_guessed"} if guessed else ())
    kms, kms_error, steps, flags = settle_velocity(velocity, overrides.velocity)
    ledger.note(steps, flags)

    wavelength, flux, error, good = joined(windows, medium)
    at_rest = shift_to_rest(wavelength, kms)
    telluric = find_telluric(wavelength, flux, good)
    if overrides.resolving_power is None:
        power, steps = settle_power(spectrum, power, telluric, velocity, (wavelength, flux, good), templates)
        ledger.note(steps)
    ledger.note(*find_companion(wavelength, flux, good, power, velocity, templates).settled())
    snr, steps, flags = settle_snr(measure_snr(at_rest, flux, error, good, power), overrides.snr, spectrum)
    ledger.note(steps, flags)

    flux, good = to_instrument(at_rest, flux, good, power)
    ledger.note([degrade_step(power, good)])
    wrong = (model_error or shipped_model_error()).masked
    good, steps = without_masked(good, wrong, kms, telluric, overrides.masked)
    require_pixels(good, spectrum)
    ledger.note(steps, coverage_flags(good))

    fitted = (yield WantedContinuum(flux, good)) if overrides.continuum is ContinuumChoice.FIT else None
    continuum, steps, flags = normalise(flux, good, templates, velocity.template, fitted)
    ledger.note(steps, flags)
    ledger.snapshots.append(Snapshot("degrade and rebin", "air, at rest", WAVELENGTH, flux, good, continuum))
    flux = flux / continuum
    if overrides.degrade_to_snr is not None:
        flux, snr, step = degraded(flux, snr, remainder_fwhm(power), overrides.degrade_to_snr, overrides.noise_seed)
        ledger.note([step])
    return FluxVector(
        flux=flux,
        good=good,
        continuum=continuum,
        snr=tuple(s if good[p].any() else float("nan") for s, p in zip(snr, arm_slices(), strict=True)),
        rv_kms=kms,
        rv_error_kms=kms_error,
        native_resolving_power=power,
        noise_fwhm_kms=remainder_fwhm(power),
        star=spectrum.star,
        file=spectrum.file,
        sha256=spectrum.sha256,
        steps=tuple(ledger.steps),
        flags=tuple(sorted(ledger.flags)),
        snapshots=tuple(ledger.snapshots),
    )


def _power_to_begin_with(spectrum: Spectrum, overrides: Overrides, ledger: Ledger) -> float:
    """Native resolving power as far as the file or its sampling tells; one that is too low is refused."""
    power, step = native_power(spectrum, overrides.resolving_power)
    remainder_fwhm(power)
    ledger.note([step])
    return power


def _starlight(spectrum: Spectrum, overrides: Overrides, ledger: Ledger) -> list[Window]:
    """The native pixels near the arms over their coarse continuum, noise alone and cosmic rays marked as missing."""
    windows, steps = windows_of(spectrum, overrides.continuum)
    ledger.note(steps)
    ledger.snapshots += [as_in_the_file(spectrum, windows), once_divided(windows, steps[-1].name)]
    for without in (without_noise, without_spikes):
        windows, steps = without(windows)
        ledger.note(steps)
    return windows
