"""Workflows in a real browser: brushing, preparing by hand, many stars, taking away and coming back, the same numbers everywhere."""

from __future__ import annotations

import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from browsing import (
    IN_BROWSER,
    button,
    drag,
    drawn,
    drop,
    keep_screenshot,
    settled,
    show_tab,
    tile_texts,
    wait_for_star,
    wait_until,
)
from typer.testing import CliRunner

from app.cli import app
from cinn_core.analyse import analyse
from cinn_core.output.bundle import is_bundle
from cinn_core.targets import TARGET_NAMES, TARGETS

pytestmark = IN_BROWSER


def test_a_brushed_region_of_the_corner_is_what_table_and_tiles_then_show(page):
    show_tab(page, "Posterior")
    page.locator(".tabulator-row:visible").nth(12).wait_for()
    page.get_by_text("all 4096 samples").wait_for()
    before = page.locator(".tabulator-row:visible").nth(1).inner_text()
    corner = page.locator(".bk-Figure:visible").first
    corner.wait_for()
    drawn(page)
    drag(page, corner, (0.105, 0.10), (0.135, 0.13))  # within the panel of log g against Teff
    page.get_by_text(re.compile(r"\d+ of 4096 samples: Teff .*, log g ")).wait_for()
    wait_until(
        page, lambda: page.locator(".tabulator-row:visible").nth(1).inner_text() != before, "log g did not follow"
    )
    keep_screenshot(page, "posterior-brushed")
    page.get_by_role("button", name="clear the brush").click()
    page.get_by_text("all 4096 samples").wait_for()


def test_constraint_reweights_and_tells_how_many_samples_are_left(page):
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


def test_print_version_of_the_corner_comes_as_files(page):
    show_tab(page, "Posterior")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="print version").click()
    assert waiting.value.suggested_filename in ("corner.png", "corner.pdf")


def test_card_is_saved_as_its_numbers_by_one_click(page):
    show_tab(page, "Posterior")
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_title("Save the corner as CSV").locator("visible=true").click()
    assert waiting.value.suggested_filename.endswith("-corner.csv")
    assert list(pd.read_csv(waiting.value.path()))[:2] == ["Teff [K]", "log g"]


def test_a_region_dragged_out_is_left_out_and_the_star_prepared_again(page):
    show_tab(page, "Preparation")
    page.get_by_text("cross-correlation with the best template").wait_for()
    figure = page.locator(".bk-Figure:visible").first
    figure.wait_for()
    drawn(page)
    drag(page, figure, (0.40, 0.5), (0.45, 0.5))
    region = page.get_by_role("button", name=re.compile(r"5\d\d\d\.\d–5\d\d\d\.\d Å"))
    region.wait_for()
    keep_screenshot(page, "preparation")
    page.get_by_role("button", name="measure everything again").click()
    region.wait_for(state="hidden")


def test_what_is_not_a_number_is_refused_in_a_sentence(page):
    show_tab(page, "Preparation")
    page.get_by_label(re.compile("resolving power")).first.fill("many")
    page.get_by_label(re.compile("resolving power")).first.press("Tab")
    page.locator(".alert", has_text="'many' is not a number").wait_for()
    page.get_by_label(re.compile("resolving power")).first.fill("")
    page.get_by_label(re.compile("resolving power")).first.press("Tab")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return buffer.getvalue()


def test_a_zip_becomes_a_table_to_judge_compare_and_export(page):
    show_tab(page, "Stars")
    drop(page, "night.zip", zipped("alpha.fits", "beta.txt"))
    rows = page.locator(".tabulator-row:visible")
    rows.filter(has_text="Star of alpha.fits").wait_for()
    rows.filter(has_text="Star of beta.txt").wait_for()
    wait_for_star(page, "Star of alpha.fits", page_ready="Verdict on the star shown")
    page.keyboard.press("g")
    rows.filter(has_text="Star of alpha.fits").filter(has_text="good").wait_for()
    page.keyboard.press("j")
    page.locator(".star", has_text="Star of beta.txt").wait_for()
    page.keyboard.press("k")
    page.locator(".star", has_text="Star of alpha.fits").wait_for()
    for name in ("alpha.fits", "beta.txt"):
        rows.filter(has_text=f"Star of {name}").locator("input[type=checkbox]").check()
    page.get_by_role("button", name="compare 2", exact=True).click()  # named by what stands on it, not by its tooltip
    page.get_by_text("Two stars compared").wait_for()
    drawn(page)
    keep_screenshot(page, "stars")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    table = pd.read_csv(waiting.value.path())
    assert {"Star of alpha.fits", "Star of beta.txt"} <= set(table["star"])
    assert "good" in table.set_index("star").loc["Star of alpha.fits", "grade"].lower()


def test_what_was_taken_away_brings_the_star_back(page):
    show_tab(page, "Overview")
    drop(page, "gamma.fits", b"some bytes")
    wait_for_star(page, "Star of gamma.fits")
    with page.expect_download() as waiting:
        button(page, "Take away").click()
    content = waiting.value.path().read_bytes()
    assert is_bundle(content)
    assert waiting.value.suggested_filename == "kiel-Star-of-gamma.fits.zip"
    before = tile_texts(page)
    page.get_by_role("button", name="metal poor giant").click()
    wait_for_star(page, "Star of metal-poor-giant.fits")
    drop(page, "taken-away.zip", content)
    wait_for_star(page, "Star of gamma.fits")
    wait_until(page, lambda: tile_texts(page) == before, "the numbers of the star that came back differ")


def test_citation_is_shown(page):
    page.get_by_role("button", name="Cite").click()
    page.get_by_text(re.compile("Ksoll")).first.wait_for()
    page.get_by_role("button", name="Cite").click()


@pytest.fixture
def one_thread():
    """Torch's threads as the served page has them: other numbers of them add up in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_page_command_line_and_notebook_give_the_same_samples(
    real_address, visit, model, examples, tmp_path, one_thread
):
    """To 1e-5, in single precision."""
    path = examples["solar-twin"]
    in_notebook = analyse(path, model, n_samples=512, seed=7)
    out = tmp_path / "star.json"
    options = ["--samples", "512", "--seed", "7", "--device", "cpu", "--json", str(out)]
    assert CliRunner().invoke(app, ["analyse", str(path), *options]).exit_code == 0
    by_command = json.loads(out.read_text())["targets"]
    page = visit(f"{real_address}?example=solar-twin")
    page.get_by_text("Diagnostic lines").wait_for()
    page.get_by_label(re.compile("^seed")).first.fill("7")
    page.get_by_label(re.compile("^seed")).first.press("Tab")
    page.get_by_label(re.compile("^samples")).click()
    page.get_by_text("512", exact=True).click()
    page.locator("dl div", has_text=re.compile(r"^samples\s*512$")).wait_for()
    with page.expect_download() as waiting:
        button(page, "Take away").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        on_page = pd.read_parquet(io.BytesIO(archive.read("posterior.parquet")))
        results = json.loads(archive.read("results.json"))["targets"]
    for i, name in enumerate(TARGET_NAMES):
        np.testing.assert_allclose(
            on_page[name], in_notebook.posterior.labels[:, i], rtol=1e-5, atol=1e-5, err_msg=name
        )
        for number in ("map", "median", "lo68", "hi95"):
            expected = getattr(in_notebook.summary.targets[name], number)
            assert by_command[name][number] == pytest.approx(expected, rel=1e-5, abs=1e-5)
            assert results[name][number] == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert len(TARGETS) == len(by_command)
