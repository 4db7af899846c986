"""A verdict reaches the star that was drawn for the person, with what was typed for it, and can be taken back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fake_analysis import fake_analysis

from app.page.state import Draft, SessionState
from app.page.views import frame as frame_module
from app.page.views import verdict as views
from app.page.views.frame import would_lose
from app.page.visit import Source
from cinn_core.output.verdicts import Grade, Verdict, Verdicts


@pytest.fixture
def session(monkeypatch, tmp_path):
    """A session with two stars of its own, the second shown, and an empty store of verdicts."""
    store = Verdicts(f"sqlite:///{tmp_path / 'v.sqlite'}")
    monkeypatch.setattr(views, "verdict_store", lambda: store)
    state = SessionState()
    for name in ("one", "two"):
        state.load(Source(name.encode(), name))
        state.finish(state.begin(), fake_analysis(star=name, file=name, n=200))
    yield SimpleNamespace(state=state, store=store)
    store.close()


def test_verdict_on_a_star_that_is_no_longer_shown_is_refused(session):
    one, two = session.state.stars
    session.state.restore(one)
    views.judge_by_key(session, "g", two.identity)  # its key was pressed before the page had changed
    assert not session.store.all()
    assert "Nothing was stored" in session.state.message
    views.judge_by_key(session, "g", "")
    assert not session.store.all()


def test_key_takes_what_stands_in_the_boxes(session):
    star = session.state.star
    session.state.draft = Draft(star.identity, "composite", "two sets of lines")
    views.judge_by_key(session, "b", star.identity)
    (stored,) = session.store.all()
    assert (stored.sha256, stored.grade, stored.reason, stored.comment) == (
        star.identity, Grade.BAD, "composite", "two sets of lines",
    )  # fmt: skip


def test_words_typed_for_one_star_do_not_go_with_the_next(session):
    one, two = session.state.stars
    session.state.draft = Draft(two.identity, "outside the domain", "TiO")
    session.state.restore(one)
    views.judge_by_key(session, "g", one.identity)
    (stored,) = session.store.all()
    assert (stored.reason, stored.comment) == ("", "")


def test_verdict_can_be_taken_back_and_the_one_before_counts_again(session):
    star = session.state.star
    views.judge_by_key(session, "g", star.identity)
    views.judge_by_key(session, "b", star.identity)
    views.take_back(session)
    assert views.verdict_on(session.state, star)[0].grade is Grade.GOOD
    views.take_back(session)
    assert views.verdict_on(session.state, star) == (None, False)
    views.take_back(session)


def test_verdict_of_somebody_else_is_named_as_such(session):
    star = session.state.star
    session.store.add(Verdict(star.identity, "two", "two", Grade.UNCERTAIN, reviewer="Bob"))
    found, own = views.verdict_on(session.state, star)
    assert not own
    assert "not of this visit" in views.grade_text(found, own)
    assert "by Bob, not in this visit" in str(views.note_on(session.state, star))
    views.judge_by_key(session, "g", star.identity)
    assert "yours" in str(views.note_on(session.state, star))


def test_with_a_login_the_own_verdict_counts(session):
    star = session.state.star
    for name, grade in (("ann", Grade.GOOD), ("bob", Grade.BAD)):
        session.store.add(Verdict(star.identity, "two", "two", grade, reviewer=name))
    assert views.verdict_on(session.state, star)[0].grade is Grade.BAD
    session.state.login = "ann"
    assert views.verdict_on(session.state, star)[0].grade is Grade.GOOD


def test_next_star_without_a_verdict_is_found_round_the_end_of_the_list(session, monkeypatch):
    monkeypatch.setattr(frame_module, "verdict_on", views.verdict_on)
    act = next(shortcut.act for shortcut in frame_module.SHORTCUTS if shortcut.keys == ("n",))
    one, two = session.state.stars
    views.judge_by_key(session, "g", two.identity)
    act(session, "n", "")
    assert session.state.star is one
    views.judge_by_key(session, "g", one.identity)
    act(session, "n", "")
    assert "has a verdict" in session.state.message


def test_leaving_asks_where_a_visit_holds_stars_of_its_own_or_verdicts(session):
    assert would_lose(session.state)
    assert not would_lose(SessionState())
