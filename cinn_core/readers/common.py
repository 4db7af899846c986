"""Common ground of all readers: the contents of a file, units, missing pixels, and header keywords on instrument and star."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Medium, Step
from .media import KnownMedium, medium_of

OPTICAL_ANGSTROM = (2900.0, 26000.0)
"""Wavelengths [Angstrom] taken for plausible when a unit is missing or cannot be right."""

UNIT_ANGSTROM: dict[str, float] = {
    "angstrom": 1.0, "angstroms": 1.0, "a": 1.0, "aa": 1.0, "ang": 1.0, "0.1nm": 1.0, "10**-10m": 1.0, "1e-10m": 1.0,
    "10^-10m": 1.0, "nm": 10.0, "nanometer": 10.0, "nanometers": 10.0, "nanometre": 10.0, "um": 1e4, "micron": 1e4,
    "microns": 1e4, "micrometer": 1e4, "m": 1e10,
}  # fmt: skip

INSTRUMENTS: tuple[tuple[str, float], ...] = (
    ("harps|harpn", 115_000.0),
    ("espresso", 140_000.0),
    ("sophie.?he", 40_000.0),
    ("sophie", 75_000.0),
    ("narval", 80_000.0),
    ("espadons", 80_000.0),
    ("elodie", 42_000.0),
    ("feros", 48_000.0),
    ("mike.?blue", 35_000.0),
    ("mike", 28_000.0),
    ("fies", 67_000.0),
    ("hires", 60_000.0),
    ("hrs", 65_000.0),
    ("uves", 80_000.0),
    ("giraffe", 20_000.0),
    ("hermes|galah", 28_000.0),
)
"""Instrument names (regular expressions) and their usual resolving power, used where the header gives no number."""

_RESOLUTION_KEYS = ("SPEC_RES", "RESOLUTN", "RESOLUTION", "SPECRES", "RESOLVE", "RESPOW", "RES_POW", "RESOL", "R")
_SNR_KEYS = ("SNR", "S_N", "SN", "SNRATIO", "MEANSNR", "HIERARCH ESO DRS SPE EXT SN50")


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
) -> Contents:
    """Contents of a file, with errors checked, missing pixels noted, and the header keywords (or the file's name) read.

    `medium` and `star` are what the format itself tells, ahead of the headers; headers come in order of precedence.
    """
    error, good, error_steps = usable_error(pixels.error, pixels.good, error_from)
    power, usual, power_steps = resolving_power(headers, name)
    air_or_vacuum, medium_steps = medium or medium_of(headers)
    all_steps = [*steps, *missing_step(~pixels.good, pixels.wavelength), *error_steps, *power_steps, *medium_steps]
    return Contents(
        Pixels(pixels.wavelength, pixels.flux, error, good),
        file_format,
        air_or_vacuum,
        star or star_name(headers, name),
        power,
        usual,
        snr_header(headers),
        tuple(all_steps),
    )


def to_angstrom(values: NDArray, unit: str | None, where: str) -> tuple[NDArray, Step]:
    """Wavelengths [Angstrom] from values in a declared unit, or in the only unit that makes them optical.

    A declared unit that puts the values far outside the optical (nm for 4800-6800) is overruled, in the ledger.
    """
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
    for name, other in (("Angstrom", 1.0), ("nm", 10.0), ("micron", 1e4)):
        if _optical(low * other, high * other):
            reason = f"{said}; values from {low:g} to {high:g} are optical only as {name}"
            return values * other, Step("wavelength unit", reason, {"angstrom_per_unit": other})
    if 3.3 < low < high < 4.45:
        reason = f"{said}; values from {low:g} to {high:g} are optical only as log10 of Angstrom"
        return 10.0**values, Step("wavelength unit", reason)
    raise SpectrumError(
        f"The wavelengths in {where} run from {low:g} to {high:g}{' ' + unit if unit else ''}, which is not an optical "
        "spectrum in Angstrom, nm or micron; give the file a wavelength axis with its unit."
    )


def _optical(low: float, high: float) -> bool:
    return OPTICAL_ANGSTROM[0] <= low < high <= OPTICAL_ANGSTROM[1]


def missing_pixels(flux: NDArray, shortest_run: int = 10) -> NDArray:
    """Pixels (n,) bool that hold no measurement: NaN, infinite, exactly zero, or in a run of identical values."""
    bad = ~np.isfinite(flux) | (flux == 0)
    same = np.concatenate([[False], np.diff(flux) == 0, [False]])
    starts, ends = np.flatnonzero(~same[:-1] & same[1:]), np.flatnonzero(same[:-1] & ~same[1:])
    for start, end in zip(starts, ends, strict=True):
        if end - start + 1 >= shortest_run:
            bad[start : end + 1] = True
    return bad


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
)
"""Exceptions that astropy and h5py raise on damaged files, as fuzzing showed."""


def in_words(problem: BaseException) -> str:
    """Message of a library's exception in one printable line that can stand in a sentence; its class where it has none."""
    plain = "".join(c if c.isprintable() else " " for c in str(problem)[:120])
    return " ".join(plain.split()).rstrip(".") or type(problem).__name__


def number(header: Any, key: str) -> float | None:
    """A header value as a finite number, also where it is stored as text; None where it is not one."""
    try:
        value = float(str(header.get(key)).strip())
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def resolving_power(headers: list[Any], name: str) -> tuple[float | None, bool, tuple[Step, ...]]:
    """Native resolving power from headers, whether it is only the usual one of the instrument named, and the ledger's entry."""
    for header in headers:
        for key in _RESOLUTION_KEYS:
            value = number(header, key) if key in header else None
            if value is not None and 300 <= value <= 500_000:
                return value, False, (Step("resolving power", f"header keyword {key}", {"R": value}),)
    instruments = [
        (str(h.get(key, "")), f"header keyword {key}") for h in headers for key in ("INSTRUME", "INSTRUM", "DETNAM")
    ]
    for text, where in [*instruments, (name, "name of the file")]:
        for pattern, value in INSTRUMENTS:
            if re.search(pattern, text.lower()):
                reason = f"the {where} names the instrument ({text}); its usual value"
                return value, True, (Step("resolving power", reason, {"R": value}),)
    return None, False, ()


def snr_header(headers: list[Any]) -> float | None:
    """S/N that a header states, in whatever unit; None where there is none."""
    for header in headers:
        for key in _SNR_KEYS:
            value = number(header, key.removeprefix("HIERARCH ")) if key.removeprefix("HIERARCH ") in header else None
            if value is not None and value > 0:
                return value
    return None


def star_name(headers: list[Any], name: str) -> str:
    """Name of the star in the header, else the file's name without its endings."""
    for header in headers:
        text = re.sub(r"[^\x20-\x7e]", "", str(header.get("OBJECT", ""))).strip()
        if text:
            return text[:80]
    return re.sub(r"(\.(fits?|gz|txt|dat|csv|s|ecsv))+$", "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)


_SAME_RANGE = 0.8
"""Share of a wavelength range beyond which two spectra repeat each other, instead of being orders or arms."""


_NAMED = 4  # choices that an error spells out


@dataclass(frozen=True)
class Choice:
    """One spectrum of a file: the extension (HDF5: group) and row that `read` takes, and what to call it."""

    hdu: int | None
    row: int | None
    label: str


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
    """Whether any two successive wavelength ranges are nearly the same: spectra, not orders or arms."""
    for (a, b), (c, d) in pairwise(ranges):
        shorter = min(b - a, d - c)
        if shorter > 0 and min(b, d) - max(a, c) > _SAME_RANGE * shorter:
            return True
    return False
