"""Spectra stored as text: two to four columns, CSV, iSpec (nm), NARVAL, and echelle orders one under the other."""

from __future__ import annotations

import io
import re

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from ..errors import SpectrumError
from ..stages import Medium, Step
from .common import Contents, Pixels, contents_of, missing_pixels, to_angstrom
from .media import KnownMedium, medium_in_comments
from .orders import cut_at_turns, join_parts, merge_orders
from .table import ERROR, FLUX, WAVE

_MOST_LINES, _LONGEST_LINE = 3_000_000, 10_000
_HEAD_BYTES = 20_000
_SMOOTHED = 31  # pixels over which rounded wavelengths are smoothed


def is_text(data: bytes) -> bool:
    """Whether the bytes are readable text with a digit in them (the first 4 kB decide)."""
    head = data[:4096]
    if b"\x00" in head or not re.search(rb"\d", head):
        return False
    return sum(b in b"\t\n\r" or 32 <= b < 127 for b in head) > 0.95 * len(head)


def read_text(data: bytes, name: str) -> Contents:
    """Read one spectrum from columns of numbers; names of columns are used where the text gives them."""
    if data.count(b"\n") > _MOST_LINES:
        raise SpectrumError(f"{name} is a text of more than {_MOST_LINES} lines; no spectrum of one star is that long.")
    table, names = _numbers(data.decode("utf-8", "replace"), name)
    columns = dict(zip(names, table.T, strict=True)) if len(names) == table.shape[1] else {}
    wave, flux, error, order, reason = _roles(table, columns, name)
    wavelength, unit_step = to_angstrom(wave, None, "the text")
    steps = [Step("format", f"text with {table.shape[1]} columns: {reason}", {"rows": len(table)}), unit_step]
    if order is None and (np.diff(wavelength) < 0).sum() > (np.diff(wavelength) > 0).sum():
        wavelength, flux, error = wavelength[::-1], flux[::-1], None if error is None else error[::-1]
        steps.append(Step("order of pixels", "wavelengths decrease; turned round"))
    orders: list[NDArray | slice] = (
        [*cut_at_turns(wavelength, name)] if order is None else [order == o for o in np.unique(order)]
    )
    pixels = Pixels(wavelength, flux, error, ~missing_pixels(flux))
    if len(orders) > 1:
        parts = [_part_of_order(pixels, p) for p in orders]
        pixels, step = merge_orders(parts) if order is not None else join_parts(parts)
        steps.append(step)
    else:
        pixels, rounding = _distinct(pixels)
        steps += rounding
    file_format = "text, echelle orders" if len(orders) > 1 else "text"
    return contents_of(
        pixels,
        file_format,
        [],
        name,
        steps,
        error_from="the third column",
        medium=_medium(columns) or medium_in_comments(_comments(data)),
    )


def _medium(columns: dict[str, NDArray]) -> KnownMedium | None:
    if "waveobs" in columns:
        return Medium.AIR, (Step("medium", "iSpec text (column waveobs) holds air wavelengths"),)
    for medium, ending in ((Medium.AIR, "air"), (Medium.VACUUM, "vac")):
        name = next((k for k in columns if re.match(WAVE, k) and k.endswith(ending)), None)
        if name is not None:
            return medium, (Step("medium", f"the wavelength column is called {name}: {medium.value}"),)
    return None


def _comments(data: bytes) -> list[str]:
    """Lines without numbers among the first of a text."""
    lines = data[:_HEAD_BYTES].decode("utf-8", "replace").splitlines()[:200]
    return [line for line in lines if line.strip() and not _count(line)]


def _part_of_order(pixels: Pixels, part: NDArray | slice) -> Pixels:
    """Pixels of one order; negative flux, as at the ends of many extracted orders, is marked as missing."""
    error = None if pixels.error is None else pixels.error[part]
    flux = pixels.flux[part]
    return Pixels(pixels.wavelength[part], flux, error, pixels.good[part] & (flux > 0))


def _numbers(text: str, name: str) -> tuple[NDArray, list[str]]:
    """Block of numbers (rows, columns) of a text and the names above it, if any."""
    lines = text.splitlines()
    numeric = [_count(line) for line in lines[:2000]]
    first = next(
        (i for i in range(len(numeric) - 3) if numeric[i] >= 2 and numeric[i : i + 3] == [numeric[i]] * 3), None
    )
    if first is None:
        raise SpectrumError(
            f"{name} is text without columns of numbers; a text spectrum has wavelength, flux and perhaps an error in each line."
        )
    above = [t for t in lines[:first] if t.strip()]
    names = re.split(r"[\s,;]+", above[-1].strip().lstrip("#!%; ").lower()) if above else []
    body = "\n".join(line for line in lines[first:] if line.strip() and line.lstrip()[0] not in "#!%")
    try:
        table = np.loadtxt(io.StringIO(re.sub(r"[,;]", " ", body)), ndmin=2)
    except ValueError as problem:
        row = re.search(r"row (\d+)", str(problem))
        where = f" near line {first + int(row.group(1)) + 1}" if row else ""
        raise SpectrumError(
            f"The columns of {name} stop being {numeric[first]} numbers a line{where}; mend or cut the file there."
        ) from problem
    return table, names


def _count(line: str) -> int:
    """Number of numbers in a line; 0 where it holds anything else."""
    words = re.split(r"[\s,;]+", line.strip()) if len(line) < _LONGEST_LINE else []
    try:
        return len([float(w) for w in words])
    except ValueError:
        return 0


def _roles(
    table: NDArray, columns: dict[str, NDArray], name: str
) -> tuple[NDArray, NDArray, NDArray | None, NDArray | None, str]:
    """Wavelength, flux, error, order number of each row, and by what the columns were recognised."""

    def named(pattern: str) -> NDArray | None:
        return next((v for k, v in columns.items() if re.match(pattern, k)), None)

    wave, flux = named(WAVE), named(FLUX)
    if wave is not None and flux is not None:
        return wave, flux, named(ERROR), None, f"named {', '.join(columns)}"
    n = table.shape[1]
    first = table[:, 0]
    if (
        n >= 3
        and np.all(first == np.round(first))
        and np.abs(np.diff(first)).max() <= 1
        and np.unique(first).size < 200
    ):
        error = table[:, 3] if n >= 4 else None
        return table[:, 1], table[:, 2], error, first, "order number, wavelength, flux"
    if n == 2:
        return first, table[:, 1], None, None, "wavelength, flux"
    third = table[:, 2]
    if np.nanmin(third) >= 0 and np.nanmedian(third) < 0.5 * np.nanmedian(table[:, 1]):
        return first, table[:, 1], third, None, "wavelength, flux, error"
    return first, table[:, 1], None, None, f"wavelength, flux, and {n - 2} that cannot be errors"


def _distinct(pixels: Pixels) -> tuple[Pixels, list[Step]]:
    """Increasing wavelengths: where rounding made neighbours equal, the smooth wavelength scale is restored or they are averaged."""
    wavelength, flux, error, good = pixels.wavelength, pixels.flux, pixels.error, pixels.good
    step = np.diff(wavelength)
    if np.all(step > 0):
        return pixels, []
    quantum = float(np.median(step[step > 0]))
    decimals = next((d for d in range(6) if np.allclose(wavelength, np.round(wavelength, d), atol=1e-9)), None)
    if decimals is not None and wavelength.size > 2 * _SMOOTHED:
        mean = savgol_filter(wavelength, _SMOOTHED, 1)
        smooth = np.where(np.abs(mean - wavelength) <= 0.75 * 10.0**-decimals, mean, wavelength)
        if np.all(np.diff(smooth) > 0):
            reason = f"wavelengths are rounded to {decimals} decimals, some equal; straight lines through {_SMOOTHED} pixels restore them"
            shift = float(np.abs(smooth - wavelength).max())
            return Pixels(smooth, flux, error, good), [Step("wavelength rounding", reason, {"moved_at_most": shift})]
    unique, index = np.unique(wavelength, return_inverse=True)
    count = np.bincount(index, weights=good)
    mean = np.bincount(index, weights=np.where(good, flux, 0.0)) / np.maximum(count, 1)
    out_error = None
    if error is not None:
        out_error = np.sqrt(np.bincount(index, weights=np.where(good, error, 0.0) ** 2)) / np.maximum(count, 1)
    note = Step(
        "wavelength rounding",
        "pixels of equal wavelength are averaged",
        {"pixels": wavelength.size - unique.size, "step": quantum},
    )
    return Pixels(unique, mean, out_error, count > 0), [note]
