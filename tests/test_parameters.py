"""Weights are what their card says, or they are refused in words."""

import json
from pathlib import Path

import pytest
import torch

from cinn_core.errors import ParametersError
from cinn_core.files import asset_path
from cinn_core.forward_model.emulator import load_emulator
from cinn_core.inference.model import load_network
from cinn_core.parameters import card_path, file_hash, load_parameters, save_parameters


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetensors"
    save_parameters(path, {"a": torch.arange(6.0).reshape(2, 3)}, {"kind": "toy"})
    return path


def test_weights_come_back_as_they_were(saved: Path) -> None:
    tensors, card = load_parameters(saved, "toy")
    assert torch.equal(tensors["a"], torch.arange(6.0).reshape(2, 3))
    assert card["kind"] == "toy"
    assert not list(saved.parent.glob("*.part"))


def test_tensor_seen_transposed_or_in_steps_comes_back_as_it_was(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    seen = {"transposed": whole.T, "in steps": whole[:, ::2]}
    save_parameters(tmp_path / "toy.safetensors", seen, {"kind": "toy"})
    tensors, _ = load_parameters(tmp_path / "toy.safetensors", "toy")
    assert all(torch.equal(tensors[name], tensor) for name, tensor in seen.items())


def test_damaged_weights_are_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(ParametersError, match="damaged"):
        load_parameters(saved, "toy")


def test_weights_of_another_kind_are_refused(saved: Path) -> None:
    with pytest.raises(ParametersError, match="'network'"):
        load_parameters(saved, "network")


def test_old_schema_is_refused_with_the_remedy(saved: Path) -> None:
    card = json.loads(card_path(saved).read_text())
    card_path(saved).write_text(json.dumps(card | {"schema": 0}))
    with pytest.raises(ParametersError, match="kiel train"):
        load_parameters(saved, "toy")


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match="kiel train toy"):
        load_parameters(tmp_path / "none.safetensors", "toy")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_cut_weights_are_refused(saved: Path, share: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ParametersError, match="damaged"):
        load_parameters(saved, "toy")


@pytest.mark.parametrize("content", [b"not safetensors", b"\xff" * 64, b"\x80\x04\x95", b"PK\x03\x04"])
def test_what_is_no_safetensors_file_is_refused_though_its_card_vouches_for_it(saved: Path, content: bytes) -> None:
    saved.write_bytes(content)
    card = json.loads(card_path(saved).read_text())
    card_path(saved).write_text(json.dumps(card | {"sha256": file_hash(saved)}))
    with pytest.raises(ParametersError, match="safetensors"):
        load_parameters(saved, "toy")


@pytest.mark.parametrize("text", ["", "[]", "null", '"card"', "{", "\x00", "[" * 100_000])
def test_card_that_is_none_is_refused(saved: Path, text: str) -> None:
    card_path(saved).write_text(text)
    with pytest.raises(ParametersError, match="card"):
        load_parameters(saved, "toy")


@pytest.mark.parametrize("kind", ["emulator", "network"])
def test_shipped_weights_are_those_that_their_cards_describe(kind: str) -> None:
    tensors, card = load_parameters(asset_path("weights", f"{kind}.safetensors"), kind)
    assert tensors
    assert {"schema", "kind", "sha256"} <= set(card)


@pytest.mark.parametrize(
    ("kind", "load", "wrong"),
    [
        ("emulator", load_emulator, "a tensor missing"),
        ("emulator", load_emulator, "a card without its keys"),
        ("network", load_network, "a tensor missing"),
        ("network", load_network, "a tensor of another shape"),
        ("network", load_network, "a card without its keys"),
    ],
)
def test_tensors_that_do_not_fit_their_card_are_refused_with_the_remedy(tmp_path: Path, kind, load, wrong) -> None:
    tensors, card = load_parameters(asset_path("weights", f"{kind}.safetensors"), kind)
    name = next(k for k in tensors if k.endswith(("block0.weights", "last.1.weight")))
    if wrong == "a tensor missing":
        del tensors[name]
    elif wrong == "a tensor of another shape":
        tensors[name] = tensors[name].reshape(-1)[:-1].clone()
    else:
        card = {k: v for k, v in card.items() if k not in ("architecture", "blocks")}
    save_parameters(
        tmp_path / "wrong.safetensors", tensors, {k: v for k, v in card.items() if k not in ("sha256", "schema")}
    )
    with pytest.raises(ParametersError, match=f"kiel train {kind}"):
        load(tmp_path / "wrong.safetensors")
