"""Native pixels near the arms: their resolving power and their coarse continuum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..instrument import ARMS, SPEED_OF_LIGHT_KMS, Arm
from ..overrides import ContinuumChoice
from ..stages import Snapshot, Spectrum, Step
from .continuum import coarse_continuum
from .correlation import MAX_KMS
from .resample import AS_IT_IS, LOWEST_RESOLVING_POWER

DEFAULT_RESOLVING_POWER = 80_000.0
_PIXELS_PER_ELEMENT, _FEWEST_PIXELS_PER_ELEMENT, _MOST_PIXELS_PER_ELEMENT = 3.0, 2.0, 6.0
_HIGHEST_MEASURED = 150_000.0  # beyond it the lines' own width decides
_MARGIN_KMS = MAX_KMS + 150.0
_NORMALISED = (0.7, 1.4)
_ABSURD = 100.0  # times the continuum: not a star's light


@dataclass(frozen=True, eq=False)
class Window:
    """Native pixels near one arm, all (n,): wavelength [Angstrom], flux over `continuum`, its error or None, good."""

    wavelength: NDArray
    flux: NDArray
    error: NDArray | None
    good: NDArray
    continuum: NDArray


def native_power(spectrum: Spectrum, given: float | None) -> tuple[float, Step]:
    """Resolving power to begin with: given, from the file, or a default from its sampling.

    Raises SpectrumError where the pixels are too wide for R = 18 500 whatever the file says.
    """
    finest = assumed_from_sampling(spectrum, 2.0)
    if finest < LOWEST_RESOLVING_POWER:
        raise SpectrumError(
            f"The pixels of this spectrum are {SPEED_OF_LIGHT_KMS / finest / 2:.1f} km/s wide, so its resolving power is at most "
            f"{finest:.0f}; the model needs {LOWEST_RESOLVING_POWER:.0f}. Load a spectrum of higher resolution."
        )
    if given is not None:
        return given, Step("native resolving power", "given by the user", {"R": given})
    if spectrum.resolving_power is not None:
        source = "usual for the instrument" if spectrum.usual_power else "as read from the file"
        return spectrum.resolving_power, Step("native resolving power", source, {"R": spectrum.resolving_power})
    sampled = assumed_from_sampling(spectrum, _PIXELS_PER_ELEMENT)
    power = float(np.clip(sampled, AS_IT_IS, DEFAULT_RESOLVING_POWER))
    reason = (
        f"the file does not tell; assumed {DEFAULT_RESOLVING_POWER:.0f}"
        if power == DEFAULT_RESOLVING_POWER
        else "the file does not tell; assumed three pixels for each element of resolution"
    )
    return power, Step("native resolving power", reason, {"R": power})


def power_from_telluric(fwhm_kms: float, assumed: float) -> tuple[float, Step]:
    """Resolving power from the width of the telluric oxygen lines [km/s], and the ledger's entry."""
    measured = SPEED_OF_LIGHT_KMS / fwhm_kms
    power = float(np.clip(measured, LOWEST_RESOLVING_POWER, _HIGHEST_MEASURED))
    numbers: dict[str, float | str] = {"R": power, "R_measured": measured, "R_assumed": assumed}
    return power, Step(
        "native resolving power", "the width of the telluric oxygen lines, freed from their own", numbers
    )


def power_from_lines(spectrum: Spectrum, assumed: float, width_kms: float) -> tuple[float, Step]:
    """Assumed resolving power corrected by the FWHM [km/s] that the lines leave to the spectrograph (NaN: unknown).

    Rotation widens lines too, so that the instrument is at least as narrow as they say; and a pipeline hardly ever writes
    fewer than two or more than six pixels an element of resolution.
    """
    most, fewest = (assumed_from_sampling(spectrum, n) for n in (_FEWEST_PIXELS_PER_ELEMENT, _MOST_PIXELS_PER_ELEMENT))
    known = np.isfinite(width_kms)
    measured = SPEED_OF_LIGHT_KMS / width_kms if known else assumed
    power = float(np.clip(measured, max(AS_IT_IS, fewest), max(AS_IT_IS, min(most, _HIGHEST_MEASURED))))
    reason = (
        "the width of the lines against their template, between two and six pixels an element of resolution"
        if known
        else "the lines are too wide or too narrow to tell"
    )
    return power, Step("native resolving power", reason, {"R": power, "R_of_lines": measured, "R_assumed": assumed})


def assumed_from_sampling(spectrum: Spectrum, pixels_per_element: float) -> float:
    """Resolving power for a number of the file's pixels in each element of resolution."""
    wave = spectrum.wavelength
    near = np.concatenate([np.diff(wave[(wave > a.low) & (wave < a.high)]) / (0.5 * (a.low + a.high)) for a in ARMS])
    return 1 / (pixels_per_element * float(np.median(near)))


def windows_of(spectrum: Spectrum, choice: ContinuumChoice) -> tuple[list[Window], list[Step]]:
    """Native pixels within reach of each arm, divided by their coarse continuum, or as they are where `choice` says so.

    Raises SpectrumError where there is no continuum, or where flux to be left as it is does not have it at 1.
    """
    windows, steps = [], []
    for arm in ARMS:
        low, high = arm.low * (1 - _MARGIN_KMS / SPEED_OF_LIGHT_KMS), arm.high * (1 + _MARGIN_KMS / SPEED_OF_LIGHT_KMS)
        near = (spectrum.wavelength > low) & (spectrum.wavelength < high)
        good = spectrum.good[near]
        if good.sum() < 200:
            continue
        wavelength, flux = spectrum.wavelength[near], spectrum.flux[near]
        continuum, normalised = coarse_continuum(wavelength, flux, good)
        if choice is ContinuumChoice.AS_IS:
            _require_normalised(flux[good], arm)
            continuum, normalised = np.ones(flux.size), True
        if not np.isfinite(continuum[good]).all() or not (continuum[good] > 0).all():
            continue
        error = None if spectrum.error is None else spectrum.error[near] / continuum
        relative = flux / continuum
        possible = np.abs(relative) < _ABSURD
        good = good & possible
        windows.append(Window(wavelength, np.where(possible, relative, 0.0), error, good, continuum))
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


def snapshot_of_file(spectrum: Spectrum, windows: Sequence[Window]) -> Snapshot:
    """Snapshot of the file's own pixels near the arms, with the coarse continuum that divides them."""
    ends = [np.searchsorted(spectrum.wavelength, w.wavelength[[0, -1]]) for w in windows]
    near = np.concatenate([np.arange(first, last + 1) for first, last in ends])
    level = np.concatenate([w.continuum for w in windows])
    frame = f"{spectrum.medium.value}, as in the file"
    return Snapshot("format", frame, spectrum.wavelength[near], spectrum.flux[near], spectrum.good[near], level)


def snapshot_divided(windows: Sequence[Window], after: str) -> Snapshot:
    """Snapshot of the native pixels over their coarse continuum, as they stood after the step of that name."""
    wavelength, flux, good = (np.concatenate([getattr(w, n) for w in windows]) for n in ("wavelength", "flux", "good"))
    return Snapshot(after, "as in the file", wavelength, flux, good)


def _require_normalised(flux: NDArray, arm: Arm) -> None:
    level = float(np.percentile(flux, 90))
    if not _NORMALISED[0] < level < _NORMALISED[1]:
        raise SpectrumError(
            f"The flux of the {arm.name} arm lies at {level:.3g}, not at 1; a spectrum whose continuum is to be left as it is has to "
            "be normalised. Let the continuum be fitted."
        )
