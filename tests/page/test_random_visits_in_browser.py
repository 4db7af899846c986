"""In a real browser: random visits, seeded. No star is lost, no verdict reaches another, nothing of two stars stands on one page."""

from __future__ import annotations

import contextlib
import random
import re
import sqlite3
from dataclasses import dataclass, field

import pytest
from browsing import IN_BROWSER, WATCH, drop, settled, show_tab, wait_for_star, wait_until

from app.page.views.tabs import TABS

pytestmark = [*IN_BROWSER, pytest.mark.nightly]  # minutes each

FIRST = "solar-twin.fits"
MOST_MEMORY = 4_000_000_000
"""Bytes that the server may hold: the model with PyTorch, and a dozen stars of some 5 MB with their figures."""


@dataclass
class Visit:
    """What a visit should hold by now: the names of its stars, the one shown, its verdicts, and what was masked of each."""

    page: object
    seed: int
    stars: list[str] = field(default_factory=lambda: [FIRST])
    at: int = 0
    given: list[tuple[str, str]] = field(default_factory=list)
    done: dict[str, list[str]] = field(default_factory=dict)
    undone: dict[str, list[str]] = field(default_factory=dict)
    dropped: int = 0

    @property
    def shown(self) -> str:
        return self.stars[self.at]


def wait_shown(visit: Visit) -> None:
    """Wait until the star that should be shown is, and all of the page is its own."""
    visit.page.locator(".star", has_text=re.compile(f"^Star of {re.escape(visit.shown)}$")).wait_for()
    settled(visit.page)


def drop_one(visit: Visit, rng: random.Random) -> None:
    name = f"s{visit.seed}-{visit.dropped}-{'x' * rng.randrange(4)}.fits"
    visit.dropped += 1
    drop(visit.page, name, name.encode())
    visit.stars.append(name)
    visit.at = len(visit.stars) - 1
    wait_shown(visit)


def drop_and_turn_away(visit: Visit, rng: random.Random) -> None:
    """A star that another takes the place of while it is analysed still ends in the list."""
    first, second = (f"s{visit.seed}-{visit.dropped + i}.fits" for i in range(2))
    visit.dropped += 2
    drop(visit.page, first, first.encode())
    drop(visit.page, second, second.encode())
    visit.page.locator(".tour-stars", has_text=f"{len(visit.stars) + 2} stars").wait_for()
    settled(visit.page)
    header = visit.page.locator(".star").inner_text().removeprefix("Star of ")
    visit.stars += [first, second]
    visit.at = visit.stars.index(header)
    assert header in (first, second)
    wait_shown(visit)


def step(visit: Visit, rng: random.Random) -> None:
    key = rng.choice("jk")
    visit.page.keyboard.press(key)
    visit.at = (visit.at + (1 if key == "j" else -1)) % len(visit.stars)
    wait_shown(visit)


def judge(visit: Visit, rng: random.Random) -> None:
    key, grade = rng.choice([("g", "good"), ("u", "uncertain"), ("b", "bad")])
    visit.page.keyboard.press(key)
    visit.given.append((visit.shown, grade))
    wait_given(visit)


def wait_given(visit: Visit) -> None:
    """Wait until the newest verdict stands in the left column, or none."""
    line = visit.page.locator(".given")
    if not visit.given:
        line.wait_for(state="hidden")
    else:
        star, grade = visit.given[-1]
        line.filter(has_text=re.compile(rf"Star of {re.escape(star)}: . {grade}")).wait_for()


def step_and_judge_at_once(visit: Visit, rng: random.Random) -> None:
    """The verdict is refused, or is that of the star drawn when the key was pressed."""
    page, before = visit.page, len(visit.given)
    if len(visit.stars) < 2:
        return
    page.keyboard.press("j")
    page.keyboard.press("b")
    visit.at = (visit.at + 1) % len(visit.stars)
    wait_shown(visit)
    refused = page.locator(".alert", has_text="Nothing was stored")
    mine = page.locator(".given").filter(has_text=re.compile(rf"Star of {re.escape(visit.shown)}: . bad"))
    wait_until(page, lambda: refused.count() or mine.count(), "the verdict was neither refused nor stored")
    if refused.count():
        page.get_by_role("button", name="close", exact=True).click()
        refused.wait_for(state="detached")
    else:
        visit.given.append((visit.shown, "bad"))
    assert len(visit.given) - before <= 1


def take_back(visit: Visit, rng: random.Random) -> None:
    if visit.given:
        visit.page.keyboard.press("z")
        visit.given.pop()
        wait_given(visit)


def open_tab(visit: Visit, rng: random.Random) -> None:
    show_tab(visit.page, rng.choice(TABS).name)
    settled(visit.page)


def mask(visit: Visit, rng: random.Random) -> None:
    show_tab(visit.page, "Preparation")
    low = 5200 + 10 * len(visit.done.get(visit.shown, [])) + 200 * rng.randrange(2)
    box = visit.page.get_by_label(re.compile(r"^leave out"))
    box.fill(f"{low} {low + 5}")
    box.press("Tab")
    visit.done.setdefault(visit.shown, []).append(f"{low:.1f}–{low + 5:.1f} Å left out")
    visit.undone[visit.shown] = []
    visit.page.evaluate("document.activeElement?.blur()")
    wait_change(visit)


def wait_change(visit: Visit) -> None:
    """Wait until the strip tells the newest change of the star, or none."""
    done = visit.done.get(visit.shown, [])
    line = visit.page.get_by_text(re.compile("^Last change: "))
    if done:
        line.filter(has_text=done[-1]).wait_for()
    else:
        line.wait_for(state="detached")
    settled(visit.page)


def undo(visit: Visit, rng: random.Random) -> None:
    done, undone = (kept.setdefault(visit.shown, []) for kept in (visit.done, visit.undone))
    if done and (not undone or rng.random() < 0.6):
        visit.page.keyboard.press("x")
        undone.append(done.pop())
    elif undone:
        visit.page.keyboard.press("X")
        done.append(undone.pop())
    wait_change(visit)


def reload(visit: Visit, rng: random.Random) -> None:
    page = visit.page
    page.reload()
    wait_for_star(page, f"Star of {FIRST}", page_ready="Simulated examples")
    settled(page)
    page.evaluate(WATCH)
    visit.stars, visit.at, visit.given, visit.done, visit.undone = [FIRST], 0, [], {}, {}


ACTIONS = {
    drop_one: 3, drop_and_turn_away: 1, step: 4, judge: 4, step_and_judge_at_once: 2, take_back: 2, open_tab: 4, mask: 2, undo: 3,
    reload: 0.4,
}  # fmt: skip


def check_list(visit: Visit) -> None:
    """Every star that was dropped is in the table, with its verdict."""
    show_tab(visit.page, "Stars")
    rows = visit.page.locator(".tabulator-row:visible")
    wait_until(visit.page, lambda: rows.count() == len(visit.stars), f"the table has not {len(visit.stars)} stars")
    texts = rows.all_inner_texts()
    for star in visit.stars:
        row = next(text for text in texts if f"Star of {star}" in text)
        grade = next((grade for name, grade in reversed(visit.given) if name == star), None)
        assert grade is None or grade in row, (star, grade, row)


def check_frames(page) -> None:
    """In no frame that could be read stood the numbers of one star under the name of another."""
    page.evaluate("window.kielWatched = false")
    by_tiles: dict[str, set[str]] = {}
    for name, is_clear, tiles in page.evaluate("window.kielSeen"):
        if is_clear and name:
            by_tiles.setdefault(re.sub(r"[+−0-9.]+ \(\d+\.\d σ\)|was [^|]*|=", "", tiles), set()).add(name)
    assert all(len(names) == 1 for names in by_tiles.values()), by_tiles


def random_visit(server, visit_page, seed: int, n: int) -> None:
    page, rng = visit_page(server.address), random.Random(seed)
    page.set_viewport_size({"width": 1024, "height": 700})
    page.on("dialog", lambda dialog: dialog.accept())
    wait_for_star(page, f"Star of {FIRST}")
    settled(page)
    page.evaluate(WATCH)
    visit, stored = Visit(page, seed), []
    for _ in range(n):
        act = rng.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        if act is reload or len(visit.stars) > 12:
            check_list(visit)
            check_frames(page)
            stored += visit.given
            act = reload
        act(visit, rng)
    check_list(visit)
    check_frames(page)
    stored += visit.given
    with contextlib.closing(sqlite3.connect(server.log.parent / "verdicts.sqlite")) as database:
        kept = database.execute(
            "SELECT star, grade FROM verdicts WHERE star LIKE ?", (f"Star of s{seed}-%",)
        ).fetchall()
    assert sorted(kept) == sorted((f"Star of {star}", grade) for star, grade in stored if star != FIRST)
    assert server.get("health")[0] == 200
    assert server.memory() < MOST_MEMORY


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_visit_loses_and_mixes_up_nothing(made_up_server, visit, seed):
    random_visit(made_up_server, visit, seed, 12)  # ten seconds each on two cores; a longer visit is nightly


@pytest.mark.nightly
@pytest.mark.parametrize(("seed", "n"), [(seed, 60) for seed in (1, 2, 3)] + [(seed, 300) for seed in range(11, 21)])
def test_long_random_visit_loses_and_mixes_up_nothing(made_up_server, visit, seed, n):
    random_visit(made_up_server, visit, seed, n)
