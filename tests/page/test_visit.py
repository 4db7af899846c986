"""What a visit holds: changes made by hand in words, undone and made again, each star's own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fake_analysis import fake_analysis

from app.page.state import SessionState
from app.page.uploads import restored_star
from app.page.views.preparation import region_of
from app.page.views.spectrum import flux_ends, pin_box
from app.page.visit import MOST_CHANGES, MOST_PINS, History, Pin, Request, Settings, Source, Star, changed, pins_of
from cinn_core.errors import KielError
from cinn_core.inference.constraints import Constraint
from cinn_core.inference.quantities import change_text, quantities
from cinn_core.output.bundle import SavedStar, bundle_bytes
from cinn_core.overrides import Overrides
from cinn_core.stages import Answer

SOURCE, OTHER = Source(b"star", "star.fits"), Source(b"other", "other.fits")
NARROW = Constraint("logg", 4.44, 0.02)


@pytest.fixture
def shown(made_up) -> SessionState:
    state = SessionState()
    state.load(SOURCE)
    state.finish(state.begin(), made_up)
    return state


def same_file(made_up, seed: int):
    """Another answer for the same spectrum."""
    other = fake_analysis(seed=seed, n=300)
    return replace(other, flux_vector=replace(other.flux_vector, sha256=made_up.flux_vector.sha256))


def masked(state: SessionState, made_up, region: tuple[float, float], seed: int):
    """Leave a region out, and have the answer come."""
    state.overrides = replace(state.overrides, masked=(*state.overrides.masked, region))
    answer = same_file(made_up, seed)
    state.finish(state.begin(), answer)
    return answer


def test_words_say_what_differs(made_up):
    star = Star(Request(SOURCE), made_up)
    given = Overrides(velocity=3.5, masked=((5200.0, 5210.0),))
    after = Star(Request(SOURCE, Settings(8192), given), made_up, (NARROW,))
    words = changed(star, after)
    for part in (
        "5200.0–5210.0 Å left out",
        "velocity measured → 3.5 km/s",
        "samples 4096 → 8192",
        "log g = 4.44 ± 0.02",
    ):
        assert part in words
    assert "taken in again" in changed(after, star)
    assert "without log g = 4.44 ± 0.02" in changed(after, star)
    assert changed(star, star) == ""


def test_mask_and_constraint_are_undone_and_made_again_in_their_order(shown, made_up):
    answer = masked(shown, made_up, (5200.0, 5210.0), 3)
    shown.constraints = (NARROW,)
    assert [one.words for one in shown.history.done] == ["5200.0–5210.0 Å left out", "log g = 4.44 ± 0.02"]
    shown.undo()
    assert (shown.constraints, shown.analysis) == ((), answer)
    shown.undo()
    assert (shown.analysis, shown.overrides.masked) == (made_up, ())
    shown.undo()  # there is nothing more
    shown.redo()
    shown.redo()
    assert (shown.analysis, shown.constraints) == (answer, (NARROW,))
    assert shown.overrides.masked == ((5200.0, 5210.0),)
    assert len(shown.stars) == 1


def test_undo_belongs_to_the_star_shown(shown, made_up):
    masked(shown, made_up, (5200.0, 5210.0), 3)
    other = fake_analysis(star="other", n=300)
    shown.load(OTHER)
    shown.finish(shown.begin(), other)
    shown.undo()
    assert shown.analysis is other
    shown.restore(shown.stars[0])
    shown.undo()
    assert shown.analysis is made_up


def test_undo_of_what_is_being_computed_cancels_it_and_its_late_answer_is_dropped(shown, made_up):
    shown.overrides = Overrides(masked=((5200.0, 5210.0),))
    request = shown.begin()
    shown.undo()
    assert (shown.status, shown.overrides.masked) == ("ready", ())
    assert not shown.finish(request, same_file(made_up, 3))
    assert shown.analysis is made_up


def test_a_new_change_forgets_what_was_undone_and_the_oldest_of_too_many_goes(made_up):
    history, star = History(), Star(Request(SOURCE), made_up)
    for i in range(MOST_CHANGES + 2):
        after = Star(Request(SOURCE, Settings(seed=i + 1)), made_up)
        history, star = history.add(star, after), after
    assert len(history.done) == MOST_CHANGES
    undone = history.undo(history.last(star))
    assert undone.next(star) is not None
    assert undone.add(star, Star(Request(SOURCE, Settings(seed=99)), made_up)).next(star) is None


def test_numbers_come_first_are_those_of_the_answer_and_go_with_what_is_cancelled(shown, made_up):
    other = fake_analysis(star="other", n=300)
    shown.load(OTHER)
    request = shown.begin()
    shown.report(request, Answer(other.flux_vector, other.posterior, other.summary))
    assert (shown.answer.flux_vector, shown.drawn, shown.analysis) == (other.flux_vector, "", made_up)
    shown.settle(shown.change)
    assert (shown.numbers, shown.drawn) == (other.flux_vector.sha256, "")
    shown.cancel()
    shown.settle(shown.change)
    assert (shown.answer, shown.drawn) == (None, shown.star.identity)
    assert shown.numbers == made_up.flux_vector.sha256


def test_answer_of_a_star_that_is_not_to_be_shown_is_not(shown, made_up):
    other = fake_analysis(star="other", n=300)
    shown.load(OTHER)
    request = shown.begin()
    shown.restore(shown.stars[0])
    shown.report(request, Answer(other.flux_vector, other.posterior, other.summary))
    assert shown.answer is None


def test_change_is_told_in_values_and_in_sigma(made_up):
    before = quantities(made_up)[0]
    half = 0.5 * (before.hi68 - before.lo68)
    assert change_text(before, replace(before, map=before.map + 2 * half)).endswith("(2.0 σ)")
    assert change_text(before, replace(before, map=before.map - half)).startswith("\N{MINUS SIGN}")
    assert change_text(before, before) == "="


@pytest.mark.parametrize("text", ["5200", "5200 to 5210", "5210 5200 5190", "x"])
def test_what_is_no_region_gets_a_sentence(text):
    with pytest.raises(KielError, match="is no region"):
        region_of(text)


def test_region_and_ends_of_the_flux_axis_are_read_as_people_type_them():
    assert region_of("5200–5210") == region_of("5200 5210") == (5200.0, 5210.0)
    assert flux_ends("0,8 1,05") == (0.8, 1.05)
    assert flux_ends("  ") is None
    for text in ("1.05 0.8", "0.8", "nan 1", "a b"):
        with pytest.raises(KielError, match="no range of flux"):
            flux_ends(text)


def test_list_of_lines_is_read_as_a_person_types_it_and_written_so_that_it_can_be_read_again():
    pins = pins_of("Ba II 6141.71; Fe I 6430,85, 5200")
    assert pins == (Pin("Ba II", 6141.71), Pin("Fe I", 6430.85), Pin("", 5200.0))
    assert pins_of("; ".join(map(str, pins))) == pins
    assert pins_of("  ") == ()


@pytest.mark.parametrize("text", ["Ba II", "Ba II 5853.67", "Ba II nan", "inf", "5200; x y"])
def test_line_without_a_wavelength_that_is_observed_is_refused_in_a_sentence(text):
    with pytest.raises(KielError, match=r"has no wavelength within 5160–5730 or 6100–6790 Å; give lines such as"):
        pins_of(text)


def test_box_of_lines_keeps_them_in_the_visit_and_says_what_it_cannot_read(shown):
    box = pin_box(SimpleNamespace(state=shown))
    box.value = "Ba II 6141.71"
    assert shown.pins == (Pin("Ba II", 6141.71),)
    box.value = "Ba II 4554"
    assert "has no wavelength within" in shown.message
    assert shown.pins == (Pin("Ba II", 6141.71),)
    box.value = ""
    assert (shown.pins, shown.message) == ((), "")


def test_list_of_lines_has_an_end():
    with pytest.raises(KielError, match=f"at most {MOST_PINS}"):
        pins_of("; ".join(["5200"] * (MOST_PINS + 1)))


def test_star_that_comes_back_as_it_was_is_no_change_whatever_computed_it(made_up):
    asked = Star(Request(SOURCE, Settings(len(made_up.posterior.labels), made_up.posterior.seed, "cpu")), made_up)
    back = restored_star(bundle_bytes(SavedStar(made_up)), "back.zip")
    assert changed(asked, back) == ""
