"""Departure coefficients behind one interface: labels of a star -> b(level, depth), whoever computed them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

NODE_COLUMNS = ("teff", "logg", "feh", "abundance")
"""Columns of a grid's nodes: Teff [K], log g [cgs], [Fe/H], A(X)."""
_LOWEST_B = 1e-30  # keeps the logarithm finite where a grid holds zeros
_SAME = 1e-3  # nodes closer than this in a label are the same


@dataclass(frozen=True)
class Level:
    """A level of an atom: label, energy above the neutral ground state [1/cm], statistical weight, ion (0 neutral).

    Published files that only number their levels leave energy and weight NaN.
    """

    label: str
    energy: float = float("nan")
    weight: float = float("nan")
    ion: int = 0


@dataclass(frozen=True, eq=False)
class Departures:
    """b (n_levels, n_depths) = n_NLTE / n_LTE of one element in one model, on log_tau (n_depths,) at 5000 Angstrom.

    n_LTE is the population at the same temperature and electron density (Wijbenga & Zwaan 1972). Raises DataError
    for shapes that do not agree, depths that do not increase and numbers that no ratio of populations can be.
    """

    element: str
    levels: tuple[Level, ...]
    log_tau: NDArray
    b: NDArray

    def __post_init__(self) -> None:
        if self.b.shape != (len(self.levels), self.log_tau.size):
            raise DataError(
                f"Departure coefficients of {self.element}: b has the shape {self.b.shape}, but there are "
                f"{len(self.levels)} levels and {self.log_tau.size} depths."
            )
        if not (np.isfinite(self.log_tau).all() and (np.diff(self.log_tau) > 0).all()):
            raise DataError(f"Departure coefficients of {self.element}: optical depths must increase inwards.")
        if not (np.isfinite(self.b).all() and (self.b >= 0).all()):
            raise DataError(f"Departure coefficients of {self.element} must be finite and not negative.")

    def on(self, log_tau: NDArray) -> NDArray:
        """b (n_levels, m) at depths (m,): log b linear in log tau, constant beyond the ends."""
        log_b = np.log(np.maximum(self.b, _LOWEST_B))
        return np.exp(np.stack([np.interp(log_tau, self.log_tau, row) for row in log_b]))

    def of(self, label: str) -> NDArray:
        """b (n_depths,) of the level with this label; DataError where there is none."""
        found = [i for i, level in enumerate(self.levels) if level.label == label]
        if not found:
            raise DataError(
                f"{self.element} has no level {label}; there are {', '.join(x.label for x in self.levels)}."
            )
        return self.b[found[0]]


@dataclass(frozen=True, eq=False)
class DepartureGrid:
    """Models of one element: nodes (n, 4) as NODE_COLUMNS say, and `load`, which gives the departures of node i."""

    element: str
    levels: tuple[Level, ...]
    nodes: NDArray
    load: Callable[[int], Departures]

    def at(self, teff: float, logg: float, feh: float, abundance: float, held: bool = False) -> Departures:
        """Departures at Teff [K], log g [cgs], [Fe/H] and A(X).

        log b is linear in the labels between the models around. Abundances are compared as A(X) - [Fe/H], because
        grids cover a range of [X/Fe] at every metallicity. Raises DataError outside the grid; `held` gives the
        departures at its edge instead, and where some of the models around do not exist those of the others.
        """
        wanted = (teff, logg, feh)
        axes = [_around(NODE_COLUMNS[k], self.nodes[:, k], value, held) for k, value in enumerate(wanted)]
        parts = []
        for (t, a), (g, b), (f, c) in product(*axes):
            here = np.flatnonzero((np.abs(self.nodes[:, :3] - (t, g, f)) < _SAME).all(1))
            if not here.size and held:
                continue
            if not here.size:
                raise DataError(
                    f"The departure coefficients of {self.element} hold no model at Teff {t:.0f} K, log g {g:.1f}, "
                    f"[Fe/H] {f:+.2f}, needed for Teff {teff:.0f} K, log g {logg:.2f}, [Fe/H] {feh:+.2f}."
                )
            scaled = self.nodes[here, 3] - f
            for x, d in _around("A(X) - [Fe/H]", scaled, abundance - feh, held):
                parts.append((self.load(int(here[np.argmin(np.abs(scaled - x))])), a * b * c * d))
        total = sum(w for _, w in parts)
        if not total > 0:
            raise DataError(
                f"The departure coefficients of {self.element} hold no model near Teff {teff:.0f} K, log g {logg:.2f}."
            )
        log_tau = parts[0][0].log_tau
        log_b = sum(w / total * np.log(np.maximum(model.on(log_tau), _LOWEST_B)) for model, w in parts)
        return Departures(self.element, self.levels, log_tau, np.exp(log_b))


def _around(name: str, values: NDArray, wanted: float, held: bool) -> list[tuple[float, float]]:
    """The values of an axis on both sides of the wanted one with their weights; those without weight are left out.

    Beyond its ends the end where it is held, else DataError.
    """
    axis = np.unique(np.round(values, 6))
    wanted = float(np.clip(wanted, axis[0], axis[-1])) if held else wanted
    if not axis[0] - _SAME <= wanted <= axis[-1] + _SAME:
        raise DataError(
            f"{name} {wanted:g} is outside the departure coefficients, which cover {axis[0]:g} to {axis[-1]:g}."
        )
    if axis.size == 1:
        return [(float(axis[0]), 1.0)]
    i = int(np.clip(np.searchsorted(axis, wanted, side="right") - 1, 0, axis.size - 2))
    t = float(np.clip((wanted - axis[i]) / (axis[i + 1] - axis[i]), 0, 1))
    return [(float(x), w) for x, w in ((axis[i], 1 - t), (axis[i + 1], t)) if w > 0]
