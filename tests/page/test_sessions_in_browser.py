"""Sessions in a real browser: the first star, examples, uploads, refusals, and no error in the console."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from astropy.io import fits
from browsing import (
    IN_BROWSER,
    drawn,
    drop,
    keep_screenshot,
    settled,
    show_tab,
    tile_texts,
    wait_for_star,
    wait_for_tiles_other_than,
    wait_until,
)

from cinn_core.targets import TARGETS

LABELS = [target.label for target in TARGETS[:-1]] + ["A(Li)"]

MARKUP = "<img src=x onerror=document.title='owned'>"
FIGURES = 8
"""On the overview: flux, residual and saliency of two arms, the diagnostic lines, the Kiel diagram."""

pytestmark = IN_BROWSER


def test_page_starts_with_the_solar_twin_and_thirteen_tiles(made_up_address, visit):
    page = visit(made_up_address)
    wait_for_star(page, "Star of solar-twin.fits")
    assert [text.split()[0] for text in tile_texts(page)] == [label.split()[0] for label in LABELS]
    page.locator(".bk-Canvas:visible").nth(FIGURES - 1).wait_for()


def test_address_chooses_the_example(made_up_address, visit):
    wait_for_star(visit(f"{made_up_address}?example=metal-poor-giant"), "Star of metal-poor-giant.fits")


def test_unknown_example_gets_a_sentence_and_the_solar_twin(made_up_address, visit):
    page = visit(f"{made_up_address}?example=%3Cimg%20src=x%20onerror=alert(1)%3E")
    page.locator(".alert").wait_for()
    assert "There is no example called <img src=x onerror=alert(1)>" in page.locator(".alert").inner_text()


def test_example_button_changes_the_star(page):
    show_tab(page, "Overview")
    settled(page)
    before = tile_texts(page)
    page.get_by_role("button", name="lithium rich dwarf").click()
    wait_for_star(page, "Star of lithium-rich-dwarf.fits")
    wait_for_tiles_other_than(page, before)


def test_clicking_a_tile_chooses_the_target_of_the_saliency_strip(page):
    show_tab(page, "Overview")
    page.get_by_role("radio").last.click()
    page.get_by_text("what A(Li) looks at").wait_for()
    page.get_by_role("radio").nth(7).click()
    page.get_by_text("what [Mg/Fe] looks at").wait_for()
    assert page.get_by_role("radio", checked=True).count() == 1


def test_refused_file_gets_one_sentence_and_the_star_stays(page):
    show_tab(page, "Overview")
    before = page.locator(".star").inner_text()
    drop(page, "refuse.fits", b"no spectrum at all")
    page.locator(".alert").wait_for()
    assert page.locator(".alert").inner_text().startswith("refuse.fits holds no spectrum;")
    assert page.locator(".star").inner_text() == before


def test_hostile_file_name_and_header_are_shown_as_text(page):
    show_tab(page, "Overview")
    hostile = "<img src=x onerror=document.title='owned'>.fits"
    drop(page, f"refuse{hostile}", b"some bytes")
    page.locator(".alert", has_text=f"refuse{hostile} holds no spectrum").wait_for()
    drop(page, hostile, b"some bytes")
    wait_for_star(page, f"Star of {hostile}")
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_text_file_that_arrives_as_str_is_analysed(page):
    show_tab(page, "Overview")
    page.locator("input[type=file]").set_input_files(
        {"name": "star.txt", "mimeType": "text/plain", "buffer": b"5000 1.0\n"}
    )
    wait_for_star(page, "Star of star.txt")


def test_newer_request_is_shown_and_a_slow_one_ends_in_the_list(page):
    show_tab(page, "Overview")
    drop(page, "slow.fits", b"some bytes")
    page.get_by_role("status").get_by_text("Reading the file").wait_for()
    page.get_by_role("button", name="metal poor giant").click()
    wait_for_star(page, "Star of metal-poor-giant.fits")
    show_tab(page, "Stars")
    page.locator(".tabulator-row:visible", has_text="Star of slow.fits").wait_for()
    assert page.locator(".star", has_text="Star of slow.fits").count() == 0


def test_two_sessions_do_not_share_a_star(made_up_address, visit):
    one, other = visit(made_up_address), visit(made_up_address)
    wait_for_star(one, "Star of solar-twin.fits")
    wait_for_star(other, "Star of solar-twin.fits")
    drop(one, "mine.fits", b"some bytes")
    wait_for_star(one, "Star of mine.fits")
    assert other.get_by_text("Star of mine.fits").count() == 0
    assert other.get_by_text("Star of solar-twin.fits").is_visible()


def test_posterior_tab_shows_the_corner_and_the_table(page):
    page.get_by_role("tab", name="Posterior").click()
    page.locator(".tabulator-row").nth(12).wait_for()
    assert page.locator(".tabulator-row").first.inner_text().split()[0] == "Teff"
    assert page.locator(".bk-Figure:visible").count() == 1


def test_preparation_tab_shows_the_ledger(page):
    page.get_by_role("tab", name="Preparation").click()
    page.get_by_text("cross-correlation with the best template").wait_for()


def test_nothing_is_wider_than_the_page(page):
    show_tab(page, "Overview")
    for width in (1280, 1440):
        page.set_viewport_size({"width": width, "height": 1000})
        fits = "document.documentElement.scrollWidth <= innerWidth"
        wait_until(page, lambda f=fits: page.evaluate(f), f"the page is wider than {width} pixels")


@pytest.mark.slow
def test_upload_of_a_spectrum_gives_thirteen_numbers_corner_and_overlay(real_address, examples, visit):
    page = visit(real_address)
    page.get_by_text("Diagnostic lines").wait_for()
    before = tile_texts(page)
    drop(page, "dropped.fits", examples["metal-poor-giant"].read_bytes())
    page.locator(".sub", has_text="dropped.fits").wait_for()
    wait_for_tiles_other_than(page, before)
    texts = tile_texts(page)
    assert len(texts) == 13
    assert all(any(character.isdigit() for character in text) for text in texts)
    page.locator(".bk-Canvas:visible").nth(FIGURES - 1).wait_for()
    keep_screenshot(page, "overview")
    page.get_by_role("tab", name="Posterior").click()
    page.locator(".tabulator-row").nth(12).wait_for()
    drawn(page)
    keep_screenshot(page, "posterior")


def hostile_fits(path: Path) -> bytes:
    """An example whose header tells its star's and instrument's names in markup, at 10 kB length and with bytes beyond ASCII."""
    with fits.open(path) as file:
        for part in file:
            part.header["OBJECT"] = f"{MARKUP} QQtern {'y' * 10_000}", ""
            part.header["INSTRUME"] = f"{MARKUP} QQ", ""
        out = io.BytesIO()
        file.writeto(out)
    return out.getvalue().replace(b"QQ", "Š".encode())


@pytest.mark.slow
def test_hostile_fits_header_and_file_names_are_shown_as_text_on_every_tab(real_address, examples, visit):
    page = visit(real_address)
    wait_for_star(page, "Simulated solar twin")
    drop(page, f"Štěrn {MARKUP}{'y' * 10_000}.fits", hostile_fits(examples["metal-poor-giant"]))
    wait_for_star(page, MARKUP)
    assert page.locator(".tour-star .sub").inner_text().startswith(f"Štěrn {MARKUP}")
    for name in (".star", ".sub"):
        assert page.locator(f".tour-star {name}").bounding_box()["height"] < 200  # a name takes lines, not the page
    for tab in ("Lines", "Posterior", "Saliency", "What if", "Preparation", "Stars"):
        show_tab(page, tab)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
    keep_screenshot(page, "hostile-header")
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_file_that_is_not_a_spectrum_gets_one_sentence_from_the_real_reader(real_address, visit):
    page = visit(real_address)
    page.get_by_text("Diagnostic lines").wait_for()
    drop(page, "<img src=x onerror=alert(1)>.fits", b"not a FITS file")
    page.locator(".alert").wait_for()
    assert page.locator(".alert").inner_text().count(".") >= 1
    assert page.locator("img[src=x]").count() == 0
