"""State of a session: what is asked for, what is shown, and what is dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_analysis import fake_analysis

from app.page.state import Draft, SessionState
from app.page.visit import MAX_UPLOAD_BYTES, Request, Settings, Source, Star
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


def test_star_whose_analysis_has_begun_ends_in_the_list_when_another_is_asked_for(state, made_up):
    first, other = state.begin(), fake_analysis(star="other", n=200)
    state.load(SECOND)
    second = state.begin()
    assert state.waiting == 1
    assert not state.finish(first, made_up)
    assert (state.analysis, state.status, state.waiting) == (None, "working", 0)
    assert [star.analysis for star in state.stars] == [made_up]
    assert state.finish(second, other)
    assert [star.analysis for star in state.stars] == [made_up, other]
    assert state.analysis is other


def test_star_whose_analysis_has_begun_ends_in_the_list_when_the_reader_turns_to_one_of_before(state, made_up):
    state.finish(state.begin(), made_up)
    state.load(SECOND)
    request, late = state.begin(), fake_analysis(star="late", n=200)
    state.restore(state.stars[0])
    assert (state.status, state.waiting) == ("ready", 1)
    state.finish(request, late)
    assert [star.analysis for star in state.stars] == [made_up, late]
    assert (state.analysis, state.waiting) == (made_up, 0)


def test_request_for_the_same_spectrum_supersedes_the_one_before(state, made_up):
    stale = state.begin()
    state.settings = Settings(512)
    current = state.begin()
    assert not state.is_wanted(stale)
    assert not state.finish(stale, made_up)
    assert not state.stars
    assert state.finish(current, made_up)


def test_cancelled_star_does_not_come(state, made_up):
    request = state.begin()
    state.cancel()
    assert not state.finish(request, made_up)
    assert not state.stars


def test_star_prepared_anew_behind_takes_its_own_place_on_the_page(state, made_up):
    state.finish(state.begin(), made_up)
    other = fake_analysis(star="other", n=200)
    state.load(SECOND)
    state.finish(state.begin(), other)
    state.restore(state.stars[0])
    again = state.begin()
    state.restore(state.stars[1])
    state.restore(state.stars[0])
    anew = replace(made_up, flags=())
    state.finish(again, anew)
    assert state.analysis is anew
    assert [star.analysis for star in state.stars] == [anew, other]


def test_progress_of_a_star_behind_is_not_shown_and_its_refusal_is(state):
    behind = state.begin()
    state.load(SECOND)
    state.begin()
    state.report(behind, "an old stage")
    assert "second.fits" in state.progress
    assert not state.refuse(behind, "first.fits holds no spectrum.")
    assert (state.message, state.complaints) == ("", ("first.fits holds no spectrum.",))
    assert state.status == "working"


def test_complaints_about_files_add_up_until_they_are_closed(state, made_up):
    for name in ("a.png", "b.txt"):
        state.complain(f"{name} holds no spectrum.")
    state.finish(state.begin(), made_up)
    state.restore(state.stars[0])
    assert state.complaints == ("a.png holds no spectrum.", "b.txt holds no spectrum.")
    state.close_message()
    assert not state.complaints


@pytest.mark.parametrize("change", [{"tab": "lines"}, {"constraints": (Constraint("logg", 4.4, 0.1),)}])
def test_message_goes_with_what_it_was_about(state, made_up, change):
    state.finish(state.begin(), made_up)
    state.warn("The mean given for log g is no finite number.")
    state.param.update(**change)
    assert state.message == ""


def test_nothing_counts_as_drawn_from_the_moment_that_the_star_changes(state, made_up):
    state.finish(state.begin(), made_up)
    state.settle(state.change)
    assert state.drawn == made_up.flux_vector.sha256
    seen = []
    state.param.watch(lambda _event: seen.append(state.drawn), "analysis")
    state.load(SECOND)
    state.finish(state.begin(), fake_analysis(star="other", n=200))
    assert seen == [""]


def test_boxes_of_the_verdict_are_emptied_with_each_star(state, made_up):
    state.finish(state.begin(), made_up)
    state.draft = Draft(made_up.flux_vector.sha256, "composite", "two sets of lines")
    state.restore(state.stars[0])
    assert state.draft == Draft()


def test_spectra_of_one_file_have_identities_of_their_own(made_up):
    one, other = (Star(Request(Source(b"x", "x.fits", row=row)), made_up) for row in (0, 1))
    assert one.identity != other.identity
    assert Star(Request(Source(b"x", "x.fits")), made_up).identity == made_up.flux_vector.sha256


def test_star_that_leaves_a_full_list_is_named(state, made_up, monkeypatch):
    monkeypatch.setattr("app.page.state.MAX_STARS", 2)
    for name in ("a", "b", "c"):
        state.keep(Star(Request(Source(b"x", name)), fake_analysis(star=name, file=name, n=200)))
    assert [star.name for star in state.stars] == ["b", "c"]
    assert state.complaints[0].startswith("a has left the list")


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
