"""Who imports whom among the modules of Kiel, read from the source without running it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@cache
def modules() -> dict[str, Path]:
    """Every module of `app` and `cinn_core` by its dotted name."""
    found = {}
    for package in ("app", "cinn_core"):
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def imported(name: str, when_loaded: bool = False) -> frozenset[str]:
    """What a module imports: dotted names, Kiel's as in `modules`; with `when_loaded` not what functions import later."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if when_loaded and getattr(node, "col_offset", 0) > 0:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in modules() else base for a in node.names}
    return frozenset(found)


def reached_from(name: str, when_loaded: bool = False) -> set[str]:
    """All modules of Kiel that a module needs, directly or through others."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for other in imported(waiting.pop(), when_loaded) & modules().keys():
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen
