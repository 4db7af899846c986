"""A page served to a real browser, as fixtures; at the end no page may have logged an error or asked another machine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from missing import missing, needed
from serving import served

from app.server.serve import MAIN

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE_MS = 300_000

IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.timeout(1200),  # a machine that does much else at once is no fault of the page
    pytest.mark.usefixtures("browser"),  # first: without one no page is served
]
"""The marks of every module that uses the fixtures."""


@pytest.fixture(scope="session")
def made_up_address(tmp_path_factory) -> Iterator[str]:
    with served(ROOT / "tests" / "made_up_page.py", tmp_path_factory.mktemp("server")) as server:
        yield server.address


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


@pytest.fixture(scope="session")
def lasting_page(browser, made_up_address):
    """One page for many tests: opened once, with the list of its troubles."""
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
    """Wait for a star's header, and for a text of the tab that is shown."""
    page.locator(".star", has_text=name).wait_for()
    page.get_by_text(page_ready).first.wait_for()


def drop(page, name: str, content: bytes) -> None:
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": content})


def wait_for_tiles_other_than(page, before: list[str]) -> None:
    wait_until(page, lambda: tile_texts(page) != before, "the tiles did not change")


def wait_until(page, holds: Callable[[], bool], failure: str) -> None:
    """Look again and again until something holds."""
    for _ in range(PATIENCE_MS // 100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError(failure)


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
