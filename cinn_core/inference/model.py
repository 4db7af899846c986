"""Learned parts of Kiel, loaded once: forward model, templates, projection and network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..errors import ParametersError
from ..files import asset_path
from ..forward_model.emulator import load_emulator
from ..forward_model.forward import ForwardModel, emulator_path, forward_model
from ..instrument import ARMS, N_PIXELS
from ..parameters import as_described, load_parameters, save_parameters, tensors_of
from ..preparation.templates import Templates, shipped_templates
from ..targets import TARGET_NAMES
from .distance import DistanceStatistics, load_distance
from .network import Architecture, Network
from .projection import Projection
from .sampler import Sampler


class Device(Enum):
    """Device the network runs on; AUTO takes a GPU when there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"

    def resolve(self) -> torch.device:
        """The torch device; raises ParametersError when CUDA is asked for and absent."""
        if self is Device.CUDA and not torch.cuda.is_available():
            raise ParametersError("No CUDA device is available on this machine; use --device cpu or auto.")
        use_cuda = self is Device.CUDA or (self is Device.AUTO and torch.cuda.is_available())
        return torch.device("cuda" if use_cuda else "cpu")


@dataclass(frozen=True, eq=False)
class Model:
    """The loaded model and its cards (what each part is, its physics, training and hash)."""

    forward: ForwardModel
    templates: Templates
    projection: Projection
    network: Network
    device: torch.device
    cards: dict[str, dict[str, Any]]
    distance: DistanceStatistics | None = None

    @cached_property
    def sampler(self) -> Sampler:
        """The network's fast sampler in full precision."""
        return Sampler(self.network)


def shipped_network_path() -> Path:
    return asset_path("weights", "network.safetensors")


def load_model(device: Device | str = Device.AUTO, network_path: Path | None = None) -> Model:
    """The shipped model, or the shipped emulator with a network of one's own (`network_path`).

    Raises ParametersError when weights are missing, damaged, of another version, or the network of another emulator.
    """
    where = Device(device).resolve()
    emulator, emulator_card = load_emulator(emulator_path())
    forward = forward_model(emulator)
    path = network_path or shipped_network_path()
    projection, network, network_card = load_network(path)
    learned_with, loaded = network_card.get("emulator_sha256"), emulator_card["sha256"]
    if learned_with not in (None, loaded):
        raise ParametersError(
            f"{path.name} learned from the spectra of the emulator {learned_with[:12]}…, and the one that is loaded is "
            f"{loaded[:12]}…: its answers would be of another physics. Train it with this emulator (kiel train network)."
        )
    cards = {"emulator": emulator_card, "network": network_card}
    distance = load_distance(path, network_card["sha256"])
    return Model(forward, shipped_templates(), projection, network.to(where), where, cards, distance)


def save_network(projection: Projection, network: Network, path: Path, card: dict[str, Any]) -> None:
    """Write projection and network as one file with its card."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"projection.{k}": torch.from_numpy(v) for k, v in vars(projection).items()}
    tensors["projection.components"] = tensors["projection.components"].half()
    basics = {"kind": "network", "architecture": network.architecture.to_card(), **_layout()}
    save_parameters(path, tensors, basics | card)


def load_network(path: Path) -> tuple[Projection, Network, dict[str, Any]]:
    """Projection, network (in evaluation mode) and card; raises ParametersError when they cannot be used."""
    tensors, card = load_parameters(path, "network")
    for key, ours in _layout().items():
        if card.get(key) != ours:
            raise ParametersError(
                f"{path.name} was trained for {key} = {card.get(key)}; this version of Kiel has {ours}. "
                "Install the matching version or train again with `kiel train network`."
            )
    with as_described(path, "network"):
        projection = Projection(**{k: v.float().numpy() for k, v in tensors_of("projection", tensors).items()})
        network = Network(Architecture.from_card(card["architecture"]), torch.ones(projection.n_components))
        network.load_state_dict(tensors_of("network", tensors))
    return projection, network.eval().requires_grad_(False), card


def _layout() -> dict[str, Any]:
    """What a network must have been trained for to be used by this code."""
    arms = [[arm.name, arm.low, arm.high] for arm in ARMS]
    return {"targets": list(TARGET_NAMES), "arms": arms, "pixels": N_PIXELS}
