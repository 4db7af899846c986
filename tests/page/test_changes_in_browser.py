"""In a real browser: what the last change moved stands on every tab and can be undone; numbers before figures; tables; sizes."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from browsing import IN_BROWSER, button, drop, settled, show_tab, tile_texts, wait_for_star, wait_until
from missing import needed

from app.page.views.tabs import TABS
from cinn_core.output.bundle import is_bundle

pytestmark = IN_BROWSER


def mask(page, text: str) -> None:
    """Leave a region out by the box of the tab Preparation."""
    show_tab(page, "Preparation")
    box = page.get_by_label(re.compile(r"^leave out"))
    box.fill(text)
    box.press("Tab")


def test_strip_tells_on_every_tab_what_a_mask_changed_and_undo_brings_back_the_numbers(page):
    show_tab(page, "Overview")
    drop(page, "strip.fits", b"strip")
    wait_for_star(page, "Star of strip.fits")
    settled(page)
    before = tile_texts(page)
    mask(page, "5200 5210")
    changed = page.get_by_text("Last change: 5200.0–5210.0 Å left out")
    changed.wait_for()
    settled(page)
    for tab in ("Posterior", "Overview"):
        show_tab(page, tab)
        assert changed.is_visible()
        assert page.locator(".change:visible", has_text=re.compile(r"^[+−0-9.]+ \(\d+\.\d σ\)$")).count() >= 4
    page.get_by_role("button", name="undo").first.click()
    changed.wait_for(state="detached")
    settled(page)
    wait_until(page, lambda: tile_texts(page) == before, "undo did not bring the numbers back")
    page.keyboard.press("X")
    changed.wait_for()
    page.keyboard.press("x")
    changed.wait_for(state="detached")


def test_numbers_come_before_the_figures_which_are_dimmed_and_out_of_reach(page):
    show_tab(page, "Overview")
    settled(page)
    before = tile_texts(page)
    drop(page, "late.fits", b"late")
    page.get_by_text("The numbers of Star of late.fits; its figures are being drawn").wait_for()
    page.locator(".star", has_text="Star of late.fits").wait_for()
    wait_until(page, lambda: tile_texts(page) != before, "the tiles are still those of before")
    assert page.evaluate("document.documentElement.dataset.settled") == "false"
    assert page.locator(".kiel-settled").evaluate("place => place.style.opacity") == "0.12"
    assert page.locator(".kiel-settled .cover").bounding_box() == page.locator(".kiel-settled").bounding_box()
    page.keyboard.press("Escape")  # back to the star of before, and to its numbers
    wait_until(page, lambda: tile_texts(page) == before, "the numbers of the star that was cancelled stayed")
    settled(page)
    assert page.locator(".star", has_text="Star of late.fits").count() == 0


def test_table_is_filtered_and_all_stars_come_in_one_zip(page):
    show_tab(page, "Stars")
    for name in ("filter-one.fits", "filter-two.fits"):
        drop(page, name, name.encode())
        page.locator(".star", has_text=f"Star of {name}").wait_for()
    settled(page)
    rows = page.locator(".tabulator-row:visible")
    page.get_by_label("name, file or flag").fill("filter-")
    page.get_by_label("name, file or flag").press("Tab")
    wait_until(page, lambda: rows.count() == 2, "the table was not filtered")
    page.get_by_text(re.compile(r"^2 of \d+ stars")).wait_for()
    page.get_by_label("name, file or flag").fill("")
    page.get_by_label("name, file or flag").press("Tab")
    wait_until(page, lambda: rows.count() > 2, "the filter stayed")
    with page.expect_download() as waiting:
        button(page, "take all away").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        names = archive.namelist()
        assert {"kiel-stars.csv", "kiel-stars.vot"} <= set(names)
        one = next(name for name in names if "filter-one" in name)
        assert is_bundle(archive.read(one))
        again = io.BytesIO()
        with zipfile.ZipFile(again, "w") as packed:
            packed.writestr(one, archive.read(one))
    show_tab(page, "Overview")
    drop(page, "some-of-all.zip", again.getvalue())
    wait_for_star(page, "Star of filter-one.fits")
    settled(page)


def test_large_text_is_fourteen_pixels_and_more(page):
    show_tab(page, "Overview")
    settled(page)
    sizes = """() => {
      const found = [], visit = (root) => {
        for (const e of root.querySelectorAll("*")) {
          const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
          if (own && e.getClientRects().length && e.tagName !== "STYLE" && e.tagName !== "SCRIPT")
            found.push([parseFloat(getComputedStyle(e).fontSize), e.textContent.trim().slice(0, 30)])
          if (e.shadowRoot) visit(e.shadowRoot)
        }
      }
      visit(document)
      return found.filter(([size]) => size > 0 && size < 13.95)
    }"""
    page.keyboard.press("l")
    try:
        wait_until(page, lambda: not page.evaluate(sizes), f"too small: {page.evaluate(sizes)}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.keyboard.press("l")


AXE = {
    "light": {"resultTypes": ["violations"], "preload": False},
    "dark": {"resultTypes": ["violations"], "preload": False, "runOnly": ["color-contrast"]},
}
"""In the dark the contrast alone is looked at: nothing else of what axe looks at depends on colours."""


@pytest.mark.parametrize("theme", list(AXE))
def test_axe_finds_nothing_serious_on_any_tab(made_up_address, visit, theme):
    axe = needed("axe_playwright_python.sync_playwright", "test").Axe()
    page, found = visit(f"{made_up_address}?theme={theme}"), []
    wait_for_star(page, "Star of")
    for tab in TABS:
        show_tab(page, tab.name)
        page.get_by_text("drawing …").first.wait_for(state="hidden")
        settled(page)
        found += [
            f"{tab.name}: {one['id']} {node['html'][:120]} {(node['any'] or [{}])[0].get('message', '')[:160]}"
            for one in axe.run(page, options=AXE[theme]).response["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
    assert not found, "\n".join(found)
