"""Lessons of the What if tab: the model does what they tell a class."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from app.page.views.whatif import LESSONS
from cinn_core.explanation.what_if import slider_bounds
from cinn_core.lines import line_windows

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks" / "lesson.py"


@pytest.fixture(scope="module")
def lesson(model):
    """The lines of a Sun before and after a lesson, by name."""
    spec = importlib.util.spec_from_file_location("lesson", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    steps = {lesson.name: lesson.steps for lesson in LESSONS}
    return lambda name: {c.window.name: c for c in module.changes(model.forward, steps[name])}


def growth(change) -> float:
    return change.width[1] / change.width[0] - 1


def test_lessons_move_labels_that_have_sliders_and_show_lines_there_are():
    for lesson in LESSONS:
        assert set(lesson.steps) <= set(slider_bounds())
        assert lesson.line in [w.name for w in line_windows()]


def test_thirty_times_the_lithium_is_one_line(lesson):
    found = lesson("lithium")
    lithium = found.pop("Li I 6707.8")
    assert lithium.depth[0] < 0.05 < 0.1 < lithium.depth[1]
    assert max(abs(after - before) for before, after in (c.depth for c in found.values())) < 0.02


def test_twice_the_magnesium_deepens_weak_lines_more_than_the_cores_of_the_triplet(lesson):
    found = lesson("magnesium")
    deeper = {name: c.depth[1] - c.depth[0] for name, c in found.items() if name.startswith("Mg")}
    triplet = [deeper[name] for name in ("Mg I 5167.3", "Mg I 5172.7", "Mg I 5183.6")]
    assert min(deeper.values()) > 0
    assert min(deeper["Mg I 5528.4"], deeper["Mg I 5711.1"]) > max(triplet)


def test_lower_gravity_narrows_strong_neutral_lines_and_strengthens_ionised_iron(lesson):
    found = lesson("gravity")
    assert all(growth(c) > 0.05 for name, c in found.items() if name.startswith("Fe II"))
    assert growth(found["Ca I 6162.2"]) < -0.1
    assert growth(found["Mg I 5183.6"]) < 0
