"""Verdicts survive the session, none overwrites another, and both exports can be read again."""

import io

import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table

from cinn_core.errors import DataError
from cinn_core.output.verdicts import Grade, Verdict, Verdicts, as_csv, as_votable

HOSTILE = Verdict(
    "a" * 64, '<img onerror=x>, "Štern"', "f.fits", Grade.BAD, "cosmic; DROP TABLE verdicts", "two\nlines", "Bob"
)


@pytest.fixture
def store(tmp_path):
    store = Verdicts(f"sqlite:///{tmp_path / 'v.sqlite'}")
    yield store
    store.close()


def test_verdict_outlives_the_program(store):
    store.add(HOSTILE)
    again = Verdicts(store.url)
    found = again.newest(HOSTILE.sha256)
    again.close()
    assert found is not None
    assert (found.star, found.grade, found.reason, found.comment) == (
        HOSTILE.star, Grade.BAD, HOSTILE.reason, HOSTILE.comment,
    )  # fmt: skip
    assert found.made.endswith("+00:00")


def test_newest_verdict_counts_and_none_is_overwritten(store):
    store.add(Verdict("b" * 64, "s", "f", Grade.GOOD, made="2026-01-01T00:00:00"))
    store.add(Verdict("b" * 64, "s", "f", Grade.UNCERTAIN, made="2026-01-02T00:00:00"))
    assert store.newest("b" * 64).grade is Grade.UNCERTAIN
    assert len(store.all("b" * 64)) == 2
    assert store.newest("c" * 64) is None


def test_default_database_is_in_the_users_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("KIEL_VERDICTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = Verdicts()
    store.add(HOSTILE)
    store.close()
    assert (tmp_path / "kiel" / "verdicts.sqlite").is_file()


@pytest.mark.parametrize("count", [0, 2])
def test_exports_hold_every_verdict(store, count):
    for _ in range(count):
        store.add(HOSTILE)
    text = Table.read(as_csv(store.all()).decode(), format="ascii.csv")
    vo = parse_single_table(io.BytesIO(as_votable(store.all()))).to_table()
    assert len(text) == len(vo) == count
    if count:
        assert text["star"][0] == vo["star"][0] == HOSTILE.star
        assert vo["grade"][0] == "bad"


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/v.sqlite", "nonsense", "nodriver://x/y"])
def test_database_that_cannot_be_opened_is_refused_in_a_sentence(url):
    with pytest.raises(DataError, match="KIEL_VERDICTS"):
        Verdicts(url)
