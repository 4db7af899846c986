"""Weights are what their card says, or they are refused in words."""

import json
from pathlib import Path

import pytest
import torch

from cinn_core.errors import WeightsError
from cinn_core.weights import card_path, load_weights, save_weights


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetensors"
    save_weights(path, {"a": torch.arange(6.0).reshape(2, 3)}, {"kind": "toy"})
    return path


def test_weights_come_back_as_they_were(saved: Path) -> None:
    tensors, card = load_weights(saved, "toy")
    assert torch.equal(tensors["a"], torch.arange(6.0).reshape(2, 3))
    assert card["kind"] == "toy"
    assert not list(saved.parent.glob("*.part"))


def test_damaged_weights_are_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(saved, "toy")


def test_weights_of_another_kind_are_refused(saved: Path) -> None:
    with pytest.raises(WeightsError, match="'network'"):
        load_weights(saved, "network")


def test_old_schema_is_refused_with_the_remedy(saved: Path) -> None:
    card = json.loads(card_path(saved).read_text())
    card_path(saved).write_text(json.dumps(card | {"schema": 0}))
    with pytest.raises(WeightsError, match="kiel train"):
        load_weights(saved, "toy")


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="kiel train toy"):
        load_weights(tmp_path / "none.safetensors", "toy")
