"""URL of the page as a link to what it shows: `?example=solar-twin&tab=lines&line=Li&target=mg_fe`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import panel as pn

from cinn_core.lines import find_window
from cinn_core.targets import TARGET_NAMES

from .state import SessionState

LONGEST = 100
"""Characters of a query value that are read."""


@dataclass(frozen=True)
class PageLink:
    """Query of a URL, checked; `complaint` is a sentence on what does not exist."""

    example: str
    tab: str | None = None
    line: str | None = None
    target: str | None = None
    complaint: str = ""

    def apply(self, state: SessionState) -> None:
        """Show what the link names."""
        values = {"tab": self.tab, "line": self.line, "target": self.target}
        state.param.update(**{name: value for name, value in values.items() if value is not None})


def read_url(examples: dict[str, Path], first: str) -> PageLink:
    """Read the query of this session's URL; the default stands for a value that is missing or does not exist."""
    arguments = {name: values[0].decode(errors="replace") for name, values in pn.state.session_args.items() if values}
    return read_query(arguments, examples, first)


def read_query(arguments: Mapping[str, str], examples: Mapping[str, Path], first: str) -> PageLink:
    """Read the arguments of a query; the default stands for a value that is missing or does not exist."""
    asked = {name: text[:LONGEST] for name, text in arguments.items()}
    complaints = []
    example = asked.get("example") or first
    if example not in examples:
        complaints.append(f"There is no example called {example}; the examples are {', '.join(examples)}.")
    line, target = asked.get("line"), asked.get("target")
    window = find_window(line) if line else None
    if line and window is None:
        complaints.append(f"There is no diagnostic line {line}; ask for one as in line=Li or line=5183.6.")
    if target and target not in TARGET_NAMES:
        complaints.append(f"There is no target {target}; the targets are {', '.join(TARGET_NAMES)}.")
    return PageLink(
        example if example in examples else first,
        asked.get("tab") or ("lines" if window else None),
        window.name if window else None,
        target if target in TARGET_NAMES else None,
        " ".join(complaints),
    )


def follow_search(state: SessionState, search: str) -> None:
    """Show the tab, line and target of a URL that a person went back to; the star stays."""
    arguments = {name: values[0] for name, values in parse_qs(search.removeprefix("?")).items()}
    read_query(arguments, {"": Path()}, "").apply(state)


def keep_url_current(state: SessionState, examples: dict[str, Path]) -> None:
    """Keep the URL in step with the page, so that it can be sent to somebody; an upload has none of its own."""
    location = pn.state.location
    names = {path.name: name for name, path in examples.items()}

    def refresh(*_events: object) -> None:
        if location is None:
            return
        shown = {"tab": state.tab, "line": state.line, "target": state.target}
        example = names.get(state.source.name) if state.source and isinstance(state.source.data, Path) else None
        others = {key: value for key, value in location.query_params.items() if key not in (*shown, "example")}
        location.search = "?" + urlencode(others | ({"example": example} if example else {}) | shown)

    state.param.watch(refresh, ["tab", "line", "target", "source"])
