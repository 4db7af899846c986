"""Jobs of a session: they run on pools, change the page by `post` alone, and end with a result, a sentence, or not at all."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from fake_analysis import fake_analysis

from app.page.jobs import QUICK, Jobs, Stale, run_analysis, run_job
from app.page.state import SessionState
from app.page.visit import Settings, Source
from cinn_core.errors import SpectrumError

FIRST = Source(Path("first.fits"), "first.fits")


@pytest.fixture
def state() -> SessionState:
    fresh = SessionState()
    fresh.load(FIRST)
    return fresh


def at_once(call) -> None:
    call()


def ending(compute) -> tuple[list, list, list]:
    """Calls posted by a job, and what it shows and refuses once they are made."""
    posted, shown, refused = [], [], []
    run_job(QUICK, posted.append, compute, shown.append, refused.append, "The sum could not be computed").result(10)
    assert not shown
    assert not refused
    for call in posted:
        call()
    return posted, shown, refused


def test_result_of_a_job_is_shown_by_post():
    assert ending(lambda: 3)[1:] == ([3], [])


def test_refusal_of_a_job_is_its_sentence():
    def compute():
        raise SpectrumError("No summand is given.")

    assert ending(compute)[1:] == ([], ["No summand is given."])


def test_fault_in_a_job_is_a_sentence_and_in_the_log(caplog):
    refused = ending(lambda: 1 / 0)[2]
    assert refused == ["The sum could not be computed because of a fault in Kiel; the log says where."]
    assert "ZeroDivisionError" in caplog.text


def test_stale_job_posts_nothing():
    def compute():
        raise Stale

    assert ending(compute)[0] == []


def test_of_two_jobs_of_a_name_the_newer_is_shown(state):
    gate, shown, jobs = threading.Event(), [], Jobs(state, at_once)
    older = jobs.start("The bands", lambda: gate.wait(10) and "older", shown.append)
    newer = jobs.start("The bands", lambda: "newer", shown.append)
    gate.set()
    older.result(10)
    newer.result(10)
    assert shown == ["newer"]


def test_refused_job_of_a_star_is_in_the_message_and_ends_otherwise(state, made_up):
    state.finish(state.begin(), made_up)
    shown, ended = [], []

    def compute():
        raise SpectrumError("No line is left.")

    Jobs(state, at_once).start("The lines", compute, shown.append, otherwise=lambda: ended.append(True)).result(10)
    assert (state.message, shown, ended) == ("No line is left.", [], [True])


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


def test_every_spectrum_asked_for_is_computed_and_the_last_is_shown(state):
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
    assert ran == ["one", "two", "three"]
    assert state.analysis is stars["three"]
    assert [star.analysis for star in state.stars] == list(stars.values())


def test_of_many_requests_for_one_spectrum_those_that_wait_are_never_computed(state, made_up):
    gate, ran = threading.Event(), []

    def analyse(request, _report):
        ran.append(request.settings.seed)
        assert gate.wait(10)
        return made_up

    futures = []
    for seed in range(3):
        state.settings = Settings(seed=seed)
        futures.append(run_analysis(state, analyse, at_once))
        while not ran:
            time.sleep(0.01)
    gate.set()
    for future in futures:
        future.result(10)
    assert ran == [0, 2]
    assert len(state.stars) == 1
