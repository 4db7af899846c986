"""The fields for nu_max and a parallax: what a person types becomes constraints, and nonsense a sentence."""

import pytest

from app.page.views.external import observers_fields
from cinn_core.inference.constraints import Constraint


def clicked(**texts: str) -> tuple[list[Constraint], list[str]]:
    """The constraints and sentences that follow when the fields hold these texts and the button is pressed."""
    found: list[Constraint] = []
    said: list[str] = []
    view = observers_fields(found.append, said.append)
    fields = {field.label: field for field in view.select() if hasattr(field, "placeholder")}
    for label, text in texts.items():
        fields[label.replace("nu_max", "ν_max")].value = text
    button = next(widget for widget in view.select() if getattr(widget, "label", "") == "use")
    button.param.trigger("clicks")
    return found, said


def test_nu_max_and_parallax_become_constraints_of_their_own():
    found, said = clicked(nu_max="3090±10", parallax="47.2±0.1", magnitude="G=6.3", extinction="E(B-V)=0.01")
    assert [one.target for one in found] == ["numax", "parallax"]
    assert found[1].photometry is not None
    assert found[1].photometry.a_v == pytest.approx(0.031)
    assert said == [""]


def test_parallax_without_a_magnitude_is_told_and_nothing_is_used():
    found, said = clicked(parallax="47.2±0.1")
    assert not found
    assert "magnitude" in said[0]


def test_empty_fields_ask_for_something():
    assert clicked() == ([], ["Give ν_max, or a parallax and a magnitude."])
