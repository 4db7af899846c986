"""Cards saved from the page: each kind is a whole file, and the numbers are those of the star."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from app.page.figures.printed import CARDS, KINDS, card_file
from cinn_core.inference.constraints import Constraint
from cinn_core.instrument import WAVELENGTH
from cinn_core.output.bundle import SavedStar
from cinn_core.targets import TARGET_NAMES

MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


def numbers(card: str, star: SavedStar, names: tuple[str, ...] | None = None) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(card_file(card, "csv", star, names)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "csv"])
def test_a_card_is_saved_as_a_file_of_each_kind(made_up, kind):
    content = card_file("kiel", kind, SavedStar(made_up))
    assert content.startswith(MAGIC[kind])


@pytest.mark.parametrize("card", ["lines", "saliency"])
def test_other_cards_can_be_drawn(made_up, card):
    assert card_file(card, "png", SavedStar(made_up)).startswith(MAGIC["png"])


def test_numbers_of_the_spectrum_are_what_is_drawn_and_what_was_not_observed_is_empty(made_up):
    table, vector = numbers("spectrum", SavedStar(made_up)), made_up.flux_vector
    np.testing.assert_allclose(table["wavelength_air"], WAVELENGTH, rtol=1e-5)
    np.testing.assert_array_equal(table["flux"].notna(), vector.good)
    np.testing.assert_allclose(table["model"], made_up.resimulation.map_flux, rtol=1e-5)
    assert (table["model_lo95"] <= table["model_lo68"]).all()
    assert (table["model_lo68"] <= table["model_hi68"]).all()


def test_numbers_of_the_corner_are_the_samples_of_what_was_chosen_with_their_weights(made_up):
    chosen = numbers("corner", SavedStar(made_up), ("teff", "logg"))
    np.testing.assert_allclose(chosen["Teff [K]"], made_up.posterior.labels[:, 0], rtol=1e-5)
    assert list(chosen) == ["Teff [K]", "log g"]
    weighted = numbers("corner", SavedStar(made_up, constraints=(Constraint("logg", 4.44, 0.02),)))
    assert "weight" in weighted
    assert weighted["weight"].nunique() > 1


def test_numbers_of_lines_and_saliency_name_what_they_are_of(made_up):
    assert "Li I 6707.8" in set(numbers("lines", SavedStar(made_up))["line"])
    assert list(numbers("saliency", SavedStar(made_up)))[1:] == list(TARGET_NAMES)
    assert set(CARDS) == {"spectrum", "lines", "corner", "kiel", "saliency"}
