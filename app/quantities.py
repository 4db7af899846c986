"""The thirteen quantities as the page shows them: the targets in their order, lithium as A(Li)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinn_core.stages import Analysis
from cinn_core.targets import COLUMN, TARGETS, Target, a_li
from cinn_core.weighted import highest_density_interval

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, eq=False)
class Quantity:
    """One tile, row or corner axis: samples (n,) of a quantity with its mode and intervals, in `unit`."""

    name: str
    label: str
    unit: str
    decimals: int
    samples: NDArray
    map: float
    median: float
    lo68: float
    hi68: float
    lo95: float
    hi95: float
    log: bool = False

    @property
    def signed(self) -> bool:
        """Whether a plus sign belongs to positive values: abundances relative to the Sun."""
        return self.label.startswith("[")

    def on_axis(self, values: NDArray | float) -> NDArray:
        """Values as the corner and the marginals lay them out: logarithmic where the target is."""
        return np.log10(values) if self.log else np.asarray(values, float)

    def text_at(self, position: float) -> str:
        """The text of a value given by its place on that axis."""
        return self.text(10.0**position if self.log else position)

    def text(self, value: float, signed: bool | None = None) -> str:
        """A value with this quantity's decimals and a real minus sign."""
        sign = "+" if (self.signed if signed is None else signed) else ""
        return f"{value:{sign}z.{self.decimals}f}".replace("-", MINUS)

    @property
    def value_text(self) -> str:
        return self.text(self.map)

    @property
    def spread_text(self) -> str:
        """The 68 % interval: plus-minus its half-width, or its two ends where the mode is far from its middle."""
        below, above = self.map - self.lo68, self.hi68 - self.map
        if min(below, above) > 0.5 * max(below, above):
            return f"± {self.text((self.hi68 - self.lo68) / 2, signed=False)}"
        return f"{self.text(self.lo68)}…{self.text(self.hi68)}"


def quantities(analysis: Analysis) -> tuple[Quantity, ...]:
    """The thirteen quantities of a star, in the targets' order."""
    return tuple(_lithium(analysis, t) if t.name == "li_fe" else _plain(analysis, t) for t in TARGETS)


def _plain(analysis: Analysis, target: Target) -> Quantity:
    s = analysis.summary.targets[target.name]
    samples = analysis.posterior.labels[:, COLUMN[target.name]]
    return Quantity(
        target.name, target.label, target.unit, target.decimals, samples,
        s.map, s.median, s.lo68, s.hi68, s.lo95, s.hi95, log=target.log,
    )  # fmt: skip


def _lithium(analysis: Analysis, target: Target) -> Quantity:
    """A(Li) sample by sample: its spread is not that of [Li/Fe], which carries the error of [Fe/H] twice."""
    labels, summary = analysis.posterior.labels, analysis.summary.targets
    samples = a_li(labels[:, COLUMN["li_fe"]], labels[:, COLUMN["feh"]])
    mode = float(a_li(np.array(summary["li_fe"].map), np.array(summary["feh"].map)))
    (lo68, hi68), (lo95, hi95) = (highest_density_interval(samples, mass) for mass in (0.68, 0.95))
    median = float(np.median(samples))
    return Quantity("li_fe", "A(Li)", "dex", target.decimals, samples, mode, median, lo68, hi68, lo95, hi95)
