"""The page at work: knowledge from elsewhere, the print version, preparing by hand, the citation; one page for all of it."""

from __future__ import annotations

import re

from browsing import IN_BROWSER, drag, keep_screenshot, show_tab

pytestmark = IN_BROWSER


def test_item04_knowledge_from_elsewhere_reweights_and_tells_how_many_samples_are_left(page):
    show_tab(page, "Posterior")
    page.get_by_label("mean", exact=True).fill("4.44")
    page.get_by_label("sigma", exact=True).fill("0.02")
    page.get_by_label("sigma", exact=True).press("Tab")
    page.get_by_role("button", name="add", exact=True).click()
    page.get_by_text("4096 of 4096 samples: log g = 4.44 ± 0.02").wait_for()
    left = page.get_by_text(re.compile(r"effective samples \d+ of 4096"))
    assert int(re.search(r"samples (\d+) of", left.inner_text())[1]) < 4000
    page.get_by_role("button", name="log g = 4.44 ± 0.02").click()
    page.get_by_text("all 4096 samples").wait_for()


def test_item04_print_version_of_the_corner_comes_as_files(page):
    show_tab(page, "Posterior")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="print version").click()
    assert waiting.value.suggested_filename in ("corner.png", "corner.pdf")


def test_item07_a_region_dragged_out_is_left_out_and_the_star_prepared_again(page):
    show_tab(page, "Preparation")
    page.get_by_text("cross-correlation with the best template").wait_for()
    figure = page.locator(".bk-Figure:visible").first
    figure.wait_for()
    page.wait_for_timeout(1000)
    drag(page, figure, (0.40, 0.5), (0.45, 0.5))
    region = page.get_by_role("button", name=re.compile(r"5\d\d\d\.\d–5\d\d\d\.\d Å"))
    region.wait_for()
    keep_screenshot(page, "preparation")
    page.get_by_role("button", name="measure everything again").click()
    region.wait_for(state="hidden")


def test_item07_what_is_no_number_is_refused_in_a_sentence(page):
    show_tab(page, "Preparation")
    page.get_by_label(re.compile("resolving power")).first.fill("many")
    page.get_by_label(re.compile("resolving power")).first.press("Tab")
    page.locator(".alert", has_text="'many' is no number").wait_for()
    page.get_by_label(re.compile("resolving power")).first.fill("")
    page.get_by_label(re.compile("resolving power")).first.press("Tab")


def test_item09_citation_is_shown(page):
    page.get_by_role("button", name="Cite").click()
    page.get_by_text(re.compile("Ksoll")).first.wait_for()
    page.get_by_role("button", name="Cite").click()
