"""Every flag and word that the page shows has a sentence."""

from __future__ import annotations

from cinn_core.output.glossary import FLAG_MEANING, FLAG_TEXT, TERMS, markdown, meaning
from cinn_core.stages import FLAGS
from cinn_core.targets import TARGETS


def test_every_flag_has_a_chip_and_a_meaning():
    assert set(FLAG_TEXT) == set(FLAG_MEANING) == set(FLAGS)


def test_every_target_has_a_meaning():
    assert all(meaning(target.label) for target in TARGETS)
    assert meaning("A(Li)")
    assert meaning("no such word") == ""


def test_documentation_prints_the_glossary_whole():
    printed = markdown()
    assert all(text in printed for text in (*FLAG_MEANING.values(), *TERMS.values(), *TERMS))
