"""The session's state and the runner: what is asked for, what is shown, and what is dropped."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from fake_analysis import fake_analysis

from app.page.jobs import run_analysis
from app.page.state import MAX_UPLOAD_BYTES, SessionState, Source
from app.page.uploads import sort_files
from cinn_core.errors import SpectrumError

FIRST, SECOND = Source(Path("first.fits"), "first.fits"), Source(b"second", "second.fits")


@pytest.fixture
def state() -> SessionState:
    fresh = SessionState()
    fresh.load(FIRST)
    return fresh


def at_once(call) -> None:
    call()


def test_state_refuses_inference_before_a_spectrum_is_loaded():
    with pytest.raises(SpectrumError, match="No spectrum is loaded"):
        SessionState().begin()


def test_finished_request_shows_its_star(state, made_up):
    request = state.begin()
    assert state.status == "working"
    assert state.finish(request, made_up)
    assert (state.analysis, state.status, state.progress, state.message) == (made_up, "ready", "", "")


def test_stale_result_is_dropped(state, made_up):
    stale = state.begin()
    state.load(SECOND)
    current = state.begin()
    assert not state.finish(stale, made_up)
    assert state.analysis is None
    assert state.status == "working"
    assert state.finish(current, made_up)


def test_stale_refusal_and_progress_are_dropped(state):
    stale = state.begin()
    state.load(SECOND)
    state.begin()
    state.report(stale, "an old stage")
    assert not state.refuse(stale, "an old complaint")
    assert state.message == ""
    assert "second.fits" in state.progress


def test_refused_file_leaves_the_previous_star(state, made_up):
    state.finish(state.begin(), made_up)
    state.load(SECOND)
    assert state.refuse(state.begin(), "second.fits holds no spectrum.")
    assert state.analysis is made_up
    assert state.source is FIRST
    assert state.status == "ready"
    assert state.message == "second.fits holds no spectrum."


def test_next_request_clears_the_message(state):
    state.refuse(state.begin(), "No.")
    state.load(SECOND)
    state.begin()
    assert state.message == ""


def test_late_progress_does_not_return_after_the_result(state, made_up):
    request = state.begin()
    state.finish(request, made_up)
    state.report(request, "late")
    assert state.progress == ""


def test_oversized_and_empty_uploads_are_refused():
    class Huge(bytes):
        def __len__(self) -> int:
            return MAX_UPLOAD_BYTES + 1

    with pytest.raises(SpectrumError, match="larger than 64 MB"):
        Source(Huge(), "huge.fits")
    with pytest.raises(SpectrumError, match="is empty"):
        Source(b"", "empty.fits")


def test_two_sessions_share_nothing(made_up):
    one, other = SessionState(), SessionState()
    one.load(FIRST)
    one.finish(one.begin(), made_up)
    assert other.analysis is None
    assert other.source is None


def test_analysis_reports_stages_and_shows_the_star(state, made_up):
    seen = []
    state.param.watch(lambda event: seen.append(event.new), "progress")

    def analyse(request, report):
        assert request.source is FIRST
        report("Drawing samples")
        return made_up

    run_analysis(state, analyse, at_once).result(10)
    assert state.analysis is made_up
    assert "Drawing samples" in seen


def test_analysis_turns_a_refusal_into_the_message(state):
    def analyse(_source, _report):
        raise SpectrumError("first.fits covers no arm.")

    run_analysis(state, analyse, at_once).result(10)
    assert state.message == "first.fits covers no arm."
    assert state.status == "empty"


def test_analysis_names_a_fault_of_its_own_and_logs_it(state, caplog):
    def analyse(_source, _report):
        raise ZeroDivisionError

    run_analysis(state, analyse, at_once).result(10)
    assert "fault in Kiel" in state.message
    assert state.status == "empty"
    assert "ZeroDivisionError" in caplog.text


def test_analysis_works_on_its_own_thread_and_changes_the_state_only_by_post(state, made_up):
    posted, threads = [], []

    def analyse(_source, report):
        threads.append(threading.current_thread().name)
        report("Drawing samples")
        return made_up

    run_analysis(state, analyse, posted.append).result(10)
    assert threads[0].startswith("kiel-inference")
    assert state.status == "working"
    for call in posted:
        call()
    assert state.analysis is made_up


def test_only_the_last_of_several_requests_is_shown_and_waiting_ones_are_never_computed(state):
    gate, ran = threading.Event(), []
    stars = {name: fake_analysis(star=name, n=200) for name in ("one", "two", "three")}

    def analyse(request, _report):
        ran.append(request.source.name)
        assert gate.wait(10)
        return stars[request.source.name]

    futures = []
    for name in stars:
        state.load(Source(b"x", name))
        futures.append(run_analysis(state, analyse, at_once))
        while not ran:
            time.sleep(0.01)  # the first is on the worker before the second is asked for
    gate.set()
    for future in futures:
        future.result(10)
    assert ran == ["one", "three"]
    assert state.analysis is stars["three"]


def test_text_upload_that_arrives_decoded_becomes_bytes_again():
    (source,) = sort_files({"Å.txt": "5000 1.0 # Å"}).sources
    assert source.data == "5000 1.0 # Å".encode()
