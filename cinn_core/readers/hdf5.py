"""Spectra stored as HDF5: datasets of wavelength and flux, one-dimensional or one row an order, in one group or several."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Step
from .arrays import is_arrays, read_arrays
from .common import (
    DAMAGE,
    Choice,
    Contents,
    Naming,
    Pixels,
    Unnamed,
    contents_of,
    in_words,
    missing_pixels,
    repeats,
    require_choice,
    to_angstrom,
    wavelength_range,
)
from .media import medium_of_name
from .orders import join_parts
from .planes import FEWEST_PIXELS, as_error
from .roles import Role, arms_apart, best_version, listed, partner, role_of, wave_partner, whose
from .several import MAX_ELEMENTS, MAX_PIXELS

MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_GROUPS = 1000

Group = tuple[Any, dict[str, str]]
"""A group with wavelength and flux datasets, and the name of the dataset of each role."""


def choices_in_hdf5(content: bytes, name: str, naming: Naming | None = None) -> tuple[Choice, ...]:
    """Spectra among which one has to choose: groups, or rows over one wavelength axis; none where there is one."""
    with _opened(content, name) as file:
        try:
            return _choices(_groups(file, name, naming))
        except Unnamed:
            if naming is None and is_arrays(_as_images(file)):
                return ()
            raise


def read_hdf5(
    content: bytes, name: str, group: int | None = None, row: int | None = None, naming: Naming | None = None
) -> Contents:
    """Read one spectrum of an HDF5 file, of a group and row where they are given; groups and rows that are orders are joined.

    Raises Unnamed where no group holds datasets that are called wavelength and flux.
    """
    with _opened(content, name) as file:
        try:
            groups = _groups(file, name, naming)
        except Unnamed:
            if group is None and row is None and naming is None and is_arrays(images := _as_images(file)):
                return read_arrays(images, name)
            raise
        if group is not None:
            if not 0 <= group < len(groups):
                raise SpectrumError(f"{name} holds spectra in groups 0 to {len(groups) - 1}; there is no {group}.")
            groups = groups[group : group + 1]
        if row is None:
            require_choice(_choices(groups), name)
        node, roles = groups[0]
        headers = [_header(node[roles["wave"]]), _header(node), _header(file)]
        parts = [part for node, roles in groups for part in _parts(node, roles, name, row)]
    steps = [Step("format", "HDF5 datasets of wavelength and flux", {"groups": len(groups), "orders": len(parts)})]
    steps.append(parts[0][1])
    pixels = parts[0][0]
    if len(parts) > 1:
        pixels, step = join_parts([_lit(part) for part, _ in parts])
        steps.append(step)
    medium = medium_of_name(groups[0][1]["wave"], "dataset")
    return contents_of(pixels, "HDF5", headers, name, steps, error_from="the error dataset", medium=medium)


def values_in_hdf5(content: bytes, name: str) -> dict[str, NDArray]:
    """Values of each dataset of numbers, and column of a table, by its name; of several orders the middle one."""
    found: dict[str, NDArray] = {}
    with _opened(content, name) as file:
        nodes: list[Any] = [file]
        file.visititems(
            lambda _, node: nodes.append(node) if isinstance(node, h5py.Group) or _is_compound(node) else None
        )
        for node in nodes[:_MOST_GROUPS]:
            for key in node.dtype.names if _is_compound(node) else [k for k in node if _is_own_dataset(node, k)]:
                if node[key].size and node[key].size <= MAX_ELEMENTS:
                    values = _by_rows(node[key])
                    found.setdefault(key, values.reshape(-1, values.shape[-1])[len(values) // 2])
    return found


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[Any]:
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            yield file
    except DAMAGE as problem:
        raise SpectrumError(f"{name} is a damaged HDF5 file ({in_words(problem)}); fetch it again.") from problem


def _choices(groups: list[Group]) -> tuple[Choice, ...]:
    if len(groups) > 1 and repeats([wavelength_range(node[roles["wave"]][()]) for node, roles in groups]):
        return tuple(Choice(i, None, node.name) for i, (node, _) in enumerate(groups))
    node, roles = groups[0]
    flux, wave = node[roles["flux"]], node[roles["wave"]]
    if len(groups) == 1 and flux.ndim == 2 and len(flux) > 1 and not _is_turned(flux.shape):
        alone = wave.ndim == 1 or len(wave) == 1
        if alone or repeats([wavelength_range(w) for w in wave[:50]]):
            return tuple(Choice(0, i, f"row {i}") for i in range(len(flux)))
    return ()


def _header(node: Any) -> dict[str, str]:
    """Attributes of a file or group by upper-case name, as text."""
    attributes = getattr(node, "attrs", {})  # a column of a table has none
    return {str(k).upper(): (v.decode() if isinstance(v, bytes) else str(v)) for k, v in attributes.items()}


def _groups(file: Any, name: str, naming: Naming | None = None) -> list[Group]:
    """Groups (the root among them) with wavelength and flux datasets, in their order."""
    usable: list[Group] = []
    nodes: list[Any] = [file]
    every: list[str] = []
    file.visititems(lambda _, node: nodes.append(node) if isinstance(node, h5py.Group) or _is_compound(node) else None)
    for node in nodes[:_MOST_GROUPS]:
        datasets = list(node.dtype.names) if _is_compound(node) else [k for k in node if _is_own_dataset(node, k)]
        told = _roles(node, datasets) if naming is None else [_told(datasets, naming)]
        every += [f"{node.name.strip('/')}/{k}".strip("/") for k in datasets]
        usable += [(node, roles) for roles in told if {"wave", "flux"} <= set(roles)]
    if not usable:
        raise Unnamed(
            f"{name} is an HDF5 file with {listed(every, 6) if every else 'no plain datasets of numbers'}, of which none "
            "is known as wavelengths and flux that belong together; name them: --wave NAME --flux NAME (links to "
            "other files are not followed).",
            tuple(dict.fromkeys(k.rsplit("/", 1)[-1] for k in every)),
        )
    total = sum(node[key].size for node, roles in usable for key in roles.values())
    longest = max(max(node[key].shape, default=0) for node, roles in usable for key in roles.values())
    if total > MAX_ELEMENTS or longest > MAX_PIXELS:
        raise SpectrumError(f"The datasets of {name} hold {total} values; no spectrum of one star is that large.")
    return usable


def _as_images(file: Any) -> list[Any]:
    """Datasets of numbers as the extensions of a FITS file under their names: what tells wavelengths by their values reads them."""
    found: list[Any] = []
    file.visititems(
        lambda key, node: found.append(key) if isinstance(node, h5py.Dataset) and node.ndim in (1, 2, 3) else None
    )
    own = [file[k] for k in found[:_MOST_GROUPS] if _is_own_dataset(file[k].parent, k.rsplit("/", 1)[-1])]
    if sum(d.size for d in own) > MAX_ELEMENTS:
        return []
    first = fits.PrimaryHDU()
    first.header.update(
        {k[:8]: v[:60] for k, v in _header(file).items() if v.isprintable() and re.fullmatch(r"[A-Z]\w+", k)}
    )
    return [first, *(fits.ImageHDU(np.asarray(d[()], float), name=d.name.rsplit("/", 1)[-1]) for d in own)]


def _is_compound(node: Any) -> bool:
    """Whether a node is a dataset of rows of named numbers: a table."""
    if not isinstance(node, h5py.Dataset) or not node.dtype.names or node.external is not None or node.is_virtual:
        return False
    return all(node.dtype[k].kind in "fiu" for k in node.dtype.names)


def _roles(node: Any, datasets: list[str]) -> list[dict[str, str]]:
    """Names of the datasets of each role: the first flux, and what goes with it by its name; several where arms lie side by side."""
    named = [role_of(k) for k in datasets]
    fluxes = [k for k, role in zip(datasets, named, strict=True) if role is Role.FLUX]
    if not fluxes:
        return []
    waves = [i for i, r in enumerate(named) if r is Role.WAVE]
    stars: dict[frozenset[str], list[str]] = {}
    for k in fluxes:
        stars.setdefault(whose(k), []).append(k)
    if len(stars) > 1 and frozenset() not in stars:
        able = [same[best_version(same)] for same in stars.values()]
        arms = arms_apart([datasets.index(k) for k in able], datasets, waves)
        small = all(node[datasets[w]].size <= MAX_PIXELS for _, w in arms)
        if arms and small and not repeats([wavelength_range(_by_rows(node[datasets[w]])) for _, w in arms]):
            return [_with_error({"flux": datasets[f], "wave": datasets[w]}, datasets, alone=False) for f, w in arms]
        raise Unnamed(
            f"The file holds several datasets that could be the star's flux ({listed(able)}); choose one with --wave NAME --flux NAME.",
            tuple(datasets),
        )
    same = stars.get(frozenset()) or next(iter(stars.values()))
    flux = same[best_version(same)]
    wave = wave_partner(flux, datasets, waves, alone=True)
    roles = {"flux": flux} | ({} if wave is None else {"wave": datasets[wave]})
    return [_with_error(roles, datasets, alone=True)]


def _with_error(roles: dict[str, str], datasets: list[str], *, alone: bool) -> dict[str, str]:
    """Roles of a flux with the error, inverse variance or variance that goes with it by its name."""
    named, found = [role_of(k) for k in datasets], dict(roles)
    for key, role in (("error", Role.ERROR), ("ivar", Role.IVAR), ("variance", Role.VARIANCE)):
        like = [i for i, r in enumerate(named) if r is role]
        at = partner(roles["flux"], datasets, like, alone=alone)
        if at is not None:
            found[key] = datasets[at]
    return found


def _told(datasets: list[str], naming: Naming) -> dict[str, str]:
    """Datasets of a group as a person names them, empty where the group has none of the names."""
    low = {k.lower(): k for k in datasets}
    wanted = {"wave": naming.wave, "flux": naming.flux, "error": naming.error}
    return {role: low[k] for role, n in wanted.items() if n and (k := n.strip().lower().rsplit("/", 1)[-1]) in low}


def _is_own_dataset(node: Any, key: str) -> bool:
    """Whether an entry of a group is a dataset of numbers that lie in this very file: links elsewhere are never followed."""
    if not isinstance(node.get(key, getlink=True), h5py.HardLink) or not isinstance(node[key], h5py.Dataset):
        return False
    return node[key].dtype.kind in "fiu" and node[key].external is None and not node[key].is_virtual


def _parts(node: Any, roles: dict[str, str], name: str, row: int | None) -> list[tuple[Pixels, Step]]:
    """Orders of one group, or one row of it, each with the step on its unit."""
    columns = {role: _by_rows(node[key]) for role, key in roles.items()}
    if row is not None:
        n = len(columns["flux"])
        if not 0 <= row < n:
            raise SpectrumError(f"{name} has rows 0 to {n - 1}; there is no {row}.")
        columns = {role: c if len(c) == 1 else c[row : row + 1] for role, c in columns.items()}
    wave, flux = columns["wave"], columns["flux"]
    if any(c.shape != flux.shape for c in columns.values()):
        shapes = ", ".join(f"{role} {c.shape}" for role, c in columns.items())
        raise SpectrumError(f"The datasets of {name} differ in shape ({shapes}); a spectrum needs one of each a pixel.")
    said = _header(node[roles["wave"]])
    angstrom, step = to_angstrom(wave, said.get("UNIT", said.get("UNITS")), f"dataset {roles['wave']}")
    error = _errors(columns)
    return [
        (Pixels(angstrom[i], flux[i], None if error is None else error[i], ~missing_pixels(flux[i])), step)
        for i in range(len(flux))
    ]


def _by_rows(dataset: Any) -> NDArray:
    """Values (orders, pixels) of a dataset, turned where the orders run along its second axis."""
    values = np.atleast_2d(np.asarray(dataset[()], float))
    return values.T if _is_turned(values.shape) else values


def _is_turned(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[1] < FEWEST_PIXELS <= shape[0]


def _lit(order: Pixels) -> Pixels:
    """Mark the negative ends of an order as missing."""
    return Pixels(order.wavelength, order.flux, order.error, order.good & (order.flux > 0))


def _errors(columns: dict[str, NDArray]) -> NDArray | None:
    for key in ("error", "variance", "ivar"):
        if key in columns:
            return as_error(columns[key], Role(key))
    return None
