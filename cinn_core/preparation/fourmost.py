"""Preparation of a spectrum as the 4MOST high-resolution spectrograph would have taken it: the order of all steps.

`begin` -> `measure_frame` -> `to_rest` -> `fit` -> `finish`; `prepare` composes them for one spectrum, `prepare_many` for
many, whose velocities and continua are measured together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import KielError, SpectrumError
from ..forward_model.model_error import ModelError, shipped_model_error
from ..instrument import ARMS, PIXEL_ANGSTROM, WAVELENGTH, arm_coverage, arm_slices
from ..overrides import NOTHING_GIVEN, ContinuumChoice, Overrides
from ..stages import FluxVector, Medium, Snapshot, Spectrum, Step
from .companion import find_companion
from .continuum import fit_stars
from .correlation import OnLog, to_log_many
from .defects import without_noise, without_spikes
from .line_width import settle_power
from .medium import Frame, joined, settle_medium, settle_told
from .native import Window, native_power, snapshot_divided, snapshot_of_file, windows_of
from .normalise import normalise
from .orders import Continuum, follow_orders
from .resample import degrade_step, remainder_fwhm, to_instrument
from .snr import degraded, measure_snr, settle_snr
from .telluric import find_telluric, oxygen_pixels, without_masked
from .templates import Templates
from .velocity import settle_velocity, shift_to_rest, velocities_on_log

PARTIAL_COVERAGE, MISSING_ARM = 0.9, 0.05
_FEWEST_NATIVE, _FEWEST_PIXELS = 200, 500
_AT_ONCE = 64
_R = TypeVar("_R")


@dataclass(frozen=True)
class Ledger:
    """Steps in their order, flags, and snapshots of the spectrum on its way."""

    steps: tuple[Step, ...]
    flags: frozenset[str] = frozenset()
    snapshots: tuple[Snapshot, ...] = ()

    def noting(self, steps: Iterable[Step], flags: Iterable[str] = (), snapshots: Iterable[Snapshot] = ()) -> Ledger:
        """This ledger with the entries, warnings and snapshots of one more step."""
        return Ledger((*self.steps, *steps), self.flags | set(flags), (*self.snapshots, *snapshots))


@dataclass(frozen=True, eq=False)
class Native:
    """Native pixels near the arms over their coarse continuum, as observed; resolving power as far as the file tells."""

    spectrum: Spectrum
    overrides: Overrides
    windows: tuple[Window, ...]
    power: float
    ledger: Ledger


@dataclass(frozen=True, eq=False)
class AtRest:
    """Flux (N_PIXELS,) at rest in the instrument's pixels, before the continuum is fitted, and good (N_PIXELS,) bool.

    kms, kms_error: velocity taken out [km/s] and its error; template: index of the one that fitted it best; power: native
    resolving power; snr: per Angstrom of each arm.
    """

    spectrum: Spectrum
    overrides: Overrides
    flux: NDArray
    good: NDArray
    kms: float
    kms_error: float
    template: int
    power: float
    snr: tuple[float, ...]
    ledger: Ledger


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
    native = begin(spectrum, overrides)
    at_rest = to_rest(native, measure_frame(native, templates), templates, model_error)
    return finish(at_rest, fit(at_rest, templates), templates)


def begin(spectrum: Spectrum, overrides: Overrides = NOTHING_GIVEN) -> Native:
    """Cut the native pixels near the arms out, divide them by a coarse continuum, and mark noise and cosmic rays as missing.

    Raises SpectrumError where the spectrum covers no arm, has no continuum, or its resolution is too low.
    """
    _require_overlap(spectrum)
    power, step = native_power(spectrum, overrides.resolving_power)
    remainder_fwhm(power)
    ledger = Ledger(spectrum.steps).noting([step])
    windows, steps = windows_of(spectrum, overrides.continuum)
    snapshots = snapshot_of_file(spectrum, windows), snapshot_divided(windows, steps[-1].name)
    ledger = ledger.noting(steps, snapshots=snapshots)
    for without in (without_noise, without_spikes):
        windows, steps = without(windows)
        ledger = ledger.noting(steps)
    return Native(spectrum, overrides, tuple(windows), power, ledger)


def measure_frame(native: Native, templates: Templates) -> Frame:
    """Medium and velocity of one spectrum: what `to_rest` needs, and costs most before the continuum."""
    return settle_medium(native.spectrum, native.windows, native.power, templates, native.overrides.medium)


def to_rest(native: Native, frame: Frame, templates: Templates, model_error: ModelError | None = None) -> AtRest:
    """Bring native pixels to rest, air, R = 20 000 and the instrument's pixels, with S/N, second star and masks on the way.

    Raises SpectrumError where S/N or the pixels left do not suffice.
    """
    spectrum, overrides, power, velocity = native.spectrum, native.overrides, native.power, frame.velocity
    ledger = native.ledger.noting(frame.steps, {"medium_guessed"} if frame.guessed else ())
    kms, kms_error, steps, flags = settle_velocity(velocity, overrides.velocity)
    ledger = ledger.noting(steps, flags)

    wavelength, flux, error, good = joined(native.windows, frame.medium)
    rest_wavelength = shift_to_rest(wavelength, kms)
    telluric = frame.telluric or find_telluric(wavelength, flux, good)
    if overrides.resolving_power is None:
        power, steps, unsure = settle_power(spectrum, power, telluric, velocity, (wavelength, flux, good), templates)
        ledger = ledger.noting(steps, unsure)
    ledger = ledger.noting(*find_companion(wavelength, flux, good, power, velocity, templates).settled())
    depth = templates.depth(velocity.template, rest_wavelength) if velocity.credible else None
    measured = measure_snr(rest_wavelength, flux, error, good, power, depth)
    snr, steps, flags = settle_snr(measured, overrides.snr, spectrum)
    ledger = ledger.noting(steps, flags)

    flux, good = to_instrument(rest_wavelength, flux, good, power)
    ledger = ledger.noting([degrade_step(power, good)])
    wrong = (model_error or shipped_model_error()).masked
    good, steps = without_masked(good, wrong, kms, telluric, overrides.masked)
    _require_pixels(good, spectrum)
    ledger = ledger.noting(steps, coverage_flags(good))
    return AtRest(spectrum, overrides, flux, good, kms, kms_error, velocity.template, power, snr, ledger)


def fit(at_rest: AtRest, templates: Templates) -> Continuum | None:
    """Continuum of one spectrum at rest; None where the flux is to be left as it is."""
    return _fit_many({0: at_rest}, templates)[0] if at_rest.overrides.continuum is ContinuumChoice.FIT else None


def finish(at_rest: AtRest, fitted: Continuum | None, templates: Templates) -> FluxVector:
    """Divide a spectrum at rest by its fitted continuum, or leave it as it is; add noise where that is given."""
    flux, good, snr, overrides = at_rest.flux, at_rest.good, at_rest.snr, at_rest.overrides
    ledger, ripple = at_rest.ledger, None if fitted is None else fitted.ripple
    if ripple is not None:
        good, ledger = good & ~ripple.joined(), ledger.noting([ripple.step()])
    continuum, steps, flags = normalise(
        flux, good, templates, at_rest.template, None if fitted is None else fitted.level
    )
    if ripple is not None and ripple.is_poor:
        flags = flags | {"continuum_poor"}
        if overrides.snr is None:
            snr, step = ripple.limited(snr)
            steps = [*steps, step]
    snapshot = Snapshot("degrade and rebin", "air, at rest", WAVELENGTH, flux, good, continuum)
    ledger = ledger.noting(steps, flags, [snapshot])
    flux = flux / continuum
    noise_fwhm = remainder_fwhm(at_rest.power)
    if overrides.degrade_to_snr is not None:
        flux, snr, step = degraded(flux, snr, noise_fwhm, overrides.degrade_to_snr, overrides.noise_seed)
        ledger = ledger.noting([step])
    return FluxVector(
        flux=flux,
        good=good,
        continuum=continuum,
        snr=tuple(s if good[p].any() else float("nan") for s, p in zip(snr, arm_slices(), strict=True)),
        rv_kms=at_rest.kms,
        rv_error_kms=at_rest.kms_error,
        native_resolving_power=at_rest.power,
        noise_fwhm_kms=noise_fwhm,
        star=at_rest.spectrum.star,
        file=at_rest.spectrum.file,
        sha256=at_rest.spectrum.sha256,
        steps=ledger.steps,
        flags=tuple(sorted(ledger.flags)),
        snapshots=ledger.snapshots,
    )


def prepare_many(
    loaded: Sequence[Spectrum | FluxVector | KielError], templates: Templates
) -> list[FluxVector | KielError]:
    """Bring each spectrum to a flux vector, or tell why it cannot be one; prepared ones and errors pass as they are.

    Velocities of spectra that tell their medium (4MOST level 1 does) and all continua are measured for 64 at once.
    """
    out: list[FluxVector | KielError] = []
    for start in range(0, len(loaded), _AT_ONCE):
        out += _prepare_batch(loaded[start : start + _AT_ONCE], templates)
    return out


def _prepare_batch(
    loaded: Sequence[Spectrum | FluxVector | KielError], templates: Templates
) -> list[FluxVector | KielError]:
    results: dict[int, FluxVector | KielError] = {i: s for i, s in enumerate(loaded) if not isinstance(s, Spectrum)}
    spectra = {i: one for i, one in enumerate(loaded) if isinstance(one, Spectrum)}

    def each(stage: Callable[[int], _R], stars: Iterable[int]) -> dict[int, _R]:
        """Results of one stage by star; a star that it refuses ends with the reason and goes no further."""
        done = {}
        for i in stars:
            try:
                done[i] = stage(i)
            except SpectrumError as problem:
                results[i] = problem
        return done

    native = each(lambda i: begin(spectra[i]), spectra)
    unknown = [i for i, one in native.items() if one.spectrum.medium is Medium.UNKNOWN]
    frames = each(lambda i: measure_frame(native[i], templates), unknown)
    frames |= _measure_frames({i: one for i, one in native.items() if i not in unknown}, templates)
    at_rest = each(lambda i: to_rest(native[i], frames[i], templates), sorted(frames))
    continua = _fit_many(at_rest, templates)
    results |= each(lambda i: finish(at_rest[i], continua[i], templates), at_rest)
    return [results[i] for i in range(len(loaded))]


def _measure_frames(natives: Mapping[int, Native], templates: Templates) -> dict[int, Frame]:
    """Frames of spectra in a known medium by star, all at once; spectra on the same wavelengths are rebinned together."""
    pixels = {i: joined(one.windows, one.spectrum.medium) for i, one in natives.items()}
    grids: defaultdict[tuple[bytes, float], list[int]] = defaultdict(list)
    for i, (wavelength, *_) in pixels.items():
        grids[wavelength.tobytes(), natives[i].power].append(i)
    on_log: dict[int, OnLog] = {}
    for (_, power), same in grids.items():
        flux, good = np.stack([pixels[i][1] for i in same]), np.stack([pixels[i][3] for i in same])
        on_log |= zip(same, to_log_many(pixels[same[0]][0], flux, good, power, templates), strict=True)
    velocities = velocities_on_log(list(on_log.values()), templates) if on_log else []
    return {
        i: settle_told(natives[i].spectrum, natives[i].windows, natives[i].power, templates, v)
        for i, v in zip(on_log, velocities, strict=True)
    }


def _fit_many(stars: Mapping[int, AtRest], templates: Templates) -> dict[int, Continuum]:
    """Continua of spectra at rest by star, all at once; those with a ripple of their orders are fitted further by themselves."""
    if not stars:
        return {}
    flux = np.stack([one.flux for one in stars.values()]).astype(np.float32)
    good = np.stack([one.good for one in stars.values()])
    fits = zip(flux, good, *fit_stars(flux, good, templates.flux), strict=True)
    return {i: follow_orders(*one, templates.flux) for i, one in zip(stars, fits, strict=True)}


def _require_overlap(spectrum: Spectrum) -> None:
    """Raise SpectrumError where no window holds more than 200 good native pixels."""
    wave = spectrum.wavelength[spectrum.good]
    if not any(((wave > arm.low) & (wave < arm.high)).sum() > _FEWEST_NATIVE for arm in ARMS):
        raise SpectrumError(
            f"This spectrum covers {wave[0]:.0f}-{wave[-1]:.0f} Angstrom; the model needs {_windows()}. "
            "Load a spectrum with at least one of them."
        )


def _require_pixels(good: NDArray, spectrum: Spectrum) -> None:
    """Raise SpectrumError where fewer than 500 of the pixels (N_PIXELS,) are good once the star is at rest."""
    if good.sum() < _FEWEST_PIXELS:
        wave = spectrum.wavelength[spectrum.good]
        raise SpectrumError(
            f"At rest only {good.sum() * PIXEL_ANGSTROM:.0f} Angstrom of this spectrum ({wave[0]:.0f}-{wave[-1]:.0f} Angstrom) fall on "
            f"the model's windows ({_windows()}); at least {_FEWEST_PIXELS * PIXEL_ANGSTROM:.0f} are needed."
        )


def coverage_flags(good: NDArray) -> set[str]:
    """Flags of coverage: partial_coverage where an arm lacks a tenth beyond telluric oxygen, missing_arm where it is all but empty."""
    share = arm_coverage(good) / arm_coverage(~oxygen_pixels(0.0))
    flags = {"partial_coverage"} if (share < PARTIAL_COVERAGE).any() else set[str]()
    return flags | ({"missing_arm"} if (share < MISSING_ARM).any() else set())


def _windows() -> str:
    return " and ".join(f"{arm.low:.0f}-{arm.high:.0f}" for arm in ARMS) + " Angstrom"
