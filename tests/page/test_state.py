"""State of a session: what is asked for, what is shown, and what is dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.page.state import MAX_UPLOAD_BYTES, SessionState, Source
from cinn_core.errors import SpectrumError
from cinn_core.inference.constraints import Constraint
from cinn_core.inference.selection import Range

FIRST, SECOND = Source(Path("first.fits"), "first.fits"), Source(b"second", "second.fits")


@pytest.fixture
def state() -> SessionState:
    fresh = SessionState()
    fresh.load(FIRST)
    return fresh


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


def test_constraints_stay_with_a_star_and_go_with_another(made_up):
    state = SessionState()
    state.load(Source(b"x", "a.fits"))
    state.finish(state.begin(), made_up)
    state.constraints = (Constraint("logg", 4.44, 0.02),)
    state.brush = (Range("teff", 5700.0, 5800.0),)
    state.finish(state.begin(), made_up)  # other settings, the same star
    assert state.constraints
    assert not state.brush
    assert state.selection.weights is not None
    state.load(Source(b"x", "b.fits"))
    state.finish(state.begin(), made_up)
    assert not state.constraints
    assert state.selection.weights is None
