"""Quantities that follow from the targets sample by sample: [X/H], A(X) and [alpha/Fe]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..stages import Derived
from ..synthesis.abundances import ATOMIC_NUMBER, SOLAR_ABUNDANCES
from ..targets import COLUMN, TARGETS
from .weighted import marginal, normalised

SOLAR_SCALE = "Magg et al. (2022); C, N of Asplund et al. (2021)"
SOLAR_A: dict[str, float] = {
    x: SOLAR_ABUNDANCES[ATOMIC_NUMBER[x]] for x in ("li", "c", "n", "mg", "si", "ca", "ti", "mn")
} | {"fe": SOLAR_ABUNDANCES[26]}
"""A(X) = log10(N_X / N_H) + 12 of the Sun, as in the synthesis behind the emulator."""
ALPHA: tuple[str, ...] = ("mg_fe", "si_fe", "ca_fe", "ti_fe")
"""[alpha/Fe] is the mean of these four."""


def derived_values(labels: NDArray) -> dict[str, tuple[str, NDArray]]:
    """Label and values (n,) of every derived quantity, by name, for targets (n, 13)."""
    feh = labels[:, COLUMN["feh"]]
    over_h = {"fe": feh}
    for target in TARGETS:
        if target.name.endswith("_fe"):
            over_h[target.name.removesuffix("_fe")] = feh + labels[:, COLUMN[target.name]]
    out = {f"{x}_h": (f"[{x.capitalize()}/H]", over_h[x]) for x in SOLAR_A if x != "fe"}
    out |= {f"a_{x}": (f"A({x.capitalize()})", over_h[x] + solar) for x, solar in SOLAR_A.items()}
    out["alpha_fe"] = ("[α/Fe]", labels[:, [COLUMN[name] for name in ALPHA]].mean(1))
    return out


def derive(labels: NDArray, weights: NDArray | None = None) -> dict[str, Derived]:
    """Mean, median and highest-density intervals of every derived quantity for samples of the targets (n, 13)."""
    out = {}
    for name, (label, x) in derived_values(labels).items():
        m = marginal(x, weights)
        out[name] = Derived(label, "dex", SOLAR_SCALE, m.mean, m.median, *m.interval68, *m.interval95)
    return out


def correlations(labels: NDArray, weights: NDArray | None = None) -> tuple[tuple[float, ...], ...]:
    """Correlation coefficients (13, 13) between the targets over samples (n, 13); 0 where one of the two does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        w = normalised(weights, len(labels))
        centred = labels - w @ labels
        covariance = (centred.T * w) @ centred
        scale = np.sqrt(np.diag(covariance))
        found = np.nan_to_num(covariance / np.outer(scale, scale))
    return tuple(tuple(float(x) for x in row) for row in found)
