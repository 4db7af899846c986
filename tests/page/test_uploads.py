"""Uploads: files of one drop, sorted and analysed one after the other."""

from __future__ import annotations

import io
import zipfile
from queue import Queue

import pytest
from fake_analysis import fake_analysis

from app.page.jobs import run_analysis
from app.page.state import SessionState
from app.page.uploads import Uploads, sort_files
from app.page.visit import Source
from cinn_core.errors import SpectrumError


def test_a_view_that_fails_does_not_keep_the_next_files_waiting(made_up):
    state, calls, shown = SessionState(), Queue(), []
    state.param.watch(lambda _event: 1 / 0, "stars")
    uploads = Uploads(state, lambda _request, _report: made_up, calls.put, shown.append)
    uploads.analyse_all(tuple(Source(name.encode(), name) for name in ("one.fits", "two.fits", "three.fits")))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            calls.get(timeout=60)()
    assert state.waiting == 0
    uploads.analyse_all((Source(b"four", "four.fits"),))
    assert [source.name for source in shown] == ["one.fits", "four.fits"]


def test_text_upload_that_arrives_decoded_becomes_bytes_again():
    (source,) = sort_files([("Å.txt", "5000 1.0 # Å")]).sources
    assert source.data == "5000 1.0 # Å".encode()


def test_one_bad_file_of_a_zip_or_a_drop_is_a_sentence_and_the_rest_is_analysed():
    found = sort_files([("junk.zip", zipped("a.fits", "empty.txt", "b.fits")), ("no.fits", b""), ("c.fits", b"c")])
    assert [source.name for source in found.sources] == ["a.fits", "b.fits", "c.fits"]
    assert [complaint.split()[0] for complaint in found.complaints] == ["empty.txt", "no.fits"]


def test_a_broken_zip_does_not_refuse_the_files_beside_it():
    broken = zipped("a.fits")[:-30] + b"\0" * 30
    found = sort_files([("good.fits", b"good"), ("broken.zip", zipped()), ("other.fits", broken)])
    assert "good.fits" in [source.name for source in found.sources]
    assert any("broken.zip" in complaint for complaint in found.complaints)


def test_more_files_than_are_taken_at_once_are_named_and_the_first_analysed(monkeypatch):
    monkeypatch.setattr("app.page.uploads.MAX_FILES", 2)
    found = sort_files([(name, b"x") for name in ("a", "b", "c")])
    assert [source.name for source in found.sources] == ["a", "b"]
    assert "drop the other 1" in found.complaints[0]


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"" if name.startswith("empty") else name)
    return buffer.getvalue()


@pytest.fixture
def drops():
    """A session's state, its uploads, and a way to have all that was posted done until nothing is left."""
    state, calls, ran = SessionState(), Queue(), []

    def analyse(request, _report):
        ran.append(request.source.name)
        if request.source.name.startswith("junk"):
            raise SpectrumError(f"{request.source.name} holds no spectrum.")
        return fake_analysis(star=request.source.name, file=request.source.name, n=200)

    def show(source):
        state.load(source)
        run_analysis(state, analyse, calls.put)

    def settle(n):
        while len(ran) < n or state.waiting or state.status == "working":
            calls.get(timeout=60)()
        while not calls.empty():
            calls.get()()

    return state, Uploads(state, analyse, calls.put, show), settle, calls


def sources(*names: str) -> tuple[Source, ...]:
    return tuple(Source(name.encode(), name) for name in names)


def test_stars_of_a_drop_come_in_its_order(drops):
    state, uploads, settle, _ = drops
    names = [f"{i}.fits" for i in range(7)]
    uploads.analyse_all(sources(*names))
    settle(7)
    assert [star.name for star in state.stars] == names
    assert state.star.name == "0.fits"


def test_a_second_drop_queues_and_no_star_of_the_first_is_lost(drops):
    state, uploads, settle, _ = drops
    uploads.analyse_all(sources("a"))
    uploads.analyse_all(sources("b", "c"))
    uploads.analyse_all(sources("d"))
    settle(4)
    assert sorted(star.name for star in state.stars) == ["a", "b", "c", "d"]


def test_turning_to_another_star_during_a_drop_loses_none_of_it(drops):
    state, uploads, settle, _ = drops
    uploads.analyse_all(sources("old"))
    settle(1)
    uploads.analyse_all(sources("a", "b", "c"))
    state.restore(state.stars[0])
    settle(4)
    assert [star.name for star in state.stars] == ["old", "a", "b", "c"]
    assert state.star.name == "old"


def test_the_first_star_of_a_drop_that_can_be_used_is_shown(drops):
    state, uploads, settle, _ = drops
    uploads.analyse_all(sources("old"))
    settle(1)
    uploads.analyse_all(sources("junk.png", "a", "b"))
    settle(4)
    assert state.star.name == "a"
    assert state.message == "junk.png holds no spectrum."
    assert [star.name for star in state.stars] == ["old", "a", "b"]


def test_each_file_of_a_drop_that_cannot_be_used_gets_its_sentence(drops):
    state, uploads, settle, _ = drops
    uploads.analyse_all(sources("a", "junk.png", "b", "junk.txt"))
    settle(4)
    assert state.complaints == ("junk.png holds no spectrum.", "junk.txt holds no spectrum.")


def test_file_whose_columns_say_nothing_is_asked_about_by_name():
    lines = "\n".join(f"{5000 + 0.05 * i} {1 + 0.01 * (i % 7)} {1 + 0.02 * (i % 5)}" for i in range(400))
    files = sort_files([("star.txt", "# wave sky snr\n" + lines)])
    assert files.sources == ()
    assert files.question.names == ("wave", "sky", "snr")
    assert [s.startswith("<svg") for s in files.question.sketches] == [True] * 3
    assert len(set(files.question.sketches)) == 3
