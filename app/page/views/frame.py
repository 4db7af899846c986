"""Frame of the page: the tour, the keyboard shortcuts and their list, light and dark, the title, leaving and going back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from cinn_core.lines import line_windows
from cinn_core.targets import TARGET_NAMES

from .. import theme
from ..session import Session, undo
from ..state import SessionState
from ..url import follow_search
from .tabs import TABS
from .verdict import judge_by_key, take_back, verdict_on


class Frame(JSComponent):
    """Buttons and keyboard; what needs the server comes as a message: {"key": …, "star": …}, {"tab": …} or {"search": …}.

    While no star is drawn the page is dimmed: what is on it may be of the star before.
    """

    shortcuts = param.List(doc="One dict a shortcut: keys, does.")
    star = param.String(doc="Identity of the star drawn; empty while it changes.")
    numbers = param.String(doc="Hash of the file whose numbers stand in header and tiles; empty while they change.")
    star_name = param.String(doc="What the star shown is called.")
    tab = param.String(doc="Name of the tab that stands on the page, as the bar has it.")
    ask = param.Boolean(default=False, doc="Whether leaving the page would lose something.")
    steps = param.List(doc="One dict a step of the tour: place (a CSS class), tab, title, text.")

    _esm = Path(__file__).with_name("frame.js")

    _stylesheets: ClassVar[list[str]] = [
        f"""
    .frame {{ display: flex; gap: 4px; font-family: {theme.FONT}; color: {theme.css("ink")}; font-size: {theme.text(13)}; }}
    button {{ all: unset; cursor: pointer; padding: 5px 10px; border-radius: 8px; color: {theme.css("muted")}; }}
    button:hover {{ color: {theme.css("model")}; background: {theme.css("chosen")}; }}
    button:focus-visible {{ outline: 2px solid {theme.css("model")}; }}
    dialog {{ border: 1px solid {theme.css("line")}; border-radius: 12px; padding: 16px 20px; background: {theme.css("card")};
      color: inherit; }}
    dialog::backdrop {{ background: rgb(10 15 25 / 45%); }}
    h2 {{ font-size: {theme.text(15)}; margin: 0 0 8px; }}
    td {{ padding: 4px 14px 4px 0; }}
    kbd {{ border: 1px solid {theme.css("faint")}; border-bottom-width: 2px; border-radius: 5px; padding: 0 6px; margin-right: 4px;
      font-family: inherit; font-size: {theme.text(12)}; }}
    .spot {{ position: fixed; z-index: 5000; border: 2px solid {theme.css("model")}; border-radius: 14px; pointer-events: none;
      box-shadow: 0 0 0 100vmax rgb(10 15 25 / 35%); box-sizing: border-box; }}
    .bubble {{ position: fixed; z-index: 5001; background: {theme.css("card")}; border: 1px solid {theme.css("line")};
      border-radius: 12px; padding: 14px 16px; box-sizing: border-box; box-shadow: 0 8px 30px rgb(10 15 25 / 25%); }}
    .bubble p {{ margin: 6px 0 10px; line-height: 1.4; }}
    .row {{ display: flex; gap: 4px; align-items: center; }}
    .row button:first-child {{ background: {theme.css("model")}; color: {theme.css("card")}; font-weight: 600; }}
    .count {{ margin-left: auto; color: {theme.css("muted")}; font-size: {theme.text(12)}; }}
    """
    ]


def frame(session: Session) -> Frame:
    """The frame of one session."""
    shortcuts = (tab_shortcut(tuple(tab.slug for tab in TABS)), *SHORTCUTS)
    acts = {key: s.act for s in shortcuts for key in s.keys if s.act is not None}
    shown = [{"keys": list(s.keys), "does": s.does} for s in shortcuts]

    state = session.state
    bar = Frame(shortcuts=shown, steps=STEPS, margin=(0, 12))

    def heard(event: Any) -> None:
        key, tab, search = (event.data.get(name) for name in ("key", "tab", "search"))
        if key in acts:
            acts[key](session, key, str(event.data.get("star", "")))
        if tab in {t.slug for t in TABS}:
            state.tab = tab
        if search is not None:
            follow_search(state, str(search))

    def follow(*_events: object) -> None:
        bar.ask = would_lose(state)
        bar.star_name = "" if state.star is None else state.star.name

    bar.on_msg(heard)
    state.param.watch(lambda *_events: bar.param.update(star=state.drawn, numbers=state.numbers), ["drawn", "numbers"])
    state.param.watch(follow, ["analysis", "stars", "waiting", "given"])
    return bar


def would_lose(state: SessionState) -> bool:
    """Whether a visit holds what leaving would lose: stars of a person's own, analysed or on their way, or verdicts."""
    own = any(isinstance(star.request.source.data, bytes) for star in state.stars)
    return own or state.waiting > 0 or bool(state.given)


STEPS: list[dict[str, str]] = [
    {
        "place": "tour-upload", "tab": "overview", "title": "A spectrum",
        "text": "Drop the file of one star here, or take a simulated example. Below you see each stage of the work; "
        "it can be cancelled.",
    },
    {
        "place": "tour-star", "tab": "", "title": "The star",
        "text": "First what to believe, and why. Then whether the network knows such stars, the velocity, the S/N (how far the "
        "spectrum stands above its noise) and how much of each arm was observed.",
    },
    {
        "place": "tour-tiles", "tab": "", "title": "Thirteen answers",
        "text": "Of each quantity the mode (the most probable answer), the interval that holds the truth with 68 %, and the whole "
        "distribution. Hatched: no measurement. Click one to see which pixels it rests on.",
    },
    {
        "place": "tour-spectrum", "tab": "", "title": "Does it fit?",
        "text": "The observation, and the spectrum resimulated from the answer with bands of 68 and 95 %. Drag to zoom; the "
        "residual in units of the noise and the strip of pixels that matter follow.",
    },
    {
        "place": "tour-whose", "tab": "", "title": "Whose posterior?",
        "text": "The samples of the network (a normalising flow) as they are, or weighed against the likelihood of the "
        "spectrum; tiles, table, bands, lines and the Kiel diagram follow.",
    },
    {
        "place": "tour-kiel", "tab": "", "title": "Which kind of star?",
        "text": "The Kiel diagram the program is named after: this star's posterior over the stars it was trained on.",
    },
    {
        "place": "tour-lines", "tab": "lines", "title": "Line by line",
        "text": "Every diagnostic line with the model over it; one that disagrees is marked. A click opens it, and the star can be "
        "inferred without it.",
    },
    {
        "place": "tour-corner", "tab": "posterior", "title": "How the answers hang together",
        "text": "Two quantities against each other in every panel. Beside it, what is known from elsewhere can be put in.",
    },
    {
        "place": "tour-saliency", "tab": "saliency", "title": "What each answer looks at",
        "text": "Red where more flux raises the quantity, blue where it lowers it. A click on a peak shows the spectrum there.",
    },
    {
        "place": "tour-whatif", "tab": "what-if", "title": "What if it were hotter?",
        "text": "Move a slider and see the spectrum change; three lessons show how lithium, magnesium and gravity are read.",
    },
    {
        "place": "tour-preparation", "tab": "preparation", "title": "Where you know better",
        "text": "Each step from your file to the spectrum that was analysed. Change one, and a line above the tiles tells what it "
        "moved; undo brings it back.",
    },
    {
        "place": "tour-table", "tab": "stars", "title": "Many stars",
        "text": "All stars of the visit as a table: filter, compare, judge with g, u, b, and take all of them away.",
    },
]  # fmt: skip
"""`place` is a CSS class, `tab` the tab to open first (empty: stay)."""


@dataclass(frozen=True)
class Shortcut:
    """Keys as `KeyboardEvent.key` names them, what they do, and the act, given the key and the identity of the star drawn.

    None: done in the browser.
    """

    keys: tuple[str, ...]
    does: str
    act: Callable[[Session, str, str], None] | None = None


def step(names: tuple[str, ...], current: str, by: int) -> str:
    """The name so many places further, round the end."""
    return names[(names.index(current) + by) % len(names)]


def _step_line(session: Session, key: str, _drawn: str) -> None:
    names = tuple(window.name for window in line_windows())
    session.state.line = step(names, session.state.line, 1 if key == "." else -1)


def _step_target(session: Session, key: str, _drawn: str) -> None:
    session.state.target = step(TARGET_NAMES, session.state.target, 1 if key == "t" else -1)


def _cancel(session: Session, _key: str, _drawn: str) -> None:
    if session.state.status == "working":
        session.state.cancel()


def _show(slugs: tuple[str, ...], session: Session, key: str, _drawn: str) -> None:
    session.state.tab = slugs[int(key) - 1]


def _step_star(session: Session, key: str, _drawn: str) -> None:
    at, stars = session.state.current, session.state.stars
    if stars:
        session.state.restore(stars[((at or 0) + (1 if key == "j" else -1)) % len(stars)])


def _next_unjudged(session: Session, _key: str, _drawn: str) -> None:
    """Show the next star of the list without a verdict; say so where all have one."""
    state = session.state
    at, n = state.current or 0, len(state.stars)
    following = (state.stars[(at + i) % n] for i in range(1, n + 1))
    star = next((star for star in following if verdict_on(state, star)[0] is None), None)
    if star is None:
        state.warn("Every star of the list has a verdict.")
    else:
        state.restore(star)


def _take_back(session: Session, _key: str, _drawn: str) -> None:
    take_back(session)


def _undo(session: Session, key: str, _drawn: str) -> None:
    if key == "x":
        undo(session)
    else:
        session.state.redo()


SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut(("j", "k"), "next, previous star", _step_star),
    Shortcut(("g", "u", "b"), "verdict: good, uncertain, bad, with what stands in the boxes", judge_by_key),
    Shortcut(("n",), "next star without a verdict", _next_unjudged),
    Shortcut(("z",), "take the last verdict back", _take_back),
    Shortcut(("x", "X"), "take the last change of the star back, make it again", _undo),
    Shortcut((",", "."), "previous, next diagnostic line", _step_line),
    Shortcut(("t", "T"), "next, previous target", _step_target),
    Shortcut(("Escape",), "cancel what is being computed", _cancel),
    Shortcut(("d",), "light or dark"),
    Shortcut(("l",), "large text, for a projector, or not"),
    Shortcut(("?",), "this list"),
)


def tab_shortcut(slugs: tuple[str, ...]) -> Shortcut:
    """The digits choose the tabs, in their order."""
    keys = tuple(str(i + 1) for i in range(len(slugs)))
    return Shortcut(keys, "the tabs, from left to right", partial(_show, slugs))
