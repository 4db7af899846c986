"""Bad input ends in a result or one sentence: a small, seeded part of `make fuzz`, and paths that are not plain files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.campaign import Tally, complaint, try_round
from fuzz.hostile import flux, hostile, image
from fuzz.sandbox import Sandbox
from fuzz.seeds import seeds

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
    for file_format, (data, name) in seeds().items():
        verdict = box.try_bytes(data, name, depth="read")
        assert (verdict.outcome, verdict.finding) == ("answered", None), file_format


@pytest.mark.parametrize("number", [1, 2])
def test_mutated_files_end_in_a_result_or_a_sentence(box, number):
    tally = Tally(analysing=1e9)  # reading alone
    try_round(box, tally, number, size=120)
    assert not tally.findings
    assert sum(tally.outcomes.values()) >= 120


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
