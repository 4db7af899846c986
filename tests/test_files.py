"""Assets, the line table and the data folder: found where they are, missed in words where they are not; whole files."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from cinn_core import files as assets
from cinn_core import files as data
from cinn_core.errors import DataError, KielError
from cinn_core.instrument import ARMS
from cinn_core.lines import diagnostic_lines
from cinn_core.targets import TARGET_NAMES


def test_assets_of_a_checkout_lie_beside_the_package():
    assert assets.asset_path("lines.ecsv").is_file()


def test_assets_of_a_wheel_lie_inside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "cinn_core"
    shutil.copytree(assets.assets_directory(), package / "assets", ignore=shutil.ignore_patterns("*.safetensors"))
    monkeypatch.setattr(assets, "files", lambda name: tmp_path / name)
    assert assets.asset_path("lines.ecsv") == package / "assets" / "lines.ecsv"


def test_a_missing_asset_is_named():
    with pytest.raises(KielError, match=r"weights/nothing\.safetensors is missing"):
        assets.asset_path("weights", "nothing.safetensors")


def test_examples_are_a_solar_twin_a_metal_poor_giant_and_a_lithium_rich_dwarf(examples):
    assert list(examples) == ["solar-twin", "metal-poor-giant", "lithium-rich-dwarf"]
    assert all(path.is_file() for path in examples.values())


def test_diagnostic_lines_are_those_of_the_paper():
    lines = diagnostic_lines()
    counts = {species: sum(line.species == species for line in lines) for species in {line.species for line in lines}}
    assert counts == {"Mg I": 5, "Ca I": 16, "Li I": 4, "Fe I": 12, "Fe II": 4}


def test_every_diagnostic_line_lies_in_an_arm_and_tells_of_a_target():
    for line in diagnostic_lines():
        assert any(arm.low < line.wavelength < arm.high for arm in ARMS), line
        assert line.target in TARGET_NAMES
        assert line.species.startswith(line.element)


def test_lithium_is_split_into_the_doublets_of_its_two_isotopes():
    lithium = [line for line in diagnostic_lines() if line.element == "Li"]
    assert [line.isotope for line in lithium] == ["7Li", "7Li", "6Li", "6Li"]
    shift = np.mean([x.wavelength for x in lithium[2:]]) - np.mean([x.wavelength for x in lithium[:2]])
    assert shift == pytest.approx(0.157, abs=1e-3)  # isotope shift of the resonance doublet
    assert {line.isotope for line in diagnostic_lines()} == {"", "7Li", "6Li"}


def test_a_line_is_named_by_species_and_wavelength():
    assert diagnostic_lines()[2].name == "Mg I 5183.604"
    assert len({line.name for line in diagnostic_lines()}) == len(diagnostic_lines())


def test_the_option_names_the_data_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setenv("KIEL_DATA", str(tmp_path / "b"))
    assert data.data_directory(tmp_path / "a") == tmp_path / "a"
    assert data.data_directory() == tmp_path / "b"


def test_without_a_name_the_data_lie_beside_the_checkout_or_nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("KIEL_DATA", raising=False)
    monkeypatch.setattr(data, "_BESIDE_CHECKOUT", tmp_path)
    assert data.data_directory() == tmp_path
    monkeypatch.setattr(data, "_BESIDE_CHECKOUT", tmp_path / "nothing")
    assert data.data_directory() is None


@pytest.mark.parametrize("by_option", [True, False])
def test_a_named_data_folder_must_exist(tmp_path, monkeypatch, by_option):
    folder = tmp_path / "nothing"
    monkeypatch.setenv("KIEL_DATA", str(folder))
    with pytest.raises(DataError, match="--data" if by_option else "KIEL_DATA"):
        data.data_directory(folder if by_option else None)


def test_a_file_is_in_place_when_its_writing_ends_and_nothing_beside_it(tmp_path):
    path = tmp_path / "out.txt"
    with data.written(path) as part:
        part.write_text("new")
        assert not path.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_beside_it(tmp_path, problem):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def stopped_half_way():
        with data.written(path) as part:
            part.write_text("half")
            raise problem

    with pytest.raises(problem):
        stopped_half_way()
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "old"


def test_a_text_is_written_in_the_encoding_that_is_asked_for(tmp_path):
    data.write_text(tmp_path / "utf8", "Å")
    data.write_text(tmp_path / "latin1", "Å", "latin-1")
    assert (tmp_path / "utf8").read_bytes() == "Å".encode()
    assert (tmp_path / "latin1").read_bytes() == b"\xc5"


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back_by_name_from_a_file_of_any_suffix(tmp_path, compressed):
    path = tmp_path / "arrays.part-of-a-run"
    data.write_arrays(path, {"labels": np.arange(3), "size": 7}, compressed=compressed)
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["labels"].tolist() == [0, 1, 2]
        assert int(arrays["size"]) == 7


def test_a_result_is_computed_once_for_all_processes_and_again_where_its_key_or_the_cache_is_lost(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(data.CACHE_VARIABLE, str(tmp_path / "cache"))
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3.0)}

    for _ in range(2):
        assert (data.computed_once("made", "a", compute)["x"] == np.arange(3.0)).all()
    assert len(calls) == 1
    data.computed_once("made", "b", compute)
    assert len(calls) == 2
    (tmp_path / "cache" / "made-a.npz").write_bytes(b"not an archive")
    assert (data.computed_once("made", "a", compute)["x"] == np.arange(3.0)).all()
    assert len(calls) == 3


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way of a folder")
    monkeypatch.setenv(data.CACHE_VARIABLE, str(tmp_path / "file"))
    assert data.computed_once("made", "a", lambda: {"x": np.ones(2)})["x"].sum() == 2


def test_results_of_other_keys_leave_the_cache_the_oldest_first(tmp_path, monkeypatch):
    monkeypatch.setenv(data.CACHE_VARIABLE, str(tmp_path))
    for i, key in enumerate("abcde"):
        data.computed_once("made", key, lambda: {"x": np.ones(1)})
        os.utime(tmp_path / f"made-{key}.npz", (i, i))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made-c.npz", "made-d.npz", "made-e.npz"]


def test_a_hash_depends_on_every_part_and_on_where_one_ends(tmp_path):
    (tmp_path / "a").write_text("x")
    assert data.hash_of(tmp_path / "a", "y") == data.hash_of("x", "y")
    assert len({data.hash_of("x", "y"), data.hash_of("xy"), data.hash_of("x", "z"), data.hash_of("xy", "")}) == 4
