"""Uploads: files of one drop, sorted and analysed one after the other."""

from __future__ import annotations

from queue import Queue

import pytest

from app.page.state import SessionState, Source
from app.page.uploads import Uploads, sort_files


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
    (source,) = sort_files({"Å.txt": "5000 1.0 # Å"}).sources
    assert source.data == "5000 1.0 # Å".encode()


def test_file_whose_columns_say_nothing_is_asked_about_by_name():
    lines = "\n".join(f"{5000 + 0.05 * i} {1 + 0.01 * (i % 7)} {1 + 0.02 * (i % 5)}" for i in range(400))
    files = sort_files({"star.txt": "# wave sky snr\n" + lines})
    assert files.sources == ()
    assert files.question.names == ("wave", "sky", "snr")
