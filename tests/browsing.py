"""A page served to a real browser, as fixtures; at the end no page may have logged an error or asked another machine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from missing import missing, needed
from serving import Server, served

from app.server.serve import MAIN

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE_MS = 300_000
POLL_MS = 50

IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.timeout(1200),  # a machine that does much else at once is no fault of the page
    pytest.mark.usefixtures("browser"),  # first: without one no page is served
]
"""The marks of every module that uses the fixtures."""


@pytest.fixture(scope="session")
def made_up_server(tmp_path_factory) -> Iterator[Server]:
    with served(ROOT / "tests" / "made_up_page.py", tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def made_up_address(made_up_server) -> str:
    return made_up_server.address


@pytest.fixture(scope="session")
def real_address(model, examples, tmp_path_factory) -> Iterator[str]:
    with served(MAIN, tmp_path_factory.mktemp("server")) as server:
        yield server.address


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        missing("no Chromium on PATH (Debian: apt-get install chromium)")
    playwright = needed("playwright.sync_api", "test")
    with playwright.sync_playwright() as runner:
        chromium = runner.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


_REPLACED_TABLE = "reading 'rowManager'"
"""Panel 1.9.4 scrolls a Tabulator in the next frame of the browser, also where this one replaced it: nothing is seen."""


def watched(context, troubles: list[str]):
    """A page whose errors in the console, and requests to other machines, are noted."""

    def note(request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            troubles.append(f"request to {request.url}")

    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: None if _REPLACED_TABLE in str(error) else troubles.append(str(error)))
    page.on("request", note)
    return page


@pytest.fixture(scope="module")
def lasting_page(browser, made_up_address):
    """One page for the tests of a module: opened once, with the list of its troubles."""
    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    opened = watched(context, troubles)
    opened.goto(made_up_address)
    wait_for_star(opened, "Star of")
    yield opened, troubles
    context.close()


@pytest.fixture
def page(lasting_page):
    """The page that tests share, as the test before left it; it may not log an error."""
    shared, troubles = lasting_page
    troubles.clear()
    yield shared
    assert not troubles, troubles


@pytest.fixture
def visit(browser):
    """Opens a page; at the end no page may have logged an error or asked any other machine for anything."""
    contexts, troubles = [], []

    def open_page(address: str):
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        contexts.append(context)
        page = watched(context, troubles)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles, troubles


def wait_for_star(page, name: str, page_ready: str = "Diagnostic lines") -> None:
    """Wait for a star's header, for a text of the tab that is shown, and until all of the page is the star's.

    Its numbers come first; until its figures are there too a verdict is refused, and nothing is taken away.
    """
    page.locator(".star", has_text=name).wait_for()
    page.get_by_text(page_ready).first.wait_for()
    settled(page)


def drop(page, name: str, content: bytes) -> None:
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": content})


def wait_for_tiles_other_than(page, before: list[str]) -> None:
    wait_until(page, lambda: tile_texts(page) != before, "the tiles did not change")


def wait_until(page, holds: Callable[[], bool], failure: str) -> None:
    """Look again and again until something holds."""
    for _ in range(PATIENCE_MS // POLL_MS):
        if holds():
            return
        page.wait_for_timeout(POLL_MS)
    raise AssertionError(failure)


WATCH = """
() => {
  const root_of = (selector, root = document) => {
    if (root.querySelector(selector)) return root
    for (const host of root.querySelectorAll("*")) {
      const found = host.shadowRoot && root_of(selector, host.shadowRoot)
      if (found) return found
    }
    return null
  }
  const roots = {}
  const deep = (selector) => {  // the roots stay: to look for them in every frame would keep the browser busy
    if (!roots[selector]?.host?.isConnected) roots[selector] = root_of(selector)
    return [...(roots[selector]?.querySelectorAll(selector) ?? [])]
  }
  window.kielSeen = []
  let last = ""
  const look = () => {
    const name = deep(".star").map((e) => e.textContent).join()
    const clear = document.documentElement.dataset.numbers === "true"
    const tiles = deep("[role=radio]").map((e) => e.textContent).join("|")
    const now = [name, clear, tiles].join("|")
    if (now !== last) window.kielSeen.push([name, clear, tiles])
    last = now
    if (window.kielWatched) requestAnimationFrame(look)
  }
  window.kielWatched = true
  look()
}
"""
"""Notes in window.kielSeen, in every frame where one is new: the star's name, whether its numbers are clear, the tiles' texts."""


def settled(page) -> None:
    """Wait until all of the page shows one star."""
    page.wait_for_function("document.documentElement.dataset.settled === 'true'", polling=POLL_MS)


DRAWN = """
() => {
  const all = (root) => [
    ...root.querySelectorAll(".bk-Figure"), ...[...root.querySelectorAll("*")].flatMap((e) => e.shadowRoot ? all(e.shadowRoot) : []),
  ]
  const canvas = (e) => e.shadowRoot?.querySelector(".bk-Canvas")?.shadowRoot?.querySelector("canvas")
  const shown = all(document).filter((e) => e.getClientRects().length)
  return shown.every((e) => canvas(e)?.width > 1) && Bokeh.documents.every((d) => d.is_idle)
}
"""
"""Whether every figure that is to be seen has been painted."""


def drawn(page) -> None:
    """Wait until all of the page shows one star, and its figures have been painted."""
    settled(page)
    page.wait_for_function(DRAWN, polling=5 * POLL_MS)


def tile_texts(page) -> list[str]:
    return page.get_by_role("radio").all_inner_texts()


def button(page, label: str):
    """The button that bears a label; to `get_by_role` its name would be its tooltip, where it has one."""
    return page.locator("button:visible", has_text=re.compile(f"^{re.escape(label)}$"))


def keep_screenshot(page, name: str) -> None:
    """A picture of the page in build/, for whoever looks through the results."""
    BUILD.mkdir(exist_ok=True)
    page.screenshot(path=BUILD / f"{name}.png")


def show_tab(page, name: str) -> None:
    """Click a tab and wait until it is the one shown."""
    page.get_by_role("tab", name=name, exact=True).click()
    page.get_by_role("tab", name=name, exact=True, selected=True).wait_for()


def drag(page, figure, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the mouse over a figure, from and to fractions of its width and height."""
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    (x0, y0), (x1, y1) = ((box["x"] + fx * box["width"], box["y"] + fy * box["height"]) for fx, fy in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move(x1, y1, steps=5)
    page.mouse.up()
