"""Tabs in a real browser: address, keys, tour, spectrum, lines, saliency and what-if, with pictures of each in build/."""

from __future__ import annotations

import re

import pytest
from browsing import (
    IN_BROWSER,
    button,
    drag,
    drawn,
    drop,
    keep_screenshot,
    settled,
    show_tab,
    wait_for_star,
    wait_until,
)

from app.page.views.tabs import TABS
from cinn_core.lines import line_windows

pytestmark = IN_BROWSER


def open_tab(visit, address: str, tab: str, more: str = ""):
    """The made-up star on a tab."""
    page = visit(f"{address}?tab={tab}{more}")
    page.locator(".star", has_text="Star of").wait_for()
    return page


def test_address_opens_a_tab_and_follows_what_is_shown(made_up_address, visit):
    page = open_tab(visit, made_up_address, "lines", "&line=Ca&target=mg_fe")
    page.get_by_text("Diagnostic lines:").wait_for()
    assert page.get_by_role("tab", name="Lines", selected=True).is_visible()
    page.get_by_role("tab", name="Saliency").click()
    page.get_by_text("[Mg/Fe]: ten strongest peaks").wait_for()
    page.wait_for_url(re.compile("tab=saliency.*target=mg_fe"))


def test_unknown_wishes_in_the_address_get_a_sentence(made_up_address, visit):
    page = visit(f"{made_up_address}?line=%3Cimg%20src=x%20onerror=alert(1)%3E&target=zz")
    page.locator(".alert", has_text="There is no diagnostic line <img src=x onerror=alert(1)>").wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_keys_choose_tabs_and_the_list_of_keys_is_shown(page):
    show_tab(page, "Overview")
    page.keyboard.press("2")
    page.get_by_role("tab", name="Lines", selected=True).wait_for()
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    keep_screenshot(page, "keys")
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Keys").wait_for(state="hidden")


def test_light_and_dark_by_key_and_kept_for_the_next_visit(made_up_address, visit):
    page = open_tab(visit, made_up_address, "overview")
    wait_for_star(page, "Star of solar-twin.fits")
    before = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("d")
    after = page.evaluate("document.documentElement.dataset.theme")
    assert {before, after} == {"light", "dark"}
    drawn(page)
    keep_screenshot(page, "overview-dark")
    page.reload()
    page.locator(".star").first.wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == after


def test_tour_walks_through_the_page(page):
    show_tab(page, "Overview")
    page.get_by_role("button", name="A tour of the page for newcomers").click()
    page.locator(".bubble", has_text="1 of").wait_for()
    page.get_by_role("button", name="Next").click()
    page.locator(".bubble", has_text="The star").wait_for()
    keep_screenshot(page, "tour")
    page.get_by_role("button", name="End the tour").click()
    page.locator(".bubble").wait_for(state="detached")


def test_work_can_be_cancelled_and_the_star_before_stays(page):
    show_tab(page, "Overview")
    before = page.locator(".star").inner_text()
    drop(page, "slow.fits", b"some bytes")
    button(page, "cancel").click()
    button(page, "cancel").wait_for(state="hidden")
    assert page.locator(".star").inner_text() == before
    drop(page, "next.fits", b"some bytes")  # analyses take turns: when this one is there the other is over
    wait_for_star(page, "Star of next.fits")
    settled(page)
    assert page.get_by_text("Star of slow.fits").count() == 0


def test_spectrum_names_more_lines_when_zoomed_and_quantile_models_can_be_laid_over(page):
    show_tab(page, "Overview")
    page.get_by_text("Spectrum, residual").wait_for()
    page.get_by_role("checkbox", name=re.compile("^quantile models")).check()
    drawn(page)
    keep_screenshot(page, "spectrum")
    flux = page.locator(".tour-spectrum .bk-Figure").first
    ends = flux.get_attribute("aria-label")
    drag(page, flux, (0.2, 0.4), (0.3, 0.4))
    wait_until(page, lambda: flux.get_attribute("aria-label") != ends, "the flux did not follow the zoom")
    keep_screenshot(page, "spectrum-zoomed")
    page.get_by_role("checkbox", name=re.compile("^quantile models")).focus()
    page.keyboard.press("4")  # a box that is ticked takes no letters, so keys still choose tabs
    page.get_by_text("What each target looks at").wait_for()


def test_every_line_has_a_panel_and_a_verdict_and_one_can_be_left_out(made_up_address, visit):
    page = open_tab(visit, made_up_address, "lines", "&line=5528")
    page.get_by_text("this line alone asks for").wait_for()
    page.get_by_text("What it drives").wait_for()
    page.get_by_text("Li, Mg, Ca in NLTE").wait_for()
    page.get_by_label("in LTE too").check()
    button(page, "Leave it out").click()
    page.get_by_role("columnheader", name="without Mg I 5528.4").wait_for()
    drawn(page)
    keep_screenshot(page, "lines")
    page.keyboard.press(".")
    page.get_by_text(f"{line_windows()[4].name} Å ·").wait_for()


def test_saliency_of_star_and_test_stars_and_a_peak_leads_to_its_spectrum(made_up_address, visit):
    page = open_tab(visit, made_up_address, "saliency", "&target=mg_fe")
    page.locator(".tabulator-row").nth(9).wait_for()
    drawn(page)
    keep_screenshot(page, "saliency")
    first = page.locator(".tabulator-row").first.inner_text()
    button(page, "test stars").click()
    wait_until(page, lambda: page.locator(".tabulator-row").first.inner_text() != first, "the peaks stayed")
    page.locator(".tabulator-row .tabulator-cell:visible").first.click()
    page.get_by_role("tab", name="Overview", selected=True).wait_for()


def test_slider_moves_the_model_and_the_mode_comes_back(page):
    show_tab(page, "What if")
    chi2 = page.get_by_text(re.compile("χ² per pixel .* → "))
    chi2.wait_for()
    drawn(page)
    start = chi2.inner_text()
    slider = page.get_by_role("slider").nth(2)  # [Fe/H]: no spectrum looks the same with another
    slider.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    wait_until(page, lambda: chi2.inner_text() != start, "the slider moved nothing")
    button(page, "Keep this curve").click()
    page.get_by_text(re.compile("Fe/H. .*: χ²")).wait_for()
    keep_screenshot(page, "what-if")
    button(page, "Back to the mode").click()
    wait_until(page, lambda: chi2.inner_text() == start, "the mode did not come back")


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("tab", [tab.slug for tab in TABS])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_tab_fits_at_1024_1280_and_1920_pixels(made_up_address, visit, theme, tab):
    page = open_tab(visit, made_up_address, tab, f"&theme={theme}")
    for width in (1024, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 1000})
        drawn(page)
        fits = "document.documentElement.scrollWidth <= innerWidth"
        wait_until(page, lambda f=fits: page.evaluate(f), f"the page is wider than {width} pixels")
        keep_screenshot(page, f"{tab}-{width}-{theme}")
