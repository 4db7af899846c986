"""Bad input ends in a result or one sentence: a small, seeded part of `make fuzz`, and paths that are not plain files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_formats import FORMATS
from fuzz.campaign import Campaign, complaint, load, save
from fuzz.hostile import flux, hostile, image
from fuzz.mutations import Case, case
from fuzz.sandbox import Sandbox
from fuzz.seeds import LAYOUTS, good_file, small_seeds

QUICK = (
    "all NaN", "constant", "NaN here and there", "1e38 here and there", "shuffled pixels", "wavelengths in nm called Angstrom",
    "one pixel", "1e18 pixels promised", "gzip in ten layers", "cut gzip", "one endless word", "text of infinity", "cards of every type",
    "CRVAL1 is complex", "beyond the heap", "grouping table with remote members", "HDF5 external link", "HDF5 external storage",
    "HDF5 virtual dataset", "HDF5 circular links", "HDF5 of records", "name: path-like", "name: long", "name of no spectrum: lines",
    "name of no spectrum: surrogate",
)  # fmt: skip


@pytest.fixture(scope="module")
def box(model) -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("what", QUICK)
def test_hostile_file_ends_as_it_must(box, what):
    case = hostile()[what]
    assert complaint(case, box.try_bytes(case.make(), case.name, row=case.row)) is None


def test_every_good_file_is_read(box):
    whole = {layout: good_file(layout) for layout in (*FORMATS, "hdf5")}
    for layout, (data, name) in (small_seeds() | whole).items():
        verdict = box.try_bytes(data, name, depth="read")
        assert (verdict.outcome, verdict.finding) == ("answered", None), layout


def test_layouts_of_pipelines_are_among_those_that_are_damaged():
    pipelines = (
        "neid eprv_level_2 espresso_s2d a_table_an_order iraf_multispec makee ipac votable order_image arms_in_columns"
    )
    assert set(pipelines.split()) <= set(LAYOUTS)


def test_mutated_files_end_in_a_result_or_a_sentence(box):
    answer = box.try_round(seed=1, first=0, stop=400, until=time.time() + 600)
    assert answer["findings"] == []
    assert sum(answer["counts"].values()) == answer["next"] == 400
    counted = {key.split("|")[0] for key in answer["counts"]}
    assert counted <= {*LAYOUTS, "stranger"}
    assert len(counted) > 0.9 * len(LAYOUTS)  # some four cases each


def test_case_is_the_same_whenever_it_is_drawn_and_shrinks_to_the_mutation_that_matters():
    good = {"text": (b"5500.0 1.0\n" * 100, "star.txt")}
    drawn = [case(number, 7, good).data for number in range(50)]
    assert drawn == [case(number, 7, good).data for number in range(50)]
    assert len(set(drawn)) > 40
    harmless, fatal = (lambda data: data + b"!"), (lambda data: data[:5])
    whole = Case("text", good["text"][0], "star.txt", (harmless, fatal, harmless))
    assert whole.shrunk(lambda one: len(one.data) < 10).mutations == (fatal,)


def test_stopped_campaign_goes_on_where_it_was(tmp_path):
    campaign = Campaign(seed=5, next=800)
    campaign.counts.update({"text|refused, read": 3, "text|answered, read": 4})
    save(campaign, tmp_path)
    again = load(tmp_path)
    assert (again.seed, again.next, again.total) == (5, 800, 7)
    assert "text" in again.table()
    assert "7   4 answered, read, 3 refused, read" in again.table()


def test_what_is_no_plain_file_is_refused_and_a_link_to_one_is_read(box, tmp_path: Path):
    target = tmp_path / "target.fits"
    target.write_bytes(image(flux()))
    (tmp_path / "link.fits").symlink_to(target)
    (tmp_path / "loop.fits").symlink_to(tmp_path / "loop.fits")
    os.mkfifo(tmp_path / "pipe.fits")
    assert box.try_path(tmp_path / "link.fits", depth="read").outcome == "answered"
    for path in (
        tmp_path / "loop.fits",
        tmp_path / "pipe.fits",
        tmp_path,
        tmp_path / "nothing.fits",
        Path("/dev/zero"),
    ):
        verdict = box.try_path(path)
        assert (verdict.outcome, verdict.finding) == ("refused", None), path
