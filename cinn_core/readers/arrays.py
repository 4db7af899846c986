"""Spectra whose wavelengths are an array beside the flux: another extension, a plane of a cube, or a row of an image."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..rebin import rebin
from ..stages import Step
from .columns import all_arrays, every_name
from .common import (
    Choice,
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
from .headers import words_in
from .iraf import is_makee, is_multispec
from .media import medium_of_name
from .orders import join_parts, merge_orders
from .planes import (
    FEWEST_PIXELS,
    Array,
    alike,
    another_star,
    as_error,
    error_like,
    good_by_flags,
    relative_error_like,
    rows_repeated,
    wave_like,
)
from .roles import Role, best_version, kind_of, listed, named_index, partner, role_of, wave_partner, whose
from .table import named_table


@dataclass(frozen=True, eq=False)
class Group:
    """A flux with its wavelengths, errors and flags: what may be one arm, slice or fibre. All (orders, n)."""

    flux: Array
    wave_name: str
    wave: NDArray
    error: NDArray | None
    flag: NDArray | None
    flag_role: Role
    error_name: str
    flag_name: str = ""

    @property
    def span(self) -> tuple[float, float]:
        return wavelength_range(self.wave)


def is_arrays(hdus: list[Any]) -> bool:
    """Whether the file holds a flux and, in another array of images, its wavelengths."""
    images = [h for h in hdus if h.is_image and h.data is not None]
    if any(is_multispec(h.header) or is_makee(h.header) for h in images):
        return False
    return bool(groups_in(hdus))


def read_arrays(hdus: list[Any], name: str) -> Contents:
    """Read the one star of a file of arrays: slices added, chips, arms and orders joined."""
    stars = stars_in(hdus)
    if len(stars) > 1:
        listing = listed([s[0][0].flux.name for s in stars])
        raise Unnamed(
            f"{name} holds several arrays that could be the star's flux ({listing}); choose one with --wave NAME --flux NAME.",
            tuple(every_name(hdus)),
        )
    return _contents(stars[0], hdus, name)


def _contents(arms: list[list[Group]], hdus: list[Any], name: str) -> Contents:
    """Contents of a file from the arms of its star: slices added, orders and arms joined."""
    steps = [_format_step(arms)]
    orders: list[Pixels] = []
    for slices in arms:
        added, own = _added(slices)
        steps += own
        orders += _orders(added, steps)
    if len(orders) == 1:
        pixels = orders[0]
    else:
        one_dimensional = all(s[0].wave.shape[0] == 1 for s in arms)
        pixels, step = join_parts(orders) if one_dimensional else merge_orders(orders)
        steps.append(step)
    first = arms[0][0]
    headers = [hdus[first.flux.place].header, hdus[0].header, *(h.header for h in hdus if _is_wave_hdu(h))]
    error_from = f"array {first.error_name}" if first.error_name else "the file's errors"
    medium = medium_of_name(first.wave_name, "array")
    kind = "order image with wavelengths" if len(orders) > 1 else "arrays of wavelength and flux"
    return contents_of(pixels, kind, headers, name, steps, error_from=error_from, medium=medium)


def array_choices(hdus: list[Any]) -> tuple[Choice, ...]:
    """Arrays among which one has to choose, as several could be the star; none where there is one."""
    groups = groups_in(hdus)
    rows = _star_rows(groups)
    if rows:
        place = groups[0].flux.place
        return tuple(Choice(place, i, f"row {i}") for i in range(rows))
    stars = stars_in(hdus)
    if len(stars) < 2:
        return ()
    if len({s[0][0].flux.place for s in stars}) < len(stars):
        return ()  # planes of one extension: read_arrays asks for their names
    return tuple(Choice(s[0][0].flux.place, None, f"{s[0][0].flux.place} {s[0][0].flux.name}".strip()) for s in stars)


def _star_rows(groups: list[Group]) -> int:
    """How many rows there are where the rows of a flux are stars over the same wavelengths; 0 where they are orders."""
    if not groups or groups[0].wave.shape[0] < 2 or _slices(groups[0]):
        return 0
    return groups[0].wave.shape[0] if repeats([wavelength_range(w) for w in groups[0].wave[:50]]) else 0


def groups_in(hdus: list[Any]) -> list[Group]:
    """Fluxes that have wavelengths, with errors and flags that belong to them by their names, or by their values without names."""
    arrays = all_arrays(hdus)
    roles = [role_of(a.name) for a in arrays]
    named = any(r in (Role.FLUX, Role.WAVE) for r in roles)
    for i, (a, role) in enumerate(zip(arrays, roles, strict=True)):
        if role is None and wave_like(a.values):
            roles[i] = Role.WAVE
        elif role is Role.WAVE and not _usable_wave(a.values):
            roles[i] = Role.OTHER
    fluxes = [i for i, r in enumerate(roles) if r is Role.FLUX]
    groups = [g for i in fluxes if (g := _group(i, arrays, roles)) is not None]
    if groups:
        return groups
    unnamed = [i for i, r in enumerate(roles) if r is None or (r is Role.FLUX and not named)]
    places = sorted(
        {arrays[i].place for i, r in enumerate(roles) if r is Role.WAVE} & {arrays[i].place for i in unnamed}
    )
    if len(places) > 1:  # extensions that each hold wavelengths and flux
        return [
            g for p in places if (g := _first_group([i for i in unnamed if arrays[i].place == p], p, arrays, roles))
        ]
    for i in unnamed:
        if (group := _group(i, arrays, roles)) is not None:
            return (
                [group]
                if _only_one(i, unnamed, arrays)
                else [g for j in unnamed if (g := _group(j, arrays, roles)) is not None]
            )
    return []


def _first_group(unnamed: list[int], place: int, arrays: list[Array], roles: list[Role | None]) -> Group | None:
    """The first array of one extension that has wavelengths there, with what belongs to it."""
    own = [(a, r) for a, r in zip(arrays, roles, strict=True) if a.place == place]
    at = [next(k for k, (a, _) in enumerate(own) if a is arrays[i]) for i in unnamed]
    found = (_group(k, [a for a, _ in own], [r for _, r in own]) for k in at)
    return next((g for g in found if g is not None), None)


def _only_one(first: int, unnamed: list[int], arrays: list[Array]) -> bool:
    """Whether no array of the first's shape stands beside it that by its values could be a star as well."""
    like = [i for i in unnamed if arrays[i].values.shape == arrays[first].values.shape and i != first]
    return not any(another_star(arrays[first].values, arrays[i].values) for i in like)


def _usable_wave(values: NDArray) -> bool:
    """Whether an array that is called wavelengths holds some: numbers that change, of one sign."""
    finite = values[np.isfinite(values) & (values != 0)]
    return finite.size >= FEWEST_PIXELS / 2 and finite.min() > 0 and finite.max() > finite.min()


def _group(flux: int, arrays: list[Array], roles: list[Role | None]) -> Group | None:
    """The flux of an index with what belongs to it; None where no wavelengths of its shape do."""
    names, shape = [a.name for a in arrays], arrays[flux].values.shape
    waves = [i for i, r in enumerate(roles) if r is Role.WAVE and arrays[i].values.shape in (shape, shape[-1:])]
    same = [i for i in waves if arrays[i].values.shape == shape] or waves
    wave = wave_partner(names[flux], names, same, alone=True)
    if wave is None or shape[-1] < FEWEST_PIXELS:
        return None

    def beside(*wanted: Role) -> int | None:
        like = [i for i, r in enumerate(roles) if r in wanted and arrays[i].values.shape == shape]
        alone = sum(r is Role.FLUX and a.values.shape == shape for a, r in zip(arrays, roles, strict=True)) <= 1
        return partner(names[flux], names, like, alone=alone)

    error = beside(Role.ERROR, Role.VARIANCE, Role.IVAR)
    values = None if error is None else as_error(arrays[error].values, roles[error])
    error_name = "" if error is None else names[error]
    if error is None and roles[flux] is None:
        rest = [i for i, r in enumerate(roles) if r is None and i != flux and arrays[i].values.shape == shape]
        for i in rest:
            if error_like(arrays[flux].values, arrays[i].values):
                values, error_name = arrays[i].values, names[i]
                break
            if relative_error_like(arrays[flux].values, arrays[i].values):
                values, error_name = arrays[i].values * np.abs(arrays[flux].values), f"{names[i]}, a share of the flux"
                break
    flag = beside(Role.FLAG, Role.GOOD)
    two = [None if a is None else np.atleast_2d(a) for a in (values, None if flag is None else arrays[flag].values)]
    axis = np.broadcast_to(np.atleast_2d(arrays[wave].values), np.atleast_2d(arrays[flux].values).shape)
    return Group(
        Array(names[flux], np.atleast_2d(arrays[flux].values), arrays[flux].place), names[wave], axis, two[0], two[1],
        Role.FLAG if flag is None else roles[flag] or Role.FLAG, error_name, "" if flag is None else names[flag],
    )  # fmt: skip


def stars_in(hdus: list[Any]) -> list[list[list[Group]]]:
    """Stars of a file of arrays, each as arms (chips) of slices of the same light; more than one means that a person has to choose."""
    groups = _wanted(groups_in(hdus), hdus)
    if len(groups) == 1 and (slices := _slices(groups[0])):
        return [[slices]]
    fibres: dict[frozenset[str], list[Group]] = {}
    for g in groups:
        fibres.setdefault(whose(g.flux.name), []).append(g)
    versions = [gs[best_version([g.flux.name for g in gs])] for gs in fibres.values()]
    arms: list[list[Group]] = []
    for g in versions:
        arm = next((a for a in arms if repeats([a[0].span, g.span])), None)
        if arm is None:
            arms.append([g])
        else:
            arm.append(g)
    if all(len(a) == 1 for a in arms) or _are_slices(hdus):
        return [arms]
    most = max(arms, key=len)
    return [[[g]] for g in most]


def _slices(group: Group) -> list[Group]:
    """Slices of a flux whose rows hold each order several times (ESPRESSO: twice), where they show the same lines; else none."""
    k = rows_repeated(group.wave)
    fluxes = [group.flux.values[i::k] for i in range(k)]
    if k == 1 or not all(alike(fluxes[0], f) for f in fluxes[1:]):
        return []
    parts = [[None if a is None else a[i::k] for a in (group.error, group.flag)] for i in range(k)]
    return [
        replace(group, flux=replace(group.flux, values=f), wave=group.wave[i::k], error=parts[i][0], flag=parts[i][1])
        for i, f in enumerate(fluxes)
    ]


def _wanted(groups: list[Group], hdus: list[Any]) -> list[Group]:
    """Groups without those that a header calls sky or lamp, and without corrected copies and traces where the star stands plain."""
    if len(groups) < 2:
        return groups
    header = hdus[0].header
    kept = []
    for g in groups:
        trace = re.search(r"trace_?(\d+)", g.flux.name.lower())
        said = str(header.get(f"TRACE{trace.group(1)}", "")).upper() if trace else ""
        if not said or "SCI" in said or said == "UNKNOWN":
            kept.append(g)
    for extra in ("custom", "customcorr", "trace"):
        plain = [g for g in kept if extra not in kind_of(g.flux.name)]
        kept = plain or kept
    return kept or groups


def _are_slices(hdus: list[Any]) -> bool:
    """Whether a file is known to hold several slices of one star's light: KPF, and traces that the EPRV standard calls SCI."""
    header = hdus[0].header
    traces = [str(header.get(f"TRACE{i}", "")) for i in range(1, 10)]
    return " kpf " in words_in(str(header.get("INSTRUME", ""))) or any("SCI" in t.upper() for t in traces)


def _added(slices: list[Group]) -> tuple[Group, list[Step]]:
    """Slices of one star's light added on the wavelengths of the middle one, and the ledger's entry."""
    if len(slices) == 1:
        return slices[0], []
    middle = slices[len(slices) // 2]
    flux = np.array(middle.flux.values)
    variance = None if middle.error is None else middle.error**2
    for s in slices:
        if s is middle:
            continue
        for row in range(len(flux)):
            moved = _moved(s, middle.wave[row], row)
            flux[row] += moved[0]
            if variance is not None:
                variance[row] += np.nan if moved[1] is None else moved[1] ** 2
    error = None if variance is None or np.isnan(variance).all() else np.sqrt(variance)
    reason = "slices of one star's light added: " + ", ".join(s.flux.name for s in slices)
    added = Group(
        Array(middle.flux.name, flux, middle.flux.place), middle.wave_name, middle.wave, error, middle.flag, middle.flag_role,
        middle.error_name, middle.flag_name,
    )  # fmt: skip
    return added, [Step("slices added", reason, {"slices": len(slices)})]


def _moved(group: Group, wave: NDArray, row: int) -> tuple[NDArray, NDArray | None]:
    """Flux and error (n,) of a row of a group on other, nearly the same wavelengths (n,)."""
    own, flux = group.wave[row], group.flux.values[row]
    error = None if group.error is None else group.error[row]
    usable = np.isfinite(own) & np.isfinite(flux)
    if own.shape == wave.shape and np.array_equal(own, wave):
        return flux, error
    if usable.sum() < FEWEST_PIXELS or np.any(np.diff(own[usable]) <= 0) or np.any(np.diff(wave) <= 0):
        return np.full(wave.size, np.nan), None
    middle = 0.5 * (wave[1:] + wave[:-1])
    edges = np.concatenate([[2 * wave[0] - middle[0]], middle, [2 * wave[-1] - middle[-1]]])
    return rebin(own[usable], flux[usable], edges), None if error is None else np.interp(wave, own, error)


def _orders(group: Group, steps: list[Step]) -> list[Pixels]:
    """Orders of a group [Angstrom], those without wavelengths left out; the unit and the flags go to the ledger."""
    lit = np.isfinite(group.wave) & (group.wave > 0)
    if not lit.any():
        raise SpectrumError(
            f"The wavelengths beside {group.flux.name} are all empty; load a version that carries them."
        )
    angstrom, step = to_angstrom(np.where(lit, group.wave, np.nan), None, f"array {group.wave_name}")
    if step not in steps:
        steps.append(step)
    good = np.stack([~missing_pixels(f) for f in group.flux.values]) & lit
    if group.flag is not None:
        clear, step = good_by_flags(group.flag, group.flag_role, group.flag_name, group.flux.values, group.error)
        good &= clear
        steps.append(step)
    several = len(angstrom) > 1
    return [
        Pixels(angstrom[i], f, None if group.error is None else group.error[i], good[i])
        for i, f in enumerate(group.flux.values)
        if not several or (lit[i].sum() >= FEWEST_PIXELS)
    ]


def _format_step(arms: list[list[Group]]) -> Step:
    first = arms[0][0]
    numbers: dict[str, float | str] = {
        "orders": sum(len(a[0].wave) for a in arms),
        "pixels": first.wave.shape[1],
        "flux": first.flux.name,
    }
    if first.error_name:
        numbers["error"] = first.error_name
    layout = (
        "order image with a wavelength image" if len(first.wave) > 1 else "wavelengths are an array beside the flux"
    )
    return Step("format", layout, numbers)


def _is_wave_hdu(hdu: Any) -> bool:
    return bool(hdu.is_image and hdu.data is not None and role_of(hdu.name or "") is Role.WAVE)


def read_named(hdus: list[Any], name: str, naming: Naming) -> Contents:
    """Read the arrays or columns that a person names as one spectrum. Raises SpectrumError, with all names, for one that is not there."""
    assert naming.wave is not None
    assert naming.flux is not None
    if (found := named_table(hdus, naming, name)) is not None:
        return found
    arrays = all_arrays(hdus)
    names = [a.name for a in arrays]
    where = name if names or not every_name(hdus) else f"{name} (its columns: {listed(every_name(hdus))})"
    wave, flux = (arrays[named_index(wanted, names, where)] for wanted in (naming.wave, naming.flux))
    shape = flux.values.shape
    if wave.values.shape not in (shape, shape[-1:]):
        raise SpectrumError(
            f"{wave.name} of {name} has the shape {wave.values.shape}, {flux.name} has {shape}; a spectrum needs a wavelength a pixel."
        )
    error, error_name = None, ""
    if naming.error is not None:
        one = arrays[named_index(naming.error, names, where)]
        if one.values.shape != shape:
            raise SpectrumError(f"{one.name} of {name} has another shape than {flux.name}; leave it out.")
        error, error_name = np.atleast_2d(as_error(one.values, role_of(one.name))), one.name
    axis = np.broadcast_to(np.atleast_2d(wave.values), np.atleast_2d(flux.values).shape)
    group = Group(
        Array(flux.name, np.atleast_2d(flux.values), flux.place), wave.name, axis, error, None, Role.FLAG, error_name
    )
    return _contents([[group]], hdus, name)
