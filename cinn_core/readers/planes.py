"""Arrays of the images of a FITS file under their names: extensions, planes of cubes, rows of images; and what their values can be."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stages import Step
from .common import error_of, repeats, wavelength_range
from .roles import Role

FEWEST_PIXELS = 100
"""Pixels below which an array is no spectrum."""

_MOST_ROWS = 40  # of an image, or planes of a cube, that are quantities and not orders
_ERROR_RATIO = (0.2, 5.0)
"""Error over the flux's own scatter from pixel to pixel: outside it an array without a name is not its error."""


@dataclass(frozen=True, eq=False)
class Array:
    """An array of a file under its name: values (n,) or (orders, n), and the extension it stands in."""

    name: str
    values: NDArray
    place: int


def arrays_in(hdus: list[Any]) -> list[Array]:
    """Arrays of the images of a file: extensions, and the planes or rows of those that hold several quantities."""
    found: list[Array] = []
    names = [hdu.name if hdu.is_image else "" for hdu in hdus]
    for place, hdu in enumerate(hdus):
        if not hdu.is_image or hdu.data is None or hdu.data.size < FEWEST_PIXELS:
            continue
        label = hdu.name if hdu.name else f"extension {place}"
        if names[place] and names.count(names[place]) > 1:  # arms or exposures under one name (EXTVER)
            label = f"{hdu.name} {names[:place].count(names[place]) + 1}"
        data = np.asarray(hdu.data)
        while data.ndim > 2 and 1 in data.shape:
            data = data.squeeze(axis=data.shape.index(1))
        if data.dtype.kind in "fiu" and data.ndim in (1, 2, 3):
            found += _parts(label, data.astype(float), place, hdu.header)
    return found


def _parts(label: str, data: NDArray, place: int, header: Any) -> list[Array]:
    """An image as one array, or as its planes, rows or columns where these are quantities of one spectrum."""
    if data.ndim == 3:
        axis = _axis_of_planes(data)
        planes = np.moveaxis(data, axis, 0)
        if len(planes) > _MOST_ROWS:
            return []
        names = plane_names(planes, axis) or [f"{label} plane {i}" for i in range(len(planes))]
        return [Array(n, p, place) for n, p in zip(names, planes, strict=True)]
    if data.ndim == 2:
        rows_named = row_names(header, len(data))
        if rows_named is not None:
            return [Array(n, row, place) for n, row in zip(rows_named, data, strict=True)]
        for rows, what in ((data, "row"), (data.T, "column")):
            if len(rows) <= _MOST_ROWS < rows.shape[1] and _one_wave(rows):
                return [Array(f"{label} {what} {i}", row, place) for i, row in enumerate(rows)]
        if data.shape[1] < FEWEST_PIXELS <= data.shape[0]:
            data = data.T  # pixels along the first axis, orders along the second
    return [Array(label, data, place)]


def _axis_of_planes(data: NDArray) -> int:
    """Axis of a cube along which quantities follow each other: one of its planes holds wavelengths, not all of them do."""
    for axis in (0, 2, 1):
        planes = np.moveaxis(data, axis, 0)
        if len(planes) <= _MOST_ROWS and _one_wave(planes):
            return axis
    return 2 if data.shape[2] <= _MOST_ROWS and not wave_like(data[0]) else 0


def _one_wave(rows: NDArray) -> bool:
    """Whether one or a few of the rows of an image are wavelengths and the others are not: quantities, not orders."""
    waves = [wave_like(row) for row in rows if np.any(np.isfinite(row) & (row != 0))]
    return any(waves) and not all(waves)


def row_names(header: Any, n: int) -> list[str] | None:
    """Names that a header gives to the n rows of an image (COLn, ARRAYn, UP_ARRnn, BANDIDn); None where it does not."""
    for pattern in ("COL{}", "ARRAY{}", "UP_ARR{:02d}", "UP_ARR{}", "BANDID{}", "ROW{}"):
        if not header.get(pattern.format(1)):
            continue
        names = [str(header.get(pattern.format(i + 1), "")).strip() for i in range(n)]
        if n > 1 and names[0] and names[1] and sum(map(bool, names)) >= 0.8 * n:
            if pattern.startswith("BANDID"):  # "sigma - background median, weights variance, clean yes"
                names = [name.partition(" - ")[0].strip() for name in names]
            return [name or f"row {i}" for i, name in enumerate(names)]
    return None


def plane_names(planes: NDArray, axis: int) -> list[str] | None:
    """Names of the planes of a cube in the layouts of CERES, SONG and CHIRON; None for any other.

    CERES (Brahm et al. 2017): wavelength, extracted, its inverse variance, deblazed, its, normalised, its, continuum, S/N, ...;
    SONG: optimal, simple, blaze, wavelength; CHIRON: pixels hold wavelength and flux, or with ch_reduce six numbers.
    """
    k = len(planes)
    if axis == 0 and k in (9, 10, 11) and wave_like(planes[0]):
        names = ["wave", "flux raw", "ivar raw", "flux", "ivar", "flux norm", "ivar norm", "continuum", "snr"]
        return [*names, *(f"model {i}" for i in range(9, k))]
    if axis == 0 and k == 4 and wave_like(planes[3]):
        return ["flux", "flux box", "blaze", "wave"]
    if axis == 2 and k >= 6 and wave_like(planes[0]):
        return ["wave", "flux raw", "snr", "order 3", "flux", "blaze", *(f"order {i}" for i in range(6, k))]
    return None


def rows_repeated(wave: NDArray) -> int:
    """Rows (orders, n) that follow each other over one range each, as slices of one order do: 2, 3 or 4; 1 where they do not."""
    ranges = np.array([wavelength_range(w) for w in wave])
    length = np.maximum(ranges[:, 1] - ranges[:, 0], 1e-9)
    for k in (2, 3, 4):
        if len(wave) % k or len(wave) < 3 * k:
            continue
        apart = np.abs(ranges.reshape(-1, k, 2) - ranges[::k, None]).max(axis=(1, 2))
        if np.all(apart < 0.05 * length[::k]) and not repeats([(a, b) for a, b in ranges[::k].tolist()]):
            return k
    return 1


def alike(first: NDArray, second: NDArray) -> bool:
    """Whether rows of fluxes (orders, n) show the same lines, as slices of one star's light do, and not star and sky or lamp."""
    found = []
    for a, b in zip(first, second, strict=True):
        narrow = []
        for row in (np.nan_to_num(a), np.nan_to_num(b)):
            level = np.convolve(row, np.ones(51) / 51, "same")
            narrow.append(np.where(level > 0, row / np.where(level > 0, level, 1.0), 1.0)[50:-50])
        if min(np.std(n) for n in narrow) > 0:
            found.append(float(np.corrcoef(*narrow)[0, 1]))
    return bool(found) and float(np.median(found)) > _ALIKE


_ALIKE = 0.5


def wave_like(values: NDArray) -> bool:
    """Whether every lit row of an array increases, or decreases, smoothly through optical wavelengths [Angstrom or nm]."""
    if np.atleast_2d(values).shape[1] < FEWEST_PIXELS:
        return False
    rows = [r[np.isfinite(r) & (r > 0)] for r in np.atleast_2d(values)]
    rows = [r for r in rows if r.size >= FEWEST_PIXELS / 2]
    if not rows:
        return False
    for row in rows:
        steps = np.diff(row)
        one_way = np.all(steps >= 0) or np.all(steps <= 0)
        if not one_way or np.mean(steps != 0) < 0.5 or not (290 < row.min() and row.max() < 26000):
            return False
        if np.all(steps == steps[0]) and abs(steps[0]) == 1 and np.all(row == np.round(row)):
            return False  # a count of pixels
    return True


_RELATIVE = re.compile(r"(rel(ative)?|frac(tional)?)[ _-]?(err|unc|sig)")


def as_error(values: NDArray, role: Role | None, name: str = "", flux: NDArray | None = None) -> NDArray:
    """Errors from an array of errors, of shares of the flux by its name, of variances or inverse variances; NaN where there is none."""
    if flux is not None and role is Role.ERROR and _RELATIVE.match(name.lower()):
        return values * np.abs(flux)
    if role is Role.IVAR:
        return error_of(values)
    if role is Role.VARIANCE:
        with np.errstate(invalid="ignore"):
            return np.where(values > 0, np.sqrt(np.where(values > 0, values, 0.0)), np.nan)
    return values


def error_like(flux: NDArray, values: NDArray) -> bool:
    """Whether an array is the error of a flux of its shape by its values: positive, and as large as the flux scatters."""
    usable = np.isfinite(flux) & np.isfinite(values) & (flux != 0)
    if usable.sum() < FEWEST_PIXELS or np.mean(values[usable] > 0) < 0.5:
        return False
    f, e = np.atleast_2d(flux), np.atleast_2d(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        scatter, level = scatter_of(f), np.nanmedian(e[e > 0])
        ratio = level / scatter if scatter > 0 else np.inf
        shares = e / f
    own = roughness(e)
    proportional = 1.4826 * np.nanmedian(np.abs(shares - np.nanmedian(shares))) < 1e-3 * np.abs(np.nanmedian(shares))
    calm = own < 0.3 and (
        own < _CALM * roughness(f) or bool(proportional)
    )  # photons' errors change half as much as the flux
    return bool(_ERROR_RATIO[0] < ratio < _ERROR_RATIO[1] and calm)


_CALM = 0.9
_SMOOTH = 0.15  # roughness over the flux's, below which an array is a continuum
_SMOOTHEST = 0.003
_DERIVED = 0.3


def another_star(flux: NDArray, values: NDArray) -> bool:
    """Whether an array of the flux's shape could as well be a star's flux: neither smooth, nor its error, nor a scale or power of it."""
    rough = roughness(values)
    if rough < _SMOOTH * roughness(flux) and rough < _SMOOTHEST:
        return False
    with np.errstate(invalid="ignore", divide="ignore"):
        if error_like(flux, values) or relative_error_like(flux, values) or error_like(flux, flux / values):  # its S/N
            return False
        logs = [np.log(np.where(a > 0, a, np.nan)) for a in (flux, values)]
    step, other = (np.diff(one, axis=-1) for one in logs)
    known = np.isfinite(step) & np.isfinite(other)
    if known.mean() < 0.5:
        return True
    power = float((step[known] * other[known]).sum() / max((step[known] ** 2).sum(), 1e-300))
    left = float(np.median(np.abs(other[known] - power * step[known])))
    return not 0 < abs(power) or left > _DERIVED * abs(power) * float(np.median(np.abs(step[known])))


def roughness(values: NDArray) -> float:
    """Change of an array (..., n) from pixel to pixel, as a share of its size."""
    with np.errstate(invalid="ignore"):
        size = float(np.nanmedian(np.abs(values)))
        return float(np.nanmedian(np.abs(np.diff(values, axis=-1))) / size) if size > 0 else 0.0


def scatter_of(flux: NDArray) -> float:
    """Scatter of a flux (..., n) from pixel to pixel, by its third differences."""
    third = flux[..., 3:] - 3 * flux[..., 2:-1] + 3 * flux[..., 1:-2] - flux[..., :-3]
    return float(1.4826 * np.nanmedian(np.abs(third)) / np.sqrt(20))


def relative_error_like(flux: NDArray, values: NDArray) -> bool:
    """Whether an array is the error of a flux as a share of it by its values."""
    return bool(np.nanmedian(values) < 1) and error_like(flux, values * np.abs(flux))


def good_by_flags(values: NDArray, role: Role, name: str, flux: NDArray, error: NDArray | None) -> tuple[NDArray, Step]:
    """Good pixels (...,) bool by a column of flags, and the ledger's entry on what 0 means there.

    The flagged pixels themselves decide (no flux, no error, outliers); else what is known of the name (quality: 0 is good;
    PypeIt's masks: 1 is good). Where neither tells, all pixels are used.
    """
    zero = np.asarray(values) == 0
    share = float(zero.mean())
    missing = ~np.isfinite(flux) | (flux == 0)
    if error is not None:
        missing |= ~np.isfinite(error) | (error <= 0)
    words = name.lower()
    nonzero_named = role is Role.GOOD or re.match(r"(opt|box)_mask", words) is not None
    zero_named = not nonzero_named and re.search(r"qual|dq|flag|bad|bpm|and_mask|or_?mask", words) is not None
    everything = np.ones_like(zero)
    if share in (0.0, 1.0):
        good, why = everything, "the same for every pixel, so all are used"
    elif (told := _marked(zero, missing)) is not None:
        good = told
        why = f"{'' if told is zero else 'not '}0 is good: the others hold no flux or no error"
    elif nonzero_named:
        good, why = ~zero, "not 0 is good, as its name says"
    elif zero_named and share > 0.2:
        good, why = zero, "0 is good, as is usual for the name"
    elif (told := _marked(zero, _outliers(flux))) is not None:
        good = told
        why = f"{'' if told is zero else 'not '}0 is good: the others are outliers"
    else:
        good, why = everything, "neither its name nor the pixels tell which value is good, so all are used"
    return good, Step("flag column", f"column {name}: {why}", {"zero_fraction": share})


def _marked(zero: NDArray, bad: NDArray) -> NDArray | None:
    """Pixels to use, `zero` or its opposite, where those on the other side are bad far more often; None where they are not."""
    of_zero, of_others = float(bad[zero].mean()), float(bad[~zero].mean())
    if of_others > max(5 * of_zero, 0.02):
        return zero
    return ~zero if of_zero > max(5 * of_others, 0.02) else None


_BLOCK = 128  # pixels
_BEYOND = (-0.1, 1.3)


def _outliers(flux: NDArray) -> NDArray:
    """Pixels (...,) bool that stand out from both neighbours by far more than pixels do, or lie where no line of a star does:
    well above the level around them or below zero."""
    away = np.abs(flux - 0.5 * (np.roll(flux, 1, -1) + np.roll(flux, -1, -1)))
    scatter = np.nanmedian(away) if np.isfinite(away).any() else 0.0
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a block of NaN
        blocks = np.nanmedian(np.resize(flux, (-(-flux.size // _BLOCK), _BLOCK)), axis=1)
        level = np.repeat(blocks, _BLOCK)[: flux.size].reshape(flux.shape)
        return (away > 12 * scatter) | (flux < _BEYOND[0] * level) | (flux > _BEYOND[1] * level)
