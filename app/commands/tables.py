"""Cells, columns and lines that all tables of the command line are made of, and the line of progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cinn_core.targets import TARGETS, Target

TARGET_BY_NAME = {target.name: target for target in TARGETS} | {
    "a_li": Target("a_li", "A(Li)", "dex", -1.0, 4.2, 2),
}


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Give a function that shows a text as a line on stderr, gone at the end; nothing where stderr is not a terminal."""
    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(escape(text))


def number(value: float, target: Target) -> str:
    """A value with the decimals of its target; a dash where it is not finite."""
    return f"{value:.{target.decimals}f}" if math.isfinite(value) else "–"


def signed(value: float | None, name: str) -> str:
    """A difference with its sign and the decimals of its target; a dash where it is missing or not finite."""
    return "–" if value is None or not math.isfinite(value) else f"{value:+.{TARGET_BY_NAME[name].decimals}f}"


def limit_text(value: float) -> str:
    """An upper limit as text; a dash where it is not finite."""
    return f"< {value:.2f}" if math.isfinite(value) else "–"


def fine(value: float, target: Target) -> str:
    """A scatter or width with one decimal more than the target's values where these have any."""
    return f"{value:.{target.decimals + (target.decimals > 1)}f}"


def add_numbers(table: Table, headings: Iterable[str]) -> Table:
    """Add columns of numbers, aligned at the right, to a table; their headings are plain text."""
    for heading in headings:
        table.add_column(escape(heading), justify="right")
    return table


def wide(console: Console | None, width: int) -> Console:
    """The console, else one of stdout, at least so many characters wide."""
    return console or Console(width=max(Console().width, width))


def say(console: Console, text: str) -> None:
    """Print a line of plain text without wrapping it."""
    console.print(escape(text), highlight=False, soft_wrap=True)


def print_pairs(pairs: Mapping[str, str], console: Console) -> None:
    """Print names and texts in two columns."""
    width = max(map(len, pairs))
    for name, text in pairs.items():
        say(console, f"{name:<{width}}  {text}")
