"""Learning the change by NLTE from stars computed both ways."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_change import IN_NLTE, LINE, MG, MagnesiumEngine, made_up_change, made_up_stars

from cinn_core.errors import DataError
from cinn_core.forward_model.nlte_change import NlteChange
from cinn_core.synthesis.departure_files import DepartureTable, write_table
from cinn_core.synthesis.departures import Level
from cinn_core.synthesis.grid import star_labels
from cinn_core.training import nlte_change
from cinn_core.training.nlte_change import ChangedStars, Sources, change_errors, held_out, make_stars, read_stars


@pytest.fixture(scope="module")
def stars() -> ChangedStars:
    return made_up_stars(250)


@pytest.fixture(scope="module")
def change() -> NlteChange:
    return made_up_change()


def test_change_of_stars_it_was_not_trained_on_is_known_to_a_tenth(change, stars):
    assert held_out(stars).sum() == 50
    errors = {(e.element, e.wavelength): e for e in change_errors(change, stars) if np.isfinite(e.wavelength)}
    assert errors["Mg", MG].change > 1.0  # mA
    assert errors["Mg", MG].error < 0.1 * errors["Mg", MG].change
    assert errors["Li", 6707.764].error < 0.1 * errors["Li", 6707.764].change


def test_stars_that_the_folder_holds_are_kept_and_tables_are_not_mixed(tmp_path, monkeypatch):
    levels = (Level("MG I 2P6 3S 3S 1SE", 0.0, 1.0),)
    node = np.array([[5777.0, 4.44, 0.0, 7.55]])
    write_table(DepartureTable("Mg", levels, node, np.array([-1.0, 0.0]), np.ones((1, 1, 2)), {}), tmp_path / "Mg.npz")
    sources = Sources((tmp_path / "Mg.npz",), tmp_path, tmp_path, tmp_path / "run")
    (tmp_path / "run").mkdir()
    kept = {"tables_sha256": sources.digest(), "shifts": [["Mg I", LINE, -0.1]]}
    (tmp_path / "run" / "inputs.json").write_text(json.dumps(kept))
    given = []

    def engines(sources, shifts, lines):
        given.append(shifts)
        return MagnesiumEngine(), MagnesiumEngine(shifts, IN_NLTE)

    monkeypatch.setattr(nlte_change, "engines", engines)
    first = make_stars(sources, seed=1, n=2)
    (tmp_path / "run" / "stars" / "000100001.npz").unlink()
    said: list[str] = []
    again = make_stars(sources, seed=1, n=2, report=said.append)
    assert said == ["1 of 2 stars are there already"]
    assert given == [{("Mg I", LINE): -0.1}] * 2
    np.testing.assert_array_equal(again.index, [100_000, 100_001])
    np.testing.assert_array_equal(again.change, first.change)
    np.testing.assert_allclose(again.labels[1], star_labels(100_001))
    (tmp_path / "Mg.npz").write_bytes(b"another")
    with pytest.raises(DataError, match="other tables of departures"):
        make_stars(sources, seed=1, n=2)


def test_folder_without_stars_is_told(tmp_path):
    with pytest.raises(DataError, match="holds no star"):
        read_stars(tmp_path, [100_000])
