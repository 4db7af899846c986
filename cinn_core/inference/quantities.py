"""Quantities of a posterior as the page shows them: the thirteen targets in their order, lithium as A(Li)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stages import Analysis, PosteriorSamples, Status, Summary
from ..targets import COLUMN, TARGETS, Target, a_li
from .summary import status_of
from .weighted import highest_density_interval, weighted_quantile

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, eq=False)
class Quantity:
    """One tile, row or corner axis: samples (n,) of a quantity with its mode, intervals and status, in `unit`."""

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
    status: Status = Status.MEASURED
    limit95: float | None = None
    log: bool = False

    @property
    def status_text(self) -> str:
        """Status in words: measured, the 95 % limit, or unconstrained."""
        if self.limit95 is None:
            return self.status.value
        return f"{'<' if self.limit95 >= self.median else '>'} {self.text(self.limit95)}"

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


def change_text(before: Quantity, now: Quantity) -> str:
    """What a change moved, in a few signs: the mode and by how many of its former sigma, "=" where nothing of it can be seen.

    Sigma is half the 68 % interval of before; where either is no measurement the former state stands in place of a number.
    """
    texts = [(q.status, q.status_text, q.value_text, q.spread_text) for q in (before, now)]
    if texts[0] == texts[1]:
        return "="
    half = 0.5 * (before.hi68 - before.lo68)
    if Status.LIMIT in (before.status, now.status) or Status.UNCONSTRAINED in (before.status, now.status) or half <= 0:
        return f"was {before.status_text if before.status is not Status.MEASURED else before.value_text}"
    moved = now.map - before.map
    return f"{now.text(moved, signed=True)} ({abs(moved) / half:.1f} σ)"


def change_note(before: Quantity) -> str:
    """A line on what a quantity was before a change."""
    if before.limit95 is not None:
        return f"before: {before.status_text}, 95 % limit"
    return f"before: {before.value_text}, {before.spread_text}"


def value_text(value: float, decimals: int, signed: bool = False) -> str:
    """A number with so many decimals and a real minus sign."""
    return f"{value:{'+' if signed else ''}z.{decimals}f}".replace("-", MINUS)


def label_of(name: str) -> str:
    """Name of a target on the page: its label, lithium as A(Li)."""
    return "A(Li)" if name == "li_fe" else TARGETS[COLUMN[name]].label


def quantities(analysis: Analysis) -> tuple[Quantity, ...]:
    """The thirteen quantities of a star, in the targets' order."""
    return quantities_of(analysis.posterior, analysis.summary)


def quantities_of(
    posterior: PosteriorSamples, summary: Summary, weights: NDArray | None = None
) -> tuple[Quantity, ...]:
    """Thirteen quantities of samples with weights (n,) and the summary that goes with them."""
    return tuple(_quantity(posterior, summary, target, weights) for target in TARGETS)


def _quantity(posterior: PosteriorSamples, summary: Summary, target: Target, weights: NDArray | None) -> Quantity:
    if target.name == "li_fe":
        return _lithium(posterior, summary, target, weights)
    s = summary.targets[target.name]
    return Quantity(
        target.name, target.label, target.unit, target.decimals, posterior.labels[:, COLUMN[target.name]],
        s.map, s.median, s.lo68, s.hi68, s.lo95, s.hi95, s.status, s.limit95, log=target.log,
    )  # fmt: skip


def _lithium(posterior: PosteriorSamples, summary: Summary, target: Target, weights: NDArray | None) -> Quantity:
    """A(Li) sample by sample: its spread is not that of [Li/Fe], which carries the error of [Fe/H] twice.

    The prior coordinate of [Li/Fe] is that of A(Li), and so is the status.
    """
    lithium, iron = COLUMN["li_fe"], COLUMN["feh"]
    samples = a_li(posterior.labels[:, lithium], posterior.labels[:, iron])
    mode = float(a_li(np.array(summary.targets["li_fe"].map), np.array(summary.targets["feh"].map)))
    (lo68, hi68), (lo95, hi95) = (highest_density_interval(samples, mass, weights) for mass in (0.68, 0.95))
    median = float(weighted_quantile(samples, 0.5, weights))
    status, limit95 = status_of(posterior.z[:, lithium], samples, weights)
    return Quantity(
        "li_fe", "A(Li)", "dex", target.decimals, samples, mode, median, lo68, hi68, lo95, hi95, status, limit95
    )
