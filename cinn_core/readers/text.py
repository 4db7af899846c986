"""Spectra stored as text: columns in the dialects of programs and people, echelle orders one under the other, VOTable."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Medium, Step
from .common import (
    Contents,
    Naming,
    Pixels,
    Unnamed,
    contents_of,
    missing_pixels,
    repeats,
    to_angstrom,
    wavelength_range,
)
from .dialects import Columns, decoded, is_votable, text_columns, votable_columns
from .media import KnownMedium, medium_in_comments, medium_of_name
from .orders import join_parts, merge_orders
from .planes import another_star, as_error, error_like, good_by_flags, roughness, scatter_of, wave_like
from .roles import Role, arms_apart, best_version, is_fibre, is_order, listed, named_index, partner, role_of, whose

_SAYS_WAVENUMBERS = r"wave_? ?num|cm ?(\^|\*\*)? ?-1|kayser|1/cm"
_PLACES = ("wave", "flux", "error", "flag")
_SMOOTHED = 31  # pixels over which rounded wavelengths are smoothed


def is_text(data: bytes) -> bool:
    """Whether the bytes are readable text in UTF-8, UTF-16 or a one-byte encoding (the first 4 kB decide)."""
    head = decoded(data[:4096])
    if not head or "\x00" in head:
        return False
    return sum(c in "\t\n\r\f" or c.isprintable() for c in head) > 0.95 * len(head) and (
        sum(c.isascii() for c in head) > 0.7 * len(head)
    )


def read_text(data: bytes, name: str, naming: Naming | None = None) -> Contents:
    """Read one spectrum from columns of numbers; names of columns are used where the text gives them.

    Raises Unnamed where the names do not tell which column is the flux.
    """
    told = (naming.wave or "", naming.flux or "") if naming else ()
    columns = votable_columns(data, name) if is_votable(data) else text_columns(decoded(data), name, told)
    arms = [] if naming else _arms(columns, name)
    roles, order, reason = (
        (arms[0], None, f"{len(arms)} arms side by side")
        if arms
        else _named_roles(columns, naming, name)
        if naming
        else _roles(columns, name)
    )
    steps = [
        Step(
            "format", f"{columns.layout} with {len(columns.values)} columns: {reason}", {"rows": columns.values[0].size}
        )
    ]
    kind = columns.layout
    pixels, medium = _pixels(columns, roles, steps)
    if arms:
        pixels, step = join_parts([_finite(pixels), *(_finite(_pixels(columns, arm, steps)[0]) for arm in arms[1:])])
        steps.append(step)
    elif order is not None and np.unique(order[np.isfinite(order)]).size > 1:
        pixels, step = merge_orders(_by_order(pixels, order))
        steps.append(step)
        kind = f"{columns.layout}, echelle orders"
    else:
        pixels = _rising(pixels, steps)
    error_from = "the third column" if not columns.names else f"column {columns.shown[roles.get('error', 0)]}"
    return contents_of(pixels, kind, [], name, steps, error_from=error_from, medium=medium, remarks=columns.comments)


def _pixels(columns: Columns, roles: dict[str, Any], steps: list[Step]) -> tuple[Pixels, KnownMedium | None]:
    """Pixels of the columns in some roles, in the order of the lines, and the medium as told; unit and flags go to the ledger."""
    wave, flux = columns.values[roles["wave"]], columns.values[roles["flux"]]
    error = as_error(columns.values[roles["error"]], roles["error_role"]) if "error" in roles else None
    if roles.get("relative"):
        error = error * np.abs(flux)
    wavelength, medium, step = _wavelengths(columns, roles["wave"], wave)
    if step not in steps:
        steps.append(step)
    good = ~missing_pixels(flux)
    if "flag" in roles:
        name = columns.shown[roles["flag"]]
        clear, step = good_by_flags(columns.values[roles["flag"]], roles["flag_role"], name, flux, error)
        good &= clear
        steps.append(step)
    return Pixels(wavelength, flux, error, good), medium


def _rising(pixels: Pixels, steps: list[Step]) -> Pixels:
    """Pixels of increasing wavelength where all decrease, and without equal ones where all rise; the ledger gets the entries."""
    wavelength, error = pixels.wavelength, pixels.error
    if wavelength.size > 1 and np.all(np.diff(wavelength) <= 0):
        steps.append(Step("order of pixels", "wavelengths decrease; turned round"))
        error = None if error is None else error[::-1]
        pixels = Pixels(wavelength[::-1], pixels.flux[::-1], error, pixels.good[::-1])
    if np.all(np.diff(pixels.wavelength) >= 0):
        pixels, rounding = _distinct(pixels)
        steps += rounding
    return pixels


def _finite(pixels: Pixels) -> Pixels:
    """Pixels without the empty cells at the end of a shorter arm."""
    known = np.isfinite(pixels.wavelength)
    error = None if pixels.error is None else pixels.error[known]
    return Pixels(pixels.wavelength[known], pixels.flux[known], error, pixels.good[known])


def _arms(columns: Columns, name: str) -> list[dict[str, Any]]:
    """Roles of each arm or order where a text holds them side by side, by names or by wavelengths at even distances; else none.

    Raises Unnamed where columns without names hold several spectra of one range.
    """
    n, values = len(columns.values), columns.values
    if columns.names:
        known = [role_of(label) for label in columns.names]
        stars: dict[frozenset[str], list[int]] = {}
        for i, role in enumerate(known):
            if role is Role.FLUX:
                stars.setdefault(whose(columns.names[i]), []).append(i)
        fluxes = [same[best_version([columns.names[i] for i in same])] for same in stars.values()]
        pairs = arms_apart(fluxes, columns.names, [i for i, r in enumerate(known) if r is Role.WAVE])
        if repeats([wavelength_range(values[wave]) for _, wave in pairs]):
            return []
        arms: list[dict[str, Any]] = [{"flux": flux, "wave": wave} for flux, wave in pairs]
        for arm in arms:
            _add_partners(arm, columns.names, known, arm["flux"])
        return arms
    waves = [i for i, column in enumerate(values) if wave_like(column)] if n >= 4 else []
    if len(waves) < 2 or n % len(waves) or waves != list(range(0, n, n // len(waves))):
        return []
    if repeats([wavelength_range(values[wave]) for wave in waves]):
        raise _undecided(f"{len(waves)} hold wavelengths of one range, each with a flux of its own", n)
    width = n // len(waves)
    scales = [_error_scale(values[w + 1], values[w + 2]) if width > 2 else None for w in waves]
    return [
        {"wave": w, "flux": w + 1}
        | ({} if s is None else {"error": w + 2, "error_role": Role.ERROR, "relative": s == "relative"})
        for w, s in zip(waves, scales, strict=True)
    ]


def values_in_text(data: bytes, name: str) -> dict[str, NDArray]:
    """Values of each column of a text by its name."""
    columns = votable_columns(data, name) if is_votable(data) else text_columns(decoded(data), name)
    return dict(zip(columns.shown, columns.values, strict=True))


def _by_order(pixels: Pixels, order: NDArray) -> list[Pixels]:
    """Pixels of each order, in time that grows with the text alone; negative flux, as at many ends of orders, is missing."""
    place = np.argsort(order, kind="stable")
    cuts = np.flatnonzero(np.diff(order[place]) != 0) + 1
    if cuts.size > 1000:
        raise SpectrumError(
            f"The column of orders in this text names {cuts.size + 1} orders, which no echelle has; leave it out."
        )
    return [
        Pixels(
            pixels.wavelength[p], pixels.flux[p], None if pixels.error is None else pixels.error[p],
            pixels.good[p] & (pixels.flux[p] > 0),
        )
        for p in np.split(place, cuts)
    ]  # fmt: skip


def _wavelengths(columns: Columns, at: int, wave: NDArray) -> tuple[NDArray, KnownMedium | None, Step]:
    """Wavelengths [Angstrom] of the wave column, which may hold wavenumbers or logarithms, their medium as told, and the ledger's entry."""
    name, unit = columns.shown[at], columns.units[at]
    if re.match(r"log", name.lower()) and 3.3 < np.nanmin(wave) < 4.45:
        wave, unit = 10.0**wave, None
    about = " ".join(
        ["the text", *(line for line in [name, *columns.comments] if re.search(_SAYS_WAVENUMBERS, line, re.IGNORECASE))]
    )
    where = f"column {name}" if re.match(r"(log|ln)(?![a-z]*th)", name.lower()) else about[:160]
    wavelength, step = to_angstrom(wave, unit, where)
    if "waveobs" in name.lower():
        return wavelength, (Medium.AIR, (Step("medium", "iSpec text (column waveobs) holds air wavelengths"),)), step
    medium = medium_of_name(name, "column") if columns.names else None
    if medium is None:
        medium = medium_in_comments(columns.comments)
    return wavelength, medium, step


def _roles(columns: Columns, name: str) -> tuple[dict[str, Any], NDArray | None, str]:
    """Index of wave, flux, error and flag, order number of each row, and by what the columns were recognised."""
    if not columns.names and any("reduced spectrum of" in line.lower() for line in columns.comments):
        if len(columns.values) in (3, 6):  # between the flux and its error stand Stokes V, N1 and N2
            told = {"wave": 0, "flux": 1, "error": len(columns.values) - 1, "error_role": Role.ERROR}
            return told, None, "as Libre-ESpRIT writes them"
    if not columns.names:
        return _roles_by_place(columns.values)
    known: list[Role | None] = [role_of(n) for n in columns.names]
    for i, (label, values) in enumerate(zip(columns.names, columns.values, strict=True)):
        if known[i] is None and (not label or label.startswith("unnamed")) and _counts(values):
            known[i] = Role.OTHER
        if re.fullmatch(r"cm ?(\^|\*\*)? ?-1|1/cm", columns.units[i] or ""):
            known[i] = Role.WAVE
        if is_fibre(label) and np.unique(values).size > 1:
            raise SpectrumError(
                f"The column {label} of {name} tells {np.unique(values).size} spectra apart; cut the text to the lines of one of them."
            )
    waves = [i for i, r in enumerate(known) if r is Role.WAVE] or [
        i for i, r in enumerate(known) if r is None and wave_like(columns.values[i])
    ]
    fluxes = [i for i, r in enumerate(known) if r is Role.FLUX] or [
        i for i, r in enumerate(known) if r is None and i not in waves
    ]
    stars: dict[frozenset[str], list[int]] = {}
    for i in fluxes:
        stars.setdefault(whose(columns.names[i]), []).append(i)
    plain = [i for i in fluxes if not whose(columns.names[i])]
    if not waves or not fluxes or (len(stars) > 1 and len(plain) != 1):
        what = (
            "no column that is called a flux"
            if waves and not fluxes
            else "several columns that could be the star's flux"
        )
        what = what if waves else "no column that is called wavelength"
        raise Unnamed(
            f"{name} has the columns {listed(columns.names)}: {what}; name them with --wave NAME --flux NAME.",
            tuple(columns.names),
        )
    same = plain if len(stars) > 1 else fluxes
    flux = same[best_version([columns.names[i] for i in same])]
    wave = partner(columns.names[flux], columns.names, waves, alone=True)
    roles: dict[str, Any] = {"wave": waves[0] if wave is None else wave, "flux": flux}
    _add_partners(roles, columns.names, known, flux)
    order = next(
        (v for n, v in zip(columns.names, columns.values, strict=True) if is_order(n)),
        None,
    )
    return roles, order, f"named {', '.join(columns.names)}"


def _add_partners(roles: dict[str, Any], names: list[str], known: list[Role | None], flux: int) -> None:
    """Add the indices of the errors and flags that go with a flux by their names."""
    alone = sum(r is Role.FLUX for r in known) <= 1
    for role in (Role.ERROR, Role.IVAR, Role.VARIANCE):
        at = partner(names[flux], names, [i for i, r in enumerate(known) if r is role], alone=alone)
        if at is not None and "error" not in roles:
            roles |= {"error": at, "error_role": role}
    for role in (Role.FLAG, Role.GOOD):
        at = partner(names[flux], names, [i for i, r in enumerate(known) if r is role], alone=True)
        if at is not None:
            roles |= {"flag": at, "flag_role": role}


def _named_roles(columns: Columns, naming: Naming, name: str) -> tuple[dict[str, Any], NDArray | None, str]:
    """Roles as a person names the columns. Raises SpectrumError, with all names, for one that is not there."""
    shown = columns.shown
    assert naming.wave is not None
    assert naming.flux is not None
    roles: dict[str, Any] = {
        "wave": named_index(naming.wave, shown, name),
        "flux": named_index(naming.flux, shown, name),
    }
    if naming.error is not None:
        at = named_index(naming.error, shown, name)
        role = role_of(shown[at])
        roles |= {"error": at, "error_role": role if role in (Role.IVAR, Role.VARIANCE) else Role.ERROR}
    order = None if naming.order is None else columns.values[named_index(naming.order, shown, name)]
    return roles, order, f"wavelength {naming.wave} and flux {naming.flux}, as told"


def _counts(values: NDArray) -> bool:
    """Whether a column counts its rows, from 0 or 1: an index."""
    return values.size > 200 and values[0] in (0, 1) and bool(np.all(np.diff(values) == 1))


def _roles_by_place(values: list[NDArray]) -> tuple[dict[str, Any], NDArray | None, str]:
    """Roles of columns without names: order number or an index ahead, wavelength, flux, and an error if it can be one."""
    n, first = len(values), values[0]
    if n >= 3 and _counts(first) and wave_like(values[1]):
        roles, order, reason = _roles_by_place(values[1:])
        moved = {k: v + 1 if k in _PLACES else v for k, v in roles.items()}
        return moved, order, f"an index, {reason}"
    whole = np.isfinite(first).all() and np.all(first == np.round(first))
    if n >= 3 and whole and np.abs(np.diff(first)).max() <= 1 and np.unique(first).size < 200:
        error = {"error": 3, "error_role": Role.ERROR} if n >= 4 else {}
        return {"wave": 1, "flux": 2} | error, first, "order number, wavelength, flux"
    if wave_like(values[1]) and not wave_like(first):
        roles, order, reason = _roles_by_place([values[1], first, *values[2:]])
        swapped = {0: 1, 1: 0}
        turned = {k: swapped.get(v, v) if k in _PLACES else v for k, v in roles.items()}
        return turned, order, f"{reason}, with the wavelength second"
    if n == 2:
        return {"wave": 0, "flux": 1}, None, "wavelength, flux"
    flux, third = values[1], values[2]
    if np.array_equal(third, np.round(third)) and np.unique(third).size <= _FEW_VALUES:
        return {"wave": 0, "flux": 1, "flag": 2, "flag_role": Role.FLAG}, None, "wavelength, flux, flag"
    if (
        roughness(third) > 1.4 * roughness(flux)
        and error_like(third, flux)
        and np.nanmedian(flux) < 0.5 * np.nanmedian(third)
    ):
        raise _undecided("the second could be the error of the third", n)
    scale = _error_scale(flux, third)
    sure = scale is not None and np.nanmedian(third) < _ERROR_RATIO * scatter_of(flux)
    if not sure and another_star(flux, third):
        raise _undecided("the second and the third could be the star's flux", n)
    if scale is not None:
        roles = {"wave": 0, "flux": 1, "error": 2, "error_role": Role.ERROR}
        return roles | ({"relative": True} if scale == "relative" else {}), None, f"wavelength, flux, {scale} error"
    return {"wave": 0, "flux": 1}, None, f"wavelength, flux, and {n - 2} that cannot be errors"


_FEW_VALUES, _SENTINELS = 3, 0.3
_ERROR_RATIO = 15.0  # error over scatter up to which a column is the error whatever it looks like
_ERROR_SHARES = (0.02, 1e4)
"""Error over scatter of a flux: far below 1 where lines crowd coarse pixels, far above where pixels are finer than the noise."""


def _undecided(what: str, n: int) -> Unnamed:
    """Error on columns without names that may each be the flux."""
    names = tuple(f"column {i + 1}" for i in range(n))
    return Unnamed(
        f"The text has {n} columns without names, of which {what}; name them, as in --wave 'column 1' --flux 'column 3'.",
        names,
    )


def _error_scale(flux: NDArray, values: NDArray) -> str | None:
    """ "absolute" or "relative" where a column (n,) can be the error of the flux or a share of it; None where it cannot."""
    negative = values[values < 0]
    if negative.size and not (np.all(negative == negative[0]) and negative.size < _SENTINELS * values.size):
        return None
    values = np.where(values < 0, np.nan, values)  # one value, as -1 or -999, for pixels without an error
    scatter, size = scatter_of(flux), float(np.nanmedian(values))
    able = {}
    for kind, median, level in (
        ("absolute", size, float(np.nanmedian(np.abs(flux)))),
        ("relative", float(np.nanmedian(values * np.abs(flux))), 1.0),
    ):
        if size < 0.5 * level and (not scatter > 0 or _ERROR_SHARES[0] < median / scatter < _ERROR_SHARES[1]):
            able[kind] = round(abs(np.log(median / scatter)), 2) if scatter > 0 else 0.0
    return min(able, key=able.__getitem__) if able else None


def _distinct(pixels: Pixels) -> tuple[Pixels, list[Step]]:
    """Increasing wavelengths: where rounding made neighbours equal, the smooth wavelength scale is restored or they are averaged."""
    wavelength, flux, error, good = pixels.wavelength, pixels.flux, pixels.error, pixels.good
    step = np.diff(wavelength)
    if np.all(step > 0):
        return pixels, []
    quantum = float(np.median(step[step > 0]))
    decimals = next((d for d in range(6) if np.allclose(wavelength, np.round(wavelength, d), atol=1e-9)), None)
    if decimals is not None and wavelength.size > 2 * _SMOOTHED:
        from scipy.signal import savgol_filter  # late: it brings all of scipy.stats along

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
