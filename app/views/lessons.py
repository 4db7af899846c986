"""Lessons of the What if tab: one change to the star each, the line in which it shows, and what to see there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """`steps` are added to the mode (lithium as A(Li)); `line` names the diagnostic line that is shown large."""

    name: str
    line: str
    steps: dict[str, float]
    text: str


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        "lithium", "Li I 6707.8", {"li_fe": 1.5},
        "Thirty times the lithium: one line grows, at 6707.8 Å, and next to nothing else changes. All that this spectrum "
        "knows of lithium is in these few pixels; where the line drowns in the noise, only an upper limit is left.",
    ),
    Lesson(
        "magnesium", "Mg I 5528.4", {"mg_fe": 0.3},
        "Twice the magnesium: the triplet at 5167, 5173 and 5184 Å grows in its wings, for its cores are saturated, while "
        "the weaker lines at 5528 and 5711 Å deepen. Several lines have to agree on one abundance.",
    ),
    Lesson(
        "gravity", "Mg I 5183.6", {"logg": -0.8},
        "A surface gravity six times lower, a subgiant: with less pressure the wings of the strong magnesium and calcium "
        "lines shrink, and lines of ionised iron (Fe II 5234, 6456 Å) deepen against those of neutral iron. No line is that "
        "of gravity alone; move [Mg/Fe] up and the wings return, the Fe II lines stay.",
    ),
)  # fmt: skip
"""In the order in which a class takes them."""
