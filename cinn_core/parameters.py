"""Parameters of trained models on disk: safetensors beside a JSON card that describes them; checkpoints of a training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .errors import ParametersError
from .files import write_text, written

CARD_SCHEMA = 1


def save_parameters(path: Path, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write `path` (.safetensors) and its card beside it, each whole or not at all; the card gets the file's hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as part:
        save_file({k: v.contiguous() for k, v in tensors.items()}, part)
        full_card = {"schema": CARD_SCHEMA, **card, "sha256": file_hash(part)}
        part.chmod(0o644)  # safetensors writes for the owner alone
    write_text(card_path(path), json.dumps(full_card, indent=1) + "\n")


_COMMANDS = {"paper network": "network --config paper", "nlte-change": "nlte", "embedding distance": "distance"}
"""Name that `kiel train` has for a kind of parameters where it is not that of the card."""


def _command(kind: str) -> str:
    """The command that trains parameters of a kind."""
    return f"`kiel train {_COMMANDS.get(kind, kind)}`"


def load_parameters(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the card of `path`.

    Raises ParametersError where a file is missing, damaged, not the one its card describes, or of another kind.
    """
    if not path.is_file() or not card_path(path).is_file():
        raise ParametersError(
            f"There is no {kind} at {path} (needed: the .safetensors file and its .json card); "
            f"reinstall Kiel or train it with {_command(kind)}."
        )
    try:
        card = json.loads(card_path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ParametersError(
            f"The card {card_path(path).name} is not readable JSON; reinstall Kiel or train again."
        ) from error
    if not isinstance(card, dict):
        raise ParametersError(f"The card {card_path(path).name} describes no weights; reinstall Kiel or train again.")
    if card.get("schema") != CARD_SCHEMA or card.get("kind") != kind:
        raise ParametersError(
            f"{path.name} is described as {card.get('kind')!r}, schema {card.get('schema')!r}; this version of Kiel "
            f"needs {kind!r}, schema {CARD_SCHEMA}. Train again with {_command(kind)} or install the matching version."
        )
    if file_hash(path) != card.get("sha256"):
        raise ParametersError(
            f"{path.name} is not the file its card describes (hash differs): it is damaged or was replaced."
        )
    try:
        return load_file(path), card
    except SafetensorError as error:
        raise ParametersError(f"{path.name} cannot be read as safetensors; reinstall Kiel or train again.") from error


@contextmanager
def as_described(path: Path, kind: str) -> Iterator[None]:
    """Raise ParametersError, with the remedy, where the tensors of `path` do not fit its card while a model is built inside."""
    try:
        yield
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as problem:
        said = " ".join(str(problem).split())[:160]
        raise ParametersError(
            f"The tensors of {path.name} are not those that its card describes ({said}); reinstall Kiel or train again "
            f"with {_command(kind)}."
        ) from problem


def card_path(path: Path) -> Path:
    """Path of the card beside a file of parameters."""
    return path.with_suffix(".json")


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def tensors_of(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix.`, without it."""
    return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + ".")}


def save_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, progress: Sequence[float]
) -> None:
    """Write a checkpoint of a training: modules by name, the optimiser's state and the numbers `progress`, whole or not at all."""
    tensors = {f"{name}.{k}": v.clone() for name, module in modules.items() for k, v in module.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": v for k, v in state.items()}
    tensors["progress"] = torch.tensor(progress, dtype=torch.float64)
    with written(path) as part:
        save_file({k: v.contiguous() for k, v in tensors.items()}, part)


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer
) -> tuple[float, ...] | None:
    """Restore modules and optimiser from a checkpoint and return its progress; None, and nothing changed, where there is no file."""
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
