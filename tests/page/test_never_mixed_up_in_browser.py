"""In a real browser: no verdict reaches another star, nothing of two stars stands on one page, nothing is lost unasked."""

from __future__ import annotations

import pytest
from browsing import IN_BROWSER, WATCH, drawn, drop, settled, show_tab, tile_texts, wait_for_star, wait_until

from app.page.views.frame import STEPS

pytestmark = [*IN_BROWSER, pytest.mark.nightly]  # minutes each


def two_stars(page, *names: str) -> None:
    """Drop stars and wait until all are in the list, the first of them shown and drawn."""
    for name in names:
        drop(page, name, name.encode())
        page.locator(".star", has_text=f"Star of {name}").wait_for()
    settled(page)


def test_verdict_pressed_while_the_star_changes_is_refused_and_the_next_reaches_its_star(page):
    show_tab(page, "Stars")
    page.locator(".tabulator-row:visible").first.wait_for()
    two_stars(page, "delta.fits", "epsilon.fits")
    rows = page.locator(".tabulator-row:visible")
    page.keyboard.press("k")
    page.keyboard.press("g")
    page.locator(".alert", has_text="Nothing was stored").wait_for()
    settled(page)
    assert not rows.filter(has_text="✓ good").filter(has_text="Star of epsilon.fits").count()
    page.keyboard.press("b")
    rows.filter(has_text="Star of delta.fits").filter(has_text="✗ bad").wait_for()
    page.get_by_role("button", name="Take this verdict back").click()
    rows.filter(has_text="Star of delta.fits").filter(has_text="✗ bad").wait_for(state="detached")


def test_key_takes_the_boxes_and_the_next_star_finds_them_empty(page):
    show_tab(page, "Stars")
    two_stars(page, "zeta.fits", "eta.fits")
    comment = page.get_by_label("comment")
    page.get_by_label("reason").select_option("composite")
    comment.fill("two sets of lines")
    comment.evaluate("box => box.blur()")
    page.keyboard.press("u")
    page.locator(".sub:visible", has_text="? uncertain, composite, two sets of lines").first.wait_for()
    page.keyboard.press("k")
    page.locator(".star", has_text="Star of zeta.fits").wait_for()
    settled(page)
    assert (comment.input_value(), page.get_by_label("reason").input_value()) == ("", "")


def test_nothing_of_one_star_stands_beside_anything_of_another(page):
    show_tab(page, "Overview")
    two_stars(page, "theta.fits", "a-longer-name.fits")
    page.evaluate(WATCH)
    page.keyboard.press("k")
    page.locator(".star", has_text="Star of theta.fits").wait_for()
    settled(page)
    page.keyboard.press("j")
    page.locator(".star", has_text="Star of a-longer-name.fits").wait_for()
    settled(page)
    drawn(page)
    page.evaluate("window.kielWatched = false")  # the page lasts for other tests
    clear = {(name, tiles) for name, is_clear, tiles in page.evaluate("window.kielSeen") if is_clear}
    assert len({name for name, _ in clear}) == 2
    assert len(clear) == 2, clear


def test_of_tabs_clicked_quickly_the_last_is_the_one_shown(page):
    for name in ("Lines", "Posterior", "Saliency", "Preparation"):
        page.get_by_role("tab", name=name, exact=True).click()
    page.get_by_text("cross-correlation with the best template").first.wait_for()
    page.get_by_role("tab", name="Preparation", exact=True, selected=True).wait_for()
    assert page.get_by_text("Diagnostic lines:").locator("visible=true").count() == 0


def test_going_back_shows_the_tab_of_the_address(page):
    show_tab(page, "Lines")
    page.wait_for_url("**tab=lines**")
    show_tab(page, "Posterior")
    page.wait_for_url("**tab=posterior**")
    page.go_back()
    page.get_by_role("tab", name="Lines", exact=True, selected=True).wait_for()
    assert "tab=lines" in page.url


def test_title_names_the_star_and_arrows_choose_a_tile(page):
    show_tab(page, "Overview")
    wait_for_star(page, "Star of")
    assert page.title().startswith("Star of ")
    page.get_by_role("radio", checked=True).focus()
    before = page.get_by_role("radio", checked=True).inner_text()
    page.keyboard.press("ArrowLeft")
    wait_until(page, lambda: page.get_by_role("radio", checked=True).inner_text() != before, "the arrow chose nothing")


def test_leaving_asks_where_the_visit_has_stars_of_its_own(made_up_address, visit):
    page = visit(made_up_address)
    wait_for_star(page, "Star of solar-twin.fits")
    drop(page, "iota.fits", b"iota")
    wait_for_star(page, "Star of iota.fits")
    page.locator(".star").first.click()  # browsers ask only those who have touched the page
    asked: list[str] = []

    def stay(dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.evaluate("setTimeout(() => location.reload(), 0)")
    wait_until(page, lambda: bool(asked), "leaving did not ask")
    assert asked == ["beforeunload"]
    assert page.locator(".star", has_text="Star of iota.fits").count() == 1
    page.once("dialog", lambda dialog: dialog.accept())
    page.close(run_before_unload=False)


def test_tour_and_bar_stay_within_small_windows_through_all_tabs(page):
    sizes, bubble, steps = [(1024, 700), (1280, 720)], page.locator(".bubble"), 0

    def within(box, width: int, height: int) -> bool:
        right, lower = (box[start] + box[size] for start, size in (("x", "width"), ("y", "height")))
        return box["x"] >= 0 and box["y"] >= 0 and right <= width and lower <= height

    page.keyboard.press("1")
    page.get_by_role("button", name="A tour of the page for newcomers").click()
    try:
        while bubble.count():
            for width, height in sizes:
                page.set_viewport_size({"width": width, "height": height})
                for name in ("The list of keyboard shortcuts", "Light or dark"):
                    box = page.get_by_role("button", name=name).bounding_box()
                    assert box["x"] + box["width"] <= width
                wait_until(page, lambda w=width, h=height: within(bubble.bounding_box(), w, h), "the bubble is outside")
            steps += 1
            before = bubble.inner_text()
            page.get_by_role("button", name="Next").click()
            wait_until(
                page, lambda text=before: not bubble.count() or bubble.inner_text() != text, "the tour stood still"
            )
    finally:
        page.set_viewport_size({"width": 1440, "height": 1000})
    assert steps == len(STEPS)
    page.get_by_role("tab", name="Stars", exact=True, selected=True).wait_for()


@pytest.mark.nightly
def test_tiles_are_those_of_before_when_a_star_comes_back(page):
    show_tab(page, "Overview")
    two_stars(page, "kappa.fits", "a-much-longer-name.fits")
    before = tile_texts(page)
    page.keyboard.press("k")
    page.locator(".star", has_text="Star of kappa.fits").wait_for()
    settled(page)
    page.keyboard.press("j")
    page.locator(".star", has_text="Star of a-much-longer-name.fits").wait_for()
    settled(page)
    assert tile_texts(page) == before
