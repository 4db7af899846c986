"""The keyboard shortcuts: one list, shown by the page as it is; each acts on the visit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cinn_core.lines import line_windows
from cinn_core.output.verdicts import Grade
from cinn_core.targets import TARGET_NAMES

from .context import Visit
from .views.verdict import judge


@dataclass(frozen=True)
class Shortcut:
    """Keys as `KeyboardEvent.key` names them, what they do, and the act, given the key; None: done in the browser."""

    keys: tuple[str, ...]
    does: str
    act: Callable[[Visit, str], None] | None = None


def step(names: tuple[str, ...], current: str, by: int) -> str:
    """The name so many places further, round the end."""
    return names[(names.index(current) + by) % len(names)]


def _step_line(visit: Visit, key: str) -> None:
    names = tuple(window.name for window in line_windows())
    visit.state.line = step(names, visit.state.line, 1 if key == "." else -1)


def _step_target(visit: Visit, key: str) -> None:
    visit.state.target = step(TARGET_NAMES, visit.state.target, 1 if key == "t" else -1)


def _cancel(visit: Visit, _key: str) -> None:
    if visit.state.status == "working":
        visit.state.cancel()


def _show(slugs: tuple[str, ...], visit: Visit, key: str) -> None:
    visit.state.tab = slugs[int(key) - 1]


def _step_star(visit: Visit, key: str) -> None:
    at, stars = visit.state.current, visit.state.stars
    if stars:
        visit.state.restore(stars[((at or 0) + (1 if key == "j" else -1)) % len(stars)])


def _judge(visit: Visit, key: str) -> None:
    judge(visit, next(grade for grade in Grade if grade.value[0] == key))


SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut(("j", "k"), "next, previous star", _step_star),
    Shortcut(("g", "u", "b"), "verdict: good, uncertain, bad", _judge),
    Shortcut((",", "."), "previous, next diagnostic line", _step_line),
    Shortcut(("t", "T"), "next, previous target", _step_target),
    Shortcut(("Escape",), "cancel what is being computed", _cancel),
    Shortcut(("d",), "light or dark"),
    Shortcut(("?",), "this list"),
)


def tab_shortcut(slugs: tuple[str, ...]) -> Shortcut:
    """The digits choose the tabs, in their order."""
    keys = tuple(str(i + 1) for i in range(len(slugs)))
    return Shortcut(keys, "the tabs, from left to right", partial(_show, slugs))
