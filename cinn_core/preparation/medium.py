"""Air or vacuum, and the velocity in it; the decision between them where a file does not say which, or where its data deny what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..instrument import SPEED_OF_LIGHT_KMS
from ..refraction import air, vacuum
from ..stages import Medium, Spectrum, Step
from .native import Window
from .telluric import AIR_KMS, Telluric, air_gain, find_telluric
from .templates import Templates
from .velocity import Velocity, measure_velocity, shift_to_rest, velocities_in_pieces

DECIDED = 3.5
"""Least difference of the log likelihoods of air and vacuum by which the data decide where a file does not say."""

CONTRADICTED = 5.0
"""The same where a file does say."""

_LOG_AIR_ODDS = float(np.log(9.0))  # files in air for one in vacuum: it breaks ties and decides nothing
_PIECE_KMS, _PIECE_TAILS = 0.2, 4.0
_MOST_FROM_PIECES, _MOST_FROM_VELOCITIES = 4.0, 9.0
_STARS = ((0.7, 30.0), (0.25, 70.0), (0.05, 170.0))
"""Shares and widths [km/s] of the velocities of stars: thin disc, thick disc, halo."""

_EARTH_KMS, _SLIT_KMS = 32.0, 2.0
_AT_REST = 0.2  # files that somebody has brought to the star's rest
_REST = ((0.8, 1.2), (0.2, 5.0))
_FALSE = 0.02  # telluric peaks that are none
_SUSPECT_KMS = (45.0, 125.0)
_SUSPECT_ARMS = 0.25, 2.5  # km/s, and errors of the difference
_SEEN = 6.0  # log likelihood from which a telluric velocity is worth naming


@dataclass(frozen=True)
class Frame:
    """Frame of a file's wavelengths: air or vacuum, the star's velocity there, and the ledger's entries on it.

    guessed: whether the data chose the medium, because the file does not say or because they deny what it says;
    telluric: the telluric lines in this medium where they were looked at.
    """

    medium: Medium
    velocity: Velocity
    steps: tuple[Step, ...] = ()
    guessed: bool = False
    telluric: Telluric | None = None


@dataclass(frozen=True)
class Evidence:
    """Log likelihood of air less that of vacuum: from velocities along the spectrum, and from the size of the star's and
    the air's; telluric: velocity of the air [km/s] with wavelengths taken as air, NaN where it is not seen."""

    pieces: float
    sizes: float
    telluric: float

    @property
    def log_ratio(self) -> float:
        return self.pieces + self.sizes


def joined(windows: Sequence[Window], medium: Medium) -> tuple[NDArray, NDArray, NDArray | None, NDArray]:
    """Windows of a spectrum as one array (n,) each: wavelength in air [Angstrom], flux, error or None, good."""
    errors = [w.error for w in windows]
    error = None if any(e is None for e in errors) else np.concatenate([e for e in errors if e is not None])
    wavelength = air(np.concatenate([w.wavelength for w in windows]), medium)
    flux, good = np.concatenate([w.flux for w in windows]), np.concatenate([w.good for w in windows])
    return wavelength, flux, error, good


def settle_medium(
    spectrum: Spectrum, windows: Sequence[Window], power: float, templates: Templates, given: Medium | None = None
) -> Frame:
    """Frame of a file's wavelengths: the medium given, else told by the file unless the data deny it, else the likelier one."""
    if given is not None:
        entries: dict[str, float | str] = {"medium": given.value, "file": spectrum.medium.value}
        velocity = _velocity(windows, given, power, templates)
        return Frame(given, velocity, (Step("medium", "given by the user", entries),))
    if spectrum.medium is not Medium.UNKNOWN:
        velocity = _velocity(windows, spectrum.medium, power, templates)
        return settle_told(spectrum, windows, power, templates, velocity)
    velocities = {m: _velocity(windows, m, power, templates) for m in (Medium.AIR, Medium.VACUUM)}
    found = weigh_medium(spectrum, power, templates, velocities)
    credible = all(v.credible for v in velocities.values())
    log_ratio = found.log_ratio if credible else 0.0
    decided = abs(log_ratio) > DECIDED
    likelier = Medium.AIR if log_ratio + (0.0 if decided else _LOG_AIR_ODDS) > 0 else Medium.VACUUM
    other = Medium.VACUUM if likelier is Medium.AIR else Medium.AIR
    numbers = _numbers(likelier, decided, found, velocities)
    reason = f"the file does not say; {likelier.value} by the velocities along the spectrum and those of star and air"
    if not decided:
        reason = (
            f"the file does not say air or vacuum and its lines do not tell; taken as {likelier.value}, with the velocity "
            f"{velocities[likelier].kms:.1f} km/s, which is {velocities[other].kms:.1f} km/s if it is {other.value}: 83 km/s off"
        )
    return Frame(likelier, velocities[likelier], (Step("medium", reason, numbers),), guessed=True)


def settle_told(
    spectrum: Spectrum, windows: Sequence[Window], power: float, templates: Templates, velocity: Velocity
) -> Frame:
    """Frame of a file that says its medium, from its velocity in it: the other one where the data deny it beyond doubt.

    The evidence is weighed only where telluric lines lie some 83 km/s from rest, or where the arms differ.
    """
    told = spectrum.medium
    wavelength, flux, _, good = joined(windows, told)
    telluric = find_telluric(wavelength, flux, good)
    if not velocity.credible or not _suspect(velocity, telluric):
        return Frame(told, velocity, telluric=telluric)
    other = Medium.VACUUM if told is Medium.AIR else Medium.AIR
    velocities = {told: velocity, other: _velocity(windows, other, power, templates)}
    found = weigh_medium(spectrum, power, templates, velocities)
    against = -found.log_ratio if told is Medium.AIR else found.log_ratio
    if not velocities[other].credible or against < CONTRADICTED:
        return Frame(told, velocity, telluric=telluric)
    reason = (
        f"the file says {told.value}, and its data deny it: {other.value} by the velocities along the spectrum and those of "
        f"star and air; the velocity would be {velocity.kms:.1f} km/s in {told.value}"
    )
    step = Step("medium", reason, _numbers(other, True, found, velocities) | {"file": told.value})
    return Frame(other, velocities[other], (step,), guessed=True)


def other_reading(steps: Iterable[Step]) -> tuple[Medium, float] | None:
    """Other medium of a file's wavelengths and the velocity in it [km/s], from the ledger; None where the medium is settled."""
    numbers = next((s.numbers for s in steps if s.name == "medium" and s.numbers.get("decided") == "no"), None)
    if numbers is None:
        return None
    other = Medium.VACUUM if numbers["chosen"] == Medium.AIR.value else Medium.AIR
    return other, float(numbers[f"rv_{other.value}"])


def weigh_medium(
    spectrum: Spectrum, power: float, templates: Templates, velocities: dict[Medium, Velocity]
) -> Evidence:
    """Evidence for air against vacuum in all pixels of a file, from the star's velocity in each.

    Refraction's change along the spectrum moves vacuum wavelengths taken for air by 0.75 km/s between 5160 and 6790
    Angstrom. Telluric lines are at rest with the observer, or move with the Earth's velocity towards the star, or, in a
    file brought to the star's rest, with minus its own; all are summed over, and so is that a peak may be none.
    """
    in_air, in_vacuum = velocities[Medium.AIR], velocities[Medium.VACUUM]
    shift = in_air.kms - in_vacuum.kms
    stellar = templates.depth(in_air.template, shift_to_rest(spectrum.wavelength, in_air.kms))
    gain = air_gain(spectrum.wavelength, spectrum.flux, spectrum.good, power, stellar)
    highest = float(gain.max())
    likelihood = np.exp(gain - highest)
    sizes = _log_size(in_air.kms, AIR_KMS, likelihood) - _log_size(in_vacuum.kms, AIR_KMS - shift, likelihood)
    return Evidence(
        pieces=_from_pieces(*velocities_in_pieces(in_air, templates)),
        sizes=float(np.clip(sizes, -_MOST_FROM_VELOCITIES, _MOST_FROM_VELOCITIES)),
        telluric=float(AIR_KMS[gain.argmax()]) if highest > _SEEN else float("nan"),
    )


def _velocity(windows: Sequence[Window], medium: Medium, power: float, templates: Templates) -> Velocity:
    wavelength, flux, _, good = joined(windows, medium)
    return measure_velocity(wavelength, flux, good, power, templates)


def _suspect(velocity: Velocity, telluric: Telluric) -> bool:
    """Whether the air's velocity or the arms' difference [km/s] is such as the wrong medium makes it."""
    difference, error = velocity.arms_difference
    least, errors = _SUSPECT_ARMS
    apart = abs(difference) > max(least, errors * error)
    return apart or (telluric.clear and _SUSPECT_KMS[0] < abs(telluric.kms) < _SUSPECT_KMS[1])


def _numbers(
    chosen: Medium, decided: bool, found: Evidence, velocities: dict[Medium, Velocity]
) -> dict[str, float | str]:
    numbers: dict[str, float | str] = {
        "chosen": chosen.value,
        "decided": "yes" if decided else "no",
        "log_odds_air": found.log_ratio,
        "from_velocities_along": found.pieces,
        "from_star_and_air": found.sizes,
    }
    shift = velocities[Medium.AIR].kms - velocities[Medium.VACUUM].kms
    for medium, velocity in velocities.items():
        numbers |= {
            f"rv_{medium.value}": velocity.kms,
            f"arms_difference_{medium.value}": velocity.arms_difference[0],
            f"peak_{medium.value}": velocity.peak,
            f"telluric_{medium.value}": found.telluric - (0.0 if medium is Medium.AIR else shift),
        }
    return numbers


def _from_pieces(wavelength: NDArray, kms: NDArray, error: NDArray) -> float:
    """Log likelihood of air less that of vacuum from velocities (n,) [km/s] measured piece by piece, wavelengths taken as air.

    Each hypothesis leaves one velocity free; residuals follow Student's distribution with four degrees of freedom, of
    width 0.2 km/s beside the errors: what templates and wavelength scales differ by in real spectra.
    """
    if kms.size < 2:
        return 0.0
    width = np.hypot(error, _PIECE_KMS)
    refraction = SPEED_OF_LIGHT_KMS * (vacuum(wavelength, Medium.AIR) / wavelength - 1)
    logs = []
    for values in (kms, kms - refraction):
        trial = np.median(values) + np.linspace(-2.0, 2.0, 201)
        square = ((values[:, None] - trial) / width[:, None]) ** 2
        logs.append(_log_sum(-0.5 * (_PIECE_TAILS + 1) * np.log1p(square / _PIECE_TAILS).sum(0)))
    return float(np.clip(logs[0] - logs[1], -_MOST_FROM_PIECES, _MOST_FROM_PIECES))


def _log_size(kms: float, air_kms: NDArray, likelihood: NDArray) -> float:
    """Log probability of a star's velocity, and of the air's with its likelihood (velocities,), all [km/s]."""
    slit = 0.5 * _normal(air_kms, _SLIT_KMS)
    earth = np.where(np.abs(air_kms) < _EARTH_KMS, 0.25 / _EARTH_KMS, 0.0)
    observed = (1 - _FALSE) * ((slit + earth) * likelihood).sum() + _FALSE * likelihood.mean()
    moved = (_mixture(air_kms, _STARS, beside=23.0) * likelihood).sum()
    total = (1 - _AT_REST) * _mixture(kms, _STARS) * observed + _AT_REST * _mixture(kms, _REST) * moved
    return float(np.log(total + 1e-300))


def _mixture(kms: float | NDArray, parts: tuple[tuple[float, float], ...], beside: float = 0.0) -> NDArray:
    """Density of a mixture of normals (share, width) about 0, each widened by `beside`, all [km/s]."""
    return np.sum([share * _normal(kms, np.hypot(width, beside)) for share, width in parts], axis=0)


def _normal(kms: float | NDArray, width: float) -> NDArray:
    return np.exp(-0.5 * (np.asarray(kms) / width) ** 2) / (np.sqrt(2 * np.pi) * width)


def _log_sum(values: NDArray) -> float:
    highest = float(values.max())
    return highest + float(np.log(np.exp(values - highest).sum()))
