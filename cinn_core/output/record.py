"""Frozen stages taken apart into a plain tree beside named arrays, and put together again; nothing is pickled."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_ARRAY, _BYTES, _FLOAT = "__array__", "__bytes__", "__float__"
_T = TypeVar("_T")


def take_apart(value: Any, arrays: dict[str, NDArray], path: str = "star") -> Any:
    """`value` as dictionaries, lists, text and finite numbers; its arrays go into `arrays` under their paths."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: take_apart(getattr(value, f.name), arrays, f"{path}.{f.name}") for f in fields(value) if f.init}
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {_ARRAY: path}
    if isinstance(value, bytes):
        arrays[path] = np.frombuffer(value, np.uint8)
        return {_BYTES: path}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    if isinstance(value, Mapping):
        return {str(key): take_apart(item, arrays, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [take_apart(item, arrays, f"{path}.{i}") for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{path} is a {type(value).__name__}, which has no place in a record.")


def put_together(kind: type[_T], tree: Any, arrays: Mapping[str, NDArray]) -> _T:
    """The `kind` that a tree was; KeyError, TypeError or ValueError where the tree is of something else."""
    return typing.cast(_T, _build(kind, tree, arrays))


def _build(kind: Any, tree: Any, arrays: Mapping[str, NDArray]) -> Any:
    if isinstance(tree, dict) and set(tree) == {_ARRAY}:
        return arrays[tree[_ARRAY]]
    if isinstance(tree, dict) and set(tree) == {_BYTES}:
        return arrays[tree[_BYTES]].tobytes()
    if isinstance(tree, dict) and set(tree) == {_FLOAT}:
        return float(tree[_FLOAT])
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if tree is None else _build(_fitting(inner, tree), tree, arrays)
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(tree, dict):
            raise TypeError(f"A {kind.__name__} cannot be made of {type(tree).__name__}.")
        hints = typing.get_type_hints(kind)
        return kind(**{name: _build(hints[name], part, arrays) for name, part in tree.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(tree)
    if origin is tuple:
        kinds = [inner[0]] * len(tree) if len(inner) == 2 and inner[1] is Ellipsis else inner
        return tuple(_build(k, item, arrays) for k, item in zip(kinds, tree, strict=True))
    if origin is list:
        return [_build(inner[0], item, arrays) for item in tree]
    if isinstance(tree, dict):
        within = inner[1] if len(inner) == 2 else Any
        return {key: _build(within, item, arrays) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_build(Any, item, arrays) for item in tree]
    return tree


def _fitting(kinds: tuple[Any, ...], tree: Any) -> Any:
    """The member of a union that a tree, not None, belongs to: a stage for a dictionary, else the first that is not a stage."""
    some = [kind for kind in kinds if kind is not type(None)]
    stages = [kind for kind in some if is_dataclass(kind)]
    if isinstance(tree, dict) and stages:
        return stages[0]
    return next((kind for kind in some if kind not in stages), some[0])
