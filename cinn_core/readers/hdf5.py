"""Spectra stored as HDF5: datasets of wavelength and flux, one-dimensional or one row an order, in one group or several."""

from __future__ import annotations

import io
import re
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..stages import Step
from .common import (
    Found,
    medium_of,
    missing_pixels,
    missing_step,
    resolving_power,
    snr_header,
    star_name,
    to_angstrom,
    usable_error,
)
from .orders import Order, merge_orders
from .several import MAX_ELEMENTS
from .table import ERROR, FLUX, IVAR, WAVE

MAGIC = b"\x89HDF\r\n\x1a\n"
_PATTERNS = {"wave": WAVE, "flux": FLUX, "error": ERROR, "ivar": IVAR}


def read_hdf5(content: bytes, name: str) -> Found:
    """One spectrum from an HDF5 file; its groups, and the rows of two-dimensional datasets, are orders that are joined."""
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            headers = [_header(file)]
            groups = _groups(file, name)
            headers += [_header(group) for group, _ in groups[:1]]
            parts = [part for group, roles in groups for part in _parts(group, roles, name)]
    except (OSError, RuntimeError, KeyError) as problem:
        raise SpectrumError(f"{name} is a damaged HDF5 file ({str(problem)[:100]}); fetch it again.") from problem
    steps = [Step("format", "HDF5 datasets of wavelength and flux", {"groups": len(groups), "orders": len(parts)})]
    steps.append(parts[0][1])
    orders = [order for order, _ in parts]
    power, power_steps = resolving_power(headers, name)
    medium, medium_steps = medium_of(headers)
    if len(orders) > 1:
        merged = merge_orders(orders)
        wavelength, flux, error, good = merged.wavelength, merged.flux, merged.error, merged.good
        steps.append(merged.step)
    else:
        wavelength, flux, error, good = orders[0].wavelength, orders[0].flux, orders[0].error, orders[0].good
    error, good, error_steps = usable_error(error, good, "the error dataset")
    steps += [*missing_step(~good, wavelength), *error_steps, *power_steps, *medium_steps]
    return Found(
        wavelength,
        flux,
        "HDF5",
        error,
        good,
        medium,
        star_name(headers, name),
        power,
        snr_header(headers),
        tuple(steps),
    )


def _header(node: Any) -> dict[str, str]:
    """Attributes of a file or group by upper-case name, as text."""
    return {str(k).upper(): (v.decode() if isinstance(v, bytes) else str(v)) for k, v in node.attrs.items()}


def _groups(file: Any, name: str) -> list[tuple[Any, dict[str, str]]]:
    """Groups (the root among them) with wavelength and flux datasets: (group, dataset name of each role), in their order."""
    found = []
    nodes: list[Any] = [file]
    file.visititems(lambda _, node: nodes.append(node) if isinstance(node, h5py.Group) else None)
    for node in nodes[:1000]:
        datasets = [k for k, v in node.items() if isinstance(v, h5py.Dataset)]
        roles = {role: k for role, p in _PATTERNS.items() for k in datasets[::-1] if re.match(p, k.lower())}
        if {"wave", "flux"} <= set(roles):
            found.append((node, roles))
    if not found:
        raise SpectrumError(
            f"{name} is an HDF5 file without datasets of wavelength and flux side by side; name them wavelength and flux."
        )
    return found


def _parts(group: Any, roles: dict[str, str], name: str) -> list[tuple[Order, Step]]:
    """The orders of one group, each with the step on its unit."""
    for key in roles.values():
        if group[key].size > MAX_ELEMENTS:
            raise SpectrumError(
                f"Dataset {key} of {name} holds {group[key].size} values; no spectrum of one star is that large."
            )
    columns = {role: np.atleast_2d(np.asarray(group[key][()], float)) for role, key in roles.items()}
    wave, flux = columns["wave"], columns["flux"]
    if len(wave) == 1 and len(flux) > 1:
        raise SpectrumError(
            f"{name} holds {len(flux)} spectra over one wavelength axis; write the one that is meant into a file of its own."
        )
    if any(c.shape != flux.shape for c in columns.values()):
        shapes = ", ".join(f"{role} {c.shape}" for role, c in columns.items())
        raise SpectrumError(f"The datasets of {name} differ in shape ({shapes}); a spectrum needs one of each a pixel.")
    unit = group[roles["wave"]].attrs.get("unit", group[roles["wave"]].attrs.get("units"))
    angstrom, step = to_angstrom(wave, unit.decode() if isinstance(unit, bytes) else unit, f"dataset {roles['wave']}")
    error = _errors(columns)
    several = len(flux) > 1
    return [
        (
            Order(
                angstrom[i],
                flux[i],
                None if error is None else error[i],
                ~missing_pixels(flux[i]) & ((flux[i] > 0) | ~several),
            ),
            step,
        )
        for i in range(len(flux))
    ]


def _errors(columns: dict[str, NDArray]) -> NDArray | None:
    if "error" in columns or "ivar" not in columns:
        return columns.get("error")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(columns["ivar"] > 0, columns["ivar"] ** -0.5, np.nan)
