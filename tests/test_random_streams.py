"""Random streams: no two purposes share one, and those that results were computed with keep their numbers."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np

from cinn_core.random_streams import Stream, stream, torch_seed

ROOT = Path(__file__).resolve().parents[1]


def test_no_two_purposes_have_the_same_number():
    assert len(Stream.__members__) == len(set(Stream))  # an alias would be a member that is not in the set


def test_streams_of_one_seed_are_different():
    first = [stream(purpose, 3).standard_normal(4) for purpose in Stream]
    assert all(not np.any(a == b) for a, b in itertools.combinations(first, 2))
    assert len({torch_seed(purpose, 3, 20) for purpose in Stream}) == len(Stream)


def test_importance_and_training_keep_their_numbers():
    assert stream(Stream.IMPORTANCE, 5).random() == np.random.default_rng([5, 8]).random()
    assert stream(Stream.TRAINING_SHARD, 5, 7).random() == np.random.default_rng([5, 2, 7]).random()


def test_no_module_numbers_a_stream_by_hand():
    for path in (*(ROOT / "cinn_core").rglob("*.py"), *(ROOT / "app").rglob("*.py")):
        if path.name == "random_streams.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                assert not any(isinstance(part, ast.List) for part in node.args), f"{path}:{node.lineno}"
