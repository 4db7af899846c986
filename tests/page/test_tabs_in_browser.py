"""Tabs in a real browser: address, keys, tour, spectrum, lines, saliency and what-if, with pictures of each in build/."""

from __future__ import annotations

import re

import pytest
from browsing import IN_BROWSER, button, keep_screenshot, wait_for_star

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


def test_keys_choose_tabs_and_the_list_of_keys_is_shown(made_up_address, visit):
    page = open_tab(visit, made_up_address, "overview")
    wait_for_star(page, "Star of solar-twin.fits")
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
    page.wait_for_timeout(500)
    keep_screenshot(page, "overview-dark")
    page.reload()
    page.locator(".star").first.wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == after


def test_tour_walks_through_the_page(made_up_address, visit):
    page = open_tab(visit, made_up_address, "overview")
    wait_for_star(page, "Star of solar-twin.fits")
    page.get_by_role("button", name="A tour of the page for newcomers").click()
    page.locator(".bubble", has_text="1 of").wait_for()
    page.get_by_role("button", name="Next").click()
    page.locator(".bubble", has_text="The star").wait_for()
    keep_screenshot(page, "tour")
    page.get_by_role("button", name="End the tour").click()
    page.locator(".bubble").wait_for(state="detached")


def test_work_can_be_cancelled_and_the_star_before_stays(made_up_address, visit):
    page = open_tab(visit, made_up_address, "overview")
    wait_for_star(page, "Star of solar-twin.fits")
    page.locator("input[type=file]").set_input_files({"name": "slow.fits", "mimeType": "", "buffer": b"some bytes"})
    button(page, "cancel").click()
    page.wait_for_timeout(2500)
    assert page.get_by_text("Star of slow.fits").count() == 0
    assert page.get_by_text("Star of solar-twin.fits").first.is_visible()


def test_spectrum_names_more_lines_when_zoomed_and_quantile_models_can_be_laid_over(made_up_address, visit):
    page = open_tab(visit, made_up_address, "overview")
    wait_for_star(page, "Star of solar-twin.fits")
    page.get_by_text("Spectrum, residual").wait_for()
    page.get_by_role("checkbox", name=re.compile("^quantile models")).check()
    page.wait_for_timeout(1500)
    keep_screenshot(page, "spectrum")
    figure = page.locator(".tour-spectrum .bk-Figure").first.bounding_box()
    page.mouse.move(figure["x"] + 120, figure["y"] + 100)
    page.mouse.down()
    page.mouse.move(figure["x"] + 180, figure["y"] + 100, steps=4)
    page.mouse.up()
    page.wait_for_timeout(1500)
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
    page.get_by_text("without Mg I 5528.4").wait_for()
    page.wait_for_timeout(1000)
    keep_screenshot(page, "lines")
    page.keyboard.press(".")
    page.get_by_text(f"{line_windows()[4].name} Å ·").wait_for()


def test_saliency_of_star_and_test_stars_and_a_peak_leads_to_its_spectrum(made_up_address, visit):
    page = open_tab(visit, made_up_address, "saliency", "&target=mg_fe")
    page.locator(".tabulator-row").nth(9).wait_for()
    page.wait_for_timeout(1500)
    keep_screenshot(page, "saliency")
    first = page.locator(".tabulator-row").first.inner_text()
    button(page, "test stars").click()
    for _ in range(600):
        if page.locator(".tabulator-row").first.inner_text() != first:
            break
        page.wait_for_timeout(100)
    assert page.locator(".tabulator-row").first.inner_text() != first
    page.locator(".tabulator-row .tabulator-cell:visible").first.click()
    page.get_by_role("tab", name="Overview", selected=True).wait_for()


def test_slider_moves_the_model_and_the_mode_comes_back(made_up_address, visit):
    page = open_tab(visit, made_up_address, "what-if")
    chi2 = page.get_by_text(re.compile("χ² per pixel .* → "))
    chi2.wait_for()
    page.wait_for_timeout(1000)
    start = chi2.inner_text()
    slider = page.get_by_role("slider").nth(2)  # [Fe/H]: no spectrum looks the same with another
    slider.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    for _ in range(100):
        if chi2.inner_text() != start:
            break
        page.wait_for_timeout(100)
    assert chi2.inner_text() != start
    button(page, "Keep this curve").click()
    page.get_by_text(re.compile("Fe/H. .*: χ²")).wait_for()
    keep_screenshot(page, "what-if")
    button(page, "Back to the mode").click()
    for _ in range(100):
        if chi2.inner_text() == start:
            break
        page.wait_for_timeout(100)
    assert chi2.inner_text() == start


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("tab", ["overview", "lines", "saliency", "what-if"])
def test_every_tab_fits_at_1280_and_1920_pixels_light_and_dark(made_up_address, visit, tab):
    for theme in ("light", "dark"):
        page = open_tab(visit, made_up_address, tab, f"&theme={theme}")
        for width in (1280, 1920):
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_timeout(1200)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            keep_screenshot(page, f"{tab}-{width}-{theme}")
