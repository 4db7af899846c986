"""Common ground of all readers: the contents of a file, units, missing pixels, errors, and the choice among several spectra."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError, printable
from ..stages import Medium, Step
from .headers import resolving_power, snr_header, star_in_words, star_name
from .media import KnownMedium, medium_of

OPTICAL_ANGSTROM = (2900.0, 26000.0)
"""Wavelengths [Angstrom] taken for plausible when a unit is missing or cannot be right."""

_WAVENUMBER = re.compile(r"wave_? ?num|wvn|cm ?(\^|\*\*)? ?-1|kayser|1/cm", re.IGNORECASE)
_PER_CM = "angstrom_times_wavenumber"
_NO_ERROR = 1e-6  # times the usual error; what is smaller is a damaged one

UNIT_ANGSTROM: dict[str, float] = {
    "angstrom": 1.0, "angstroms": 1.0, "a": 1.0, "aa": 1.0, "ang": 1.0, "0.1nm": 1.0, "10**-10m": 1.0, "1e-10m": 1.0,
    "10^-10m": 1.0, "nm": 10.0, "nanometer": 10.0, "nanometers": 10.0, "nanometre": 10.0, "um": 1e4, "micron": 1e4,
    "microns": 1e4, "micrometer": 1e4, "m": 1e10,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels of a spectrum, all (n,): wavelength [Angstrom], flux in any scale, its error or None, and which are good."""

    wavelength: NDArray
    flux: NDArray
    error: NDArray | None
    good: NDArray


@dataclass(frozen=True, eq=False)
class Contents:
    """Contents of a file as its reader gives them; `read` adds the file's name and hash."""

    pixels: Pixels
    format: str
    medium: Medium
    star: str
    resolving_power: float | None
    usual_power: bool
    snr_header: float | None
    steps: tuple[Step, ...]


def contents_of(
    pixels: Pixels,
    file_format: str,
    headers: list[Any],
    name: str,
    steps: list[Step],
    *,
    error_from: str = "the file's errors",
    medium: KnownMedium | None = None,
    star: str = "",
    remarks: Sequence[str] = (),
) -> Contents:
    """Contents of a file, with errors checked, missing pixels noted, and the header keywords (or the file's name) read.

    `medium` and `star` are what the format itself tells, ahead of the headers; headers come in order of precedence;
    `remarks` are a text's lines of comment.
    """
    error, good, error_steps = usable_error(pixels.error, pixels.good, error_from)
    power, usual, power_steps = resolving_power(headers, name, remarks)
    if any(_PER_CM in step.numbers for step in steps):
        medium = Medium.VACUUM, (Step("medium", "wavenumbers are those of vacuum"),)
    air_or_vacuum, medium_steps = medium or medium_of(headers)
    all_steps = [*steps, *missing_step(~pixels.good, pixels.wavelength), *error_steps, *power_steps, *medium_steps]
    return Contents(
        Pixels(pixels.wavelength, pixels.flux, error, good),
        file_format,
        air_or_vacuum,
        star or star_in_words(remarks) or star_name(headers, name),
        power,
        usual,
        snr_header(headers),
        tuple(all_steps),
    )


def to_angstrom(values: NDArray, unit: str | None, where: str) -> tuple[NDArray, Step]:
    """Wavelengths [Angstrom] from values in a declared unit, or in the only unit that makes them optical.

    A declared unit that puts the values far outside the optical (nm for 4800-6800) is overruled, in the ledger.
    """
    where = "".join(c for c in where if c.isprintable())
    unit = None if unit is None else "".join(c for c in unit if c.isprintable())[:60]
    optical = (values > 1e8 / OPTICAL_ANGSTROM[1]) & (values < 1e8 / OPTICAL_ANGSTROM[0])
    if _WAVENUMBER.search(f"{where} {unit or ''}") and optical.any():
        step = Step(
            "wavelength unit",
            f"{where} holds wavenumbers (cm-1): 1e8 over them are vacuum wavelengths in Angstrom; those of no optical light are left out",
            {_PER_CM: 1e8},
        )
        return 1e8 / np.where(optical, values, np.nan), step
    low, high = (float(v) for v in (np.nanmin(values), np.nanmax(values)))
    declared = re.sub(r"[\s()\[\]]", "", (unit or "").lower())
    factor = UNIT_ANGSTROM.get(declared)
    if factor is not None and _optical(low * factor, high * factor):
        return values * factor, Step("wavelength unit", f"{where} says {unit!s}", {"angstrom_per_unit": factor})
    said = (
        f"{where} gives no usable unit"
        if factor is None
        else f"{where} says {unit}, which would not be an optical spectrum"
    )
    if declared and factor is None:
        said = f'{where} says "{unit}", which is not a unit of wavelength'
    for name, other in (("Angstrom", 1.0), ("nm", 10.0), ("micron", 1e4), ("m", 1e10)):
        if _optical(low * other, high * other):
            reason = f"{said}; values from {low:g} to {high:g} are optical only as {name}"
            return values * other, Step("wavelength unit", reason, {"angstrom_per_unit": other})
    if 3.3 < low < high < 4.45:
        reason = f"{said}; values from {low:g} to {high:g} are optical only as log10 of Angstrom"
        return 10.0**values, Step("wavelength unit", reason)
    if 7.97 < low < high < 10.17:
        reason = f"{said}; values from {low:g} to {high:g} are optical only as the natural logarithm of Angstrom"
        return np.exp(values), Step("wavelength unit", reason)
    if re.search(r"log|ln", f"{where} {unit}", re.IGNORECASE):
        for shown, base, least, most in (("log10", 10.0, 2.4, 3.42), ("the natural logarithm", np.e, 5.6, 7.87)):
            if least < low < high < most:
                reason = f"{said}; values from {low:g} to {high:g} are optical only as {shown} of nm"
                return 10 * base**values, Step("wavelength unit", reason)
    raise SpectrumError(
        f"The wavelengths in {where} run from {low:g} to {high:g}{' ' + unit if unit else ''}, which is not an optical "
        "spectrum in Angstrom, nm or micron; give the file a wavelength axis with its unit."
    )


def _optical(low: float, high: float) -> bool:
    return OPTICAL_ANGSTROM[0] <= low < high <= OPTICAL_ANGSTROM[1]


_SHORTEST_RUN = 10
_AROUND = 20
"""Pixels on each side of a run of equal values that tell whether the spectrum is noisy there."""
_LONG_RUN, _FAR_FROM_CONTINUUM = 100, 0.02


def missing_pixels(flux: NDArray) -> NDArray:
    """Pixels (n,) bool that hold no measurement: NaN, infinite, exactly zero, or in a run of ten or more equal values.

    Such a run is none where its neighbours are as smooth as the spectrum of a model that was rounded, unless it is long and
    lies away from the continuum.
    """
    bad = ~np.isfinite(flux) | (flux == 0)
    same = np.concatenate([[False], np.diff(flux) == 0, [False]])
    starts, ends = np.flatnonzero(~same[:-1] & same[1:]), np.flatnonzero(same[:-1] & ~same[1:])
    long = (ends - starts + 1 >= _SHORTEST_RUN) & ~bad[starts]
    starts, ends = starts[long], ends[long]
    clipped = flux[starts] == 1.0  # models reach their continuum to the last bit, or are cut there
    gap = ~((_rounded(flux) | clipped) & _of_a_model(flux, starts, ends))
    edges = np.zeros(flux.size + 1, int)
    np.add.at(edges, starts[gap], 1)
    np.add.at(edges, ends[gap] + 1, -1)
    return bad | (np.cumsum(edges[:-1]) > 0)


def _rounded(flux: NDArray) -> bool:
    """Whether all fluxes (n,) are decimal numbers of eight places at most."""
    known = flux[np.isfinite(flux)]
    single = np.finfo(np.float32).eps * np.abs(known)  # a file may have kept them in 32 bits
    return any(np.all(np.abs(known - np.round(known, d)) <= np.minimum(single, 0.05 * 10.0**-d)) for d in range(1, 9))


def _of_a_model(flux: NDArray, starts: NDArray, ends: NDArray) -> NDArray:
    """Whether each run of equal values (runs,) bool lies in a rounded spectrum without noise, and near its continuum."""
    if not starts.size:
        return np.zeros(0, bool)
    known = np.where(np.isfinite(flux), flux, 0.0)
    step = np.abs(np.diff(known))
    rounding = float(step[step > 0].min(initial=np.inf))
    if np.all(flux[starts] == 1.0):
        rounding = max(rounding, 1 - float(known[known < 1].max(initial=0.0)))
    turns, moves, gentle = np.zeros(starts.size), np.zeros(starts.size), np.ones(starts.size, bool)
    for first, sign in ((starts, -1), (ends, 1)):
        at = np.clip(first[:, None] + sign * np.arange(_AROUND + 1), 0, flux.size - 1)
        change = np.diff(known[at], axis=1)
        leaving, next_one = change[:, 0], change[:, 1]
        grows = (leaving * next_one > 0) & (np.abs(leaving) <= np.abs(next_one))
        gentle &= grows | (np.abs(leaving) <= 3 * rounding)
        way = np.where(np.abs(change) > 2.5 * rounding, np.sign(change), 0.0)
        turns += (way[:, 1:] * way[:, :-1] < 0).sum(axis=1)
        moves += (way != 0).sum(axis=1)
    smooth = gentle & (turns <= 0.45 * moves)
    top = float(np.percentile(flux[np.isfinite(flux)], 95))
    away = (ends - starts > _LONG_RUN) & (np.abs(flux[starts] - top) > _FAR_FROM_CONTINUUM * abs(top))
    return smooth & ~away


def missing_step(bad: NDArray, wavelength: NDArray) -> tuple[Step, ...]:
    """Ledger's entry on missing pixels, with the widest gap inside the spectrum; nothing where all are present."""
    present = np.flatnonzero(~bad)
    if not bad.any() or present.size == 0:
        return ()
    jump = np.diff(present)
    widest = int(np.argmax(jump)) if jump.size else 0
    numbers: dict[str, float | str] = {"pixels": int(bad.sum())}
    if jump.size and jump[widest] > 1:
        first, last = wavelength[present[widest]], wavelength[present[widest + 1]]
        numbers["widest_gap"] = f"{first:.1f}-{last:.1f} Angstrom"
    return (Step("missing pixels", "zeros, constants, NaN or flagged pixels are no measurement", numbers),)


def usable_error(error: NDArray | None, good: NDArray, where: str) -> tuple[NDArray | None, NDArray, tuple[Step, ...]]:
    """Error column (n,) if it holds errors, the mask (n,) without pixels whose error is zero or NaN, and the ledger's entry."""
    if error is None:
        return None, good, ()
    valid = np.isfinite(error) & (error > 0)
    share = float((valid & good).sum() / max(1, good.sum()))
    if share < 0.5:
        reason = f"{where} holds no usable errors (zero or NaN), so it is left out"
        return None, good, (Step("error column", reason, {"valid_fraction": share}),)
    step = Step("error column", f"errors from {where}; zero or NaN means missing", {"valid_fraction": share})
    return error, good & valid, (step,)


def error_of(inverse_variance: NDArray) -> NDArray:
    """Errors (n,) from inverse variances; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(inverse_variance > 0, inverse_variance**-0.5, np.nan)


DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    RuntimeError,
    MemoryError,
    AssertionError,
    UnboundLocalError,
)
"""Exceptions that astropy and h5py raise on damaged files, as fuzzing showed."""


def in_words(problem: BaseException) -> str:
    """Message of a library's exception in one printable line that can stand in a sentence; its class where it has none."""
    plain = printable(str(problem)[:120])
    return " ".join(plain.split()).rstrip(".") or type(problem).__name__


_SAME_RANGE = 0.8
"""Share of a wavelength range beyond which two spectra repeat each other, instead of being orders or arms."""


_NAMED = 4  # choices that an error spells out


@dataclass(frozen=True)
class Naming:
    """Names that a person gives to the arrays of a file: of wavelengths, flux, errors and the order of each pixel."""

    wave: str | None = None
    flux: str | None = None
    error: str | None = None
    order: str | None = None

    def __bool__(self) -> bool:
        return any((self.wave, self.flux, self.error, self.order))


class Unnamed(SpectrumError):
    """A file whose arrays do not tell which is wavelength and flux; `names` are those among which a person can choose."""

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        super().__init__(text)
        self.names = names


@dataclass(frozen=True)
class Choice:
    """One spectrum of a file: the extension (HDF5: group) and row that `read` takes, and what to call it, in printable characters."""

    hdu: int | None
    row: int | None
    label: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", printable(self.label))


def require_choice(choices: tuple[Choice, ...], name: str) -> None:
    """Raise SpectrumError, with a list of the spectra, where there are several and none was chosen."""
    if len(choices) < 2:
        return
    option, values = ("--row", [c.row for c in choices])
    if choices[0].row is None:
        option, values = "--hdu", [c.hdu for c in choices]
    listed = "; ".join(c.label for c in choices[:_NAMED]) + (" and more" if len(choices) > _NAMED else "")
    range_of = f"{values[0]} to {values[-1]}" if len(values) > _NAMED else ", ".join(map(str, values))
    raise SpectrumError(f"{name} holds {len(choices)} spectra ({listed}); choose one with {option} {range_of}.")


def wavelength_range(values: NDArray) -> tuple[float, float]:
    """Least and largest positive finite wavelength of an array (n,), in its own unit; (0, 0) where there is none."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def repeats(ranges: list[tuple[float, float]]) -> bool:
    """Whether any two wavelength ranges are nearly the same: spectra, not orders or arms."""
    low, high = np.array([r for r in ranges if r[1] > r[0]] or [(0.0, 0.0)]).T
    order = np.argsort(low)
    low, high = low[order], high[order]
    for i in range(len(low) - 1):
        shared = np.minimum(high[i + 1 :], high[i]) - low[i + 1 :]
        if np.any(shared > _SAME_RANGE * np.minimum(high[i + 1 :] - low[i + 1 :], high[i] - low[i])):
            return True
    return False


def believed(error: NDArray, good: NDArray) -> NDArray:
    """Errors (n,) that can weigh a pixel: finite, positive, and no million times smaller than is usual among the good ones."""
    positive = np.isfinite(error) & (error > 0)
    usual = error[positive & good]
    return positive & (error > _NO_ERROR * np.median(usual)) if usual.size else positive
