"""Where a training stands, on disk: modules, the optimiser's state and a few numbers, in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..files import written


def save_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, progress: Sequence[float]
) -> None:
    """Writes modules by name, optimiser and `progress`, whole or not at all."""
    tensors = {f"{name}.{k}": v.clone() for name, module in modules.items() for k, v in module.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": v for k, v in state.items()}
    tensors["progress"] = torch.tensor(progress, dtype=torch.float64)
    with written(path) as part:
        save_file({k: v.contiguous() for k, v in tensors.items()}, part)


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer
) -> tuple[float, ...] | None:
    """Restores what `save_checkpoint` wrote and returns its progress; None, and nothing changed, where there is no file."""
    if not path.exists():
        return None
    tensors = load_file(path)
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    return tuple(tensors["progress"].tolist())
