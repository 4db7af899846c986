"""Archives and programs from the page: only where the server was started with them, and what comes is handed to the uploads."""

from __future__ import annotations

import time
from types import SimpleNamespace

import panel_material_ui as pmui
import pytest
from fake_analysis import fake_analysis
from local_archive import FEROS, local_archive
from missing import needed
from typer.testing import CliRunner

from app.cli import app
from app.page import elsewhere
from app.page.state import SessionState
from app.page.views.elsewhere import archives_card, elsewhere_cards, programs_card
from cinn_core.vo import archives
from cinn_core.vo.archives import Archive

needed("pyvo", "archive")


@pytest.fixture
def session():
    """A session whose document's turn is at once, and which keeps what is uploaded."""
    got = []
    uploads = SimpleNamespace(add_file=lambda name, content: got.append((name, content)))
    return SimpleNamespace(state=SessionState(), post=lambda call: call(), uploads=uploads, got=got)


@pytest.fixture
def archive(monkeypatch):
    """The archives are a service of this machine."""
    with local_archive(rows=[FEROS, FEROS | {"em_res_power": 9e3}], files={"star.fits": b"a file"}) as service:
        here = Archive("here", "tap", f"{service.url}/tap", frozenset({"127.0.0.1"}))
        monkeypatch.setattr(archives, "ARCHIVES", {"here": here})
        yield service


def control(card, label: str):
    return next(one for one in card.select(pmui.widgets.base.MaterialWidget) if one.label == label)


def press(button) -> None:
    """Click, and wait until what it began is over."""
    button.clicks += 1
    until(lambda: not button.disabled)


def until(condition, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def text_of(card) -> str:
    return " ".join(str(pane.object) for pane in card.select(lambda one: hasattr(one, "object")))


@pytest.mark.parametrize(
    ("archives_on", "samp_on", "cards"),
    [("", "", ()), ("1", "", (archives_card,)), ("1", "1", (archives_card, programs_card))],
)
def test_a_server_has_the_cards_that_it_was_started_with(monkeypatch, archives_on, samp_on, cards):
    monkeypatch.setenv(elsewhere.ARCHIVES_VARIABLE, archives_on)
    monkeypatch.setenv(elsewhere.SAMP_VARIABLE, samp_on)
    assert elsewhere_cards() == cards


def test_samp_on_a_page_for_others_is_refused():
    done = CliRunner().invoke(app, ["serve", "--samp", "--address", "0.0.0.0"])
    assert done.exit_code == 2
    assert "0.0.0.0 lets others in" in done.stderr


def test_a_spectrum_is_found_and_handed_to_the_uploads(session, archive):
    card = archives_card(session)
    control(card, "star or coordinates").value = "235.758 -10.934"
    press(control(card, "find"))
    assert "1 spectra that Kiel can use" in text_of(card)
    assert "1 left out: below R = 18500" in text_of(card)
    (label,) = control(card, "spectrum").options
    assert label == "1: here FEROS R 48000, S/N 210"
    press(control(card, "get and analyse"))
    assert session.got == [("star.fits", b"a file")]


def test_what_goes_wrong_is_a_sentence_and_the_button_can_be_pressed_again(session, archive):
    card = archives_card(session)
    control(card, "star or coordinates").value = "400 -95"
    press(control(card, "find"))
    assert "is no position" in session.state.message
    archive.http_status = 503
    control(card, "star or coordinates").value = "235.758 -10.934"
    press(control(card, "find"))
    assert "503" in text_of(card)
    assert not control(card, "spectrum").visible


def test_what_an_archive_says_is_text_and_never_markup(session, archive):
    archive.status = "<script>alert(1)</script>"
    card = archives_card(session)
    control(card, "star or coordinates").value = "235.758 -10.934"
    press(control(card, "find"))
    assert "alert(1)" in text_of(card)
    assert "<script>" not in text_of(card)


def test_programs_get_the_star_and_their_files_go_to_every_page(session, monkeypatch):
    programs = elsewhere.Programs()
    monkeypatch.setattr(elsewhere, "PROGRAMS", programs)
    sent = []
    hub = SimpleNamespace(
        answers=lambda: True, recipients=dict, send=lambda products: sent.append(products) or ["Other: it"]
    )
    programs._hub = hub
    card = programs_card(session)
    session.state.analysis = fake_analysis(n=200)
    control(card, "send the star").clicks += 1
    until(lambda: "Other: it" in text_of(card))
    assert [product.suffix for product in sent[0]] == [".vot", ".fits", ".vot"]
    programs._hand_on("star.fits", b"sent")
    assert session.got == [("star.fits", b"sent")]


def test_without_a_hub_there_is_a_sentence(session, monkeypatch, tmp_path):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    monkeypatch.setattr(elsewhere, "PROGRAMS", elsewhere.Programs())
    card = programs_card(session)
    session.state.analysis = fake_analysis(n=200)
    control(card, "send the star").clicks += 1
    until(lambda: "No SAMP hub answers" in session.state.message)
    assert elsewhere.PROGRAMS.names() == []
